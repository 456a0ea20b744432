"""The command line as a process of its own: colour, pipes, what the environment refuses."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: colour}
spec:
  domain:
    - {op: set, path: /domain/a, value: new}
"""
COMMAND = [sys.executable, "-c", "import sys; from patchlang.cli import main; sys.exit(main())"]
ROOT = Path(__file__).parents[1]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CI")}
ENVIRONMENT |= {"TERM": "xterm", "PYTHONPATH": str(ROOT)}
ESCAPE = b"\x1b["


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "patch.yaml").write_text(PATCH)
    (tmp_path / "bad.yaml").write_text(PATCH.replace("op: set", "op: sett"))
    (tmp_path / "domain.xml").write_text("<domain>\n  <a/>\n</domain>\n")
    monkeypatch.chdir(tmp_path)


def on_a_terminal(*args: str, stream: str, **environment: str) -> bytes:
    """What the command writes to ``stream``, which is a terminal; the other one is a pipe."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *args],
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        stdout=theirs if stream == "stdout" else subprocess.PIPE,
        stderr=theirs if stream == "stderr" else subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # Linux's word for the end of a terminal
        pass
    other = b"".join(filter(None, process.communicate(timeout=60)))
    os.close(ours)
    assert ESCAPE not in other, "a pipe is never coloured"
    return shown


DIFF = ("apply", "-p", "patch.yaml", "--domain", "domain.xml", "--diff")


@pytest.mark.parametrize(("args", "stream"), [(("validate", "bad.yaml"), "stderr"), (DIFF, "stdout")])
def test_colour_only_on_a_terminal_and_only_where_it_is_wanted(args: tuple[str, ...], stream: str) -> None:
    plain = subprocess.run([*COMMAND, *args], env=ENVIRONMENT, capture_output=True, timeout=60)
    assert ESCAPE not in plain.stdout + plain.stderr
    coloured = on_a_terminal(*args, stream=stream)
    assert ESCAPE in coloured
    uncoloured = on_a_terminal(*args, stream=stream, NO_COLOR="1")
    assert uncoloured.replace(b"\r\n", b"\n") == getattr(plain, stream)
    assert ESCAPE in on_a_terminal(*args, stream=stream, NO_COLOR=""), "no-color.org: an empty NO_COLOR does not count"


def test_a_result_is_never_coloured() -> None:
    shown = on_a_terminal("apply", "-p", "patch.yaml", "--domain", "domain.xml", stream="stdout")
    assert shown.replace(b"\r\n", b"\n") == b"<domain>\n  <a>new</a>\n</domain>\n"


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    Path("domain.xml").write_text("<domain>\n" + "  <b/>\n" * 100_000 + "  <a/>\n</domain>\n")
    process = subprocess.Popen(
        [*COMMAND, "apply", "-p", "patch.yaml", "--domain", "domain.xml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"<domain>\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) in (0, 1)
    process.stderr.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize(("unreadable", "status"), [("patch.yaml", 1), ("domain.xml", 3)])
def test_files_that_must_not_be_read(unreadable: str, status: int) -> None:
    Path(unreadable).chmod(0)
    args = ["apply", "-p", "patch.yaml", "--domain", "domain.xml"]
    run = subprocess.run([*COMMAND, *args], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (status, "")
    assert "Permission denied" in run.stderr
    assert unreadable in run.stderr
