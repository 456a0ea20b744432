"""Options and profiles for the whole test suite."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# `pytest --hypothesis-profile=long` tries more examples; CI draws the same examples each time
settings.register_profile("short", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("short")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-cases",
        action="store_true",
        help="write what the cases under tests/cases expect, to be read before it is committed",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--rewrite-cases") and os.environ.get("CI"):
        raise pytest.UsageError("--rewrite-cases is not allowed in CI: a person decides what a case expects")
