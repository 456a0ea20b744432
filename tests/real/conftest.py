"""What the real consumers said, kept for a table at the end of the run.

A test that asked one takes the fixture `said` and gives it a line, verbatim where there is one to quote:

    def test_guest(said: Callable[[str, str], None]) -> None:
        ...
        said("guest", line)

`make test-real` runs this folder and ends with the table: a row for each line, in the order of the tests, the
consumer named once. Nothing is recorded by a test that fails before it gets there.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session")
def said(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Takes a consumer (`libvirt 9.0.0`, `guest`) and what it said."""
    lines = pytestconfig.stash.setdefault(_LINES, [])
    return lambda consumer, line: lines.append((consumer, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = [(consumer, line) for consumer, text in config.stash.get(_LINES, []) for line in text.splitlines()]
    if not rows:
        return
    terminalreporter.section("what the real consumers said")
    width, last = max(len(consumer) for consumer, _ in rows), ""
    for consumer, line in rows:
        terminalreporter.write_line(f"{consumer if consumer != last else '':{width}}  {line}")
        last = consumer
