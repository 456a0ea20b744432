"""Collect the output of the real consumers for a table at the end of the run.

A test that asks one uses the fixture `said` and passes it a line, verbatim if there is one to quote:

    def test_guest(said: Callable[[str, str], None]) -> None:
        ...
        said("guest", line)

`make test-real` runs this folder and ends with the table: one row per line, in the order of the tests, naming each
consumer once. A test that fails before the call records nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "end-to-end"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shim"))
import boot
import machine
import realvirsh

_LINES = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session")
def said(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Takes a consumer (`libvirt 9.0.0`, `guest`) and its output."""
    lines = pytestconfig.stash.setdefault(_LINES, [])
    return lambda consumer, line: lines.append((consumer, line))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a socket path has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="real-"))
    path.chmod(0o755)  # libvirt runs as nobody
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def machines() -> Iterator[Path]:
    """The folder of the only libvirt, which queries QEMU's capabilities once."""
    if missing := machine.missing_packages():
        pytest.skip(f"Debian packages are not installed: {' '.join(missing)}")
    path = Path(tempfile.mkdtemp(prefix="real-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def libvirt(machines: Path) -> machine.Libvirt:
    return realvirsh.Libvirt(machines / "v")


@pytest.fixture(scope="session")
def guests(machines: Path, libvirt: machine.Libvirt) -> boot.Guests:
    try:
        return boot.Guests(machines, libvirt)
    except machine.MachineError as error:
        pytest.skip(f"no kernel from the Debian package {machine.KERNEL_PACKAGE}: {error}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = [(consumer, line) for consumer, text in config.stash.get(_LINES, []) for line in text.splitlines()]
    if not rows:
        return
    terminalreporter.section("what the real consumers said")
    width, last = max(len(consumer) for consumer, _ in rows), ""
    for consumer, line in rows:
        terminalreporter.write_line(f"{consumer if consumer != last else '':{width}}  {line}")
        last = consumer
