"""The command line as a separate process: color, pipes, and refusals by the environment."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: color}
spec:
  domain:
    - {op: set, path: /domain/a, value: new}
"""
COMMAND = [sys.executable, "-m", "patchlang"]
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
    """The output of the command to ``stream``, which is a terminal. The other stream is a pipe."""
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
    except OSError:  # how Linux signals the end of a terminal
        pass
    other = b"".join(filter(None, process.communicate(timeout=60)))
    os.close(ours)
    assert ESCAPE not in other, "a pipe is never colored"
    return shown


DIFF = ("apply", "-p", "patch.yaml", "--domain", "domain.xml", "--diff")


@pytest.mark.parametrize(("args", "stream"), [(("validate", "bad.yaml"), "stdout"), (DIFF, "stdout")])
def test_color_only_on_a_terminal_and_only_where_it_is_wanted(args: tuple[str, ...], stream: str) -> None:
    plain = subprocess.run([*COMMAND, *args], env=ENVIRONMENT, capture_output=True, timeout=60)
    assert ESCAPE not in plain.stdout + plain.stderr
    colored = on_a_terminal(*args, stream=stream)
    assert ESCAPE in colored
    uncolored = on_a_terminal(*args, stream=stream, NO_COLOR="1")
    assert uncolored.replace(b"\r\n", b"\n") == getattr(plain, stream)
    assert ESCAPE in on_a_terminal(*args, stream=stream, NO_COLOR=""), "no-color.org: an empty NO_COLOR does not count"


def test_a_result_is_never_colored() -> None:
    shown = on_a_terminal("apply", "-p", "patch.yaml", "--domain", "domain.xml", stream="stdout")
    assert shown.replace(b"\r\n", b"\n") == b"<domain>\n  <a>new</a>\n</domain>\n"


HOSTILE = "a\x1b[2J\nforged: error\x9b31m\u202eb"
QUIET = {"NO_COLOR": "1"}


@pytest.mark.parametrize(
    ("args", "stream"),
    [
        (("validate", f"{HOSTILE}.yaml"), "stdout"),
        (("validate", f"{HOSTILE}.not-there"), "stdout"),
        (("validate", "--format", "github", f"{HOSTILE}.yaml"), "stdout"),
        (("test", f"{HOSTILE}.yaml"), "stderr"),
        (("test", "--format", "github", f"{HOSTILE}.not-there"), "stdout"),
        (("validate", "--format", "gitlab", f"{HOSTILE}.yaml"), "stdout"),
        (("validate", "--select", HOSTILE), "stderr"),
        (("validate", "--config", f"{HOSTILE}.yaml"), "stderr"),
        (("validate", "-o", HOSTILE), "stderr"),
        (("apply", "-p", f"{HOSTILE}.yaml", "--domain", "domain.xml"), "stderr"),
        (("apply", "-p", f"{HOSTILE}.not-there", "--domain", "domain.xml"), "stderr"),
        (("apply", "-p", "patch.yaml", "--domain", f"{HOSTILE}.not-there"), "stderr"),
        (("apply", "-p", "patch.yaml", "--domain", f"{HOSTILE}.log", "--diff"), "stderr"),
        (("apply", "-p", "patch.yaml", "--domain", f"{HOSTILE}.log", "--diff"), "stdout"),
        (("apply", "-p", "hostile.yaml", "--domain", "domain.xml", "--trace"), "stderr"),
        (("apply", "-p", "hostile.yaml", "--cloud-init", "cloud-init.json", "--diff"), "stdout"),
        (("apply", "-p", "hostile-name.yaml", "--domain", "domain.xml"), "stderr"),
        (("manifest", f"{HOSTILE}.yaml", "--image", "i"), "stderr"),
        (("explain", HOSTILE), "stderr"),
        (("apply", f"--{HOSTILE}"), "stderr"),
        ((HOSTILE,), "stderr"),
    ],
    ids=lambda value: " ".join(value).replace(HOSTILE, "HOSTILE") if isinstance(value, tuple) else value,
)
def test_what_others_named_is_shown_and_not_obeyed(args: tuple[str, ...], stream: str) -> None:
    Path(f"{HOSTILE}.yaml").write_text(PATCH.replace("op: set", "op: sett"))
    Path(f"{HOSTILE}.log").write_text("a log line\n<domain>\n  <a>\x9b31m</a>\n</domain>\n")
    edit = f"name: {json.dumps(HOSTILE)}, op: set, path: /domain/a"
    cloud_init = '\n  cloudInit:\n    - {op: replace, path: /UserData, value: "#!/bin/sh\\n\\e[2J \\x9b"}\n'
    Path("hostile.yaml").write_text(PATCH.replace("op: set, path: /domain/a", edit) + cloud_init)
    Path("hostile-name.yaml").write_text(PATCH.replace("name: color", f"name: {json.dumps(HOSTILE)}"))
    record = {"DataSource": "noCloud", "NoCloudMetaData": {"instance-id": "a"}, "UserData": "#cloud-config\n"}
    Path("cloud-init.json").write_text(json.dumps(record))
    shown = on_a_terminal(*args, stream=stream, **QUIET).replace(b"\r\n", b"\n").decode()
    assert shown.strip(), "something is shown"
    assert [c for c in shown if not c.isprintable() and c != "\n"] == []
    assert not any(line.startswith("forged") for line in shown.splitlines())


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    Path("domain.xml").write_text("<domain>\n" + "  <b/>\n" * 100_000 + "  <a/>\n</domain>\n")
    process = subprocess.Popen(
        [*COMMAND, "apply", "-p", "patch.yaml", "--domain", "domain.xml", "--no-validate", "--no-check-domain"],
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
