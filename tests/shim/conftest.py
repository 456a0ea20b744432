"""Fixtures: a sidecar with its own folders, stopped after the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shimprocess import CONTAINER, Shim


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a socket path has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="shim-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_shim(folder: Path) -> Iterator[Callable[..., Shim]]:
    """Creates sidecars, each in its own folder unless one is given; stops those that still run."""
    made: list[Shim] = []

    def make(name: str | None = None, container: str | None = CONTAINER) -> Shim:
        below = folder / (name or str(len(made)))
        below.mkdir(exist_ok=True)
        made.append(Shim(below, container))
        return made[-1]

    yield make
    for shim in made:
        shim.kill()


@pytest.fixture
def shim(make_shim: Callable[..., Shim]) -> Shim:
    return make_shim()
