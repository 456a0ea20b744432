"""What the real consumers said, kept for a table at the end of the run.

A test that asked one takes the fixture `said` and gives it a line, verbatim where there is one to quote:

    def test_guest(said: Callable[[str, str], None]) -> None:
        ...
        said("guest", line)

`make test-real` runs this folder and ends with the table: a row for each line, in the order of the tests, the
consumer named once. Nothing is recorded by a test that fails before it gets there.
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
    """Takes a consumer (`libvirt 9.0.0`, `guest`) and what it said."""
    lines = pytestconfig.stash.setdefault(_LINES, [])
    return lambda consumer, line: lines.append((consumer, line))


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path: a socket's has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="real-"))
    path.chmod(0o755)  # libvirt runs as nobody
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def machines() -> Iterator[Path]:
    """The folder of the one libvirt, which asks QEMU what it can once."""
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
