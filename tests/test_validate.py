"""``patchlang validate`` on whole folders, in several processes, on terminals and in pipes."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from patchlang.cli.progress import Progress
from patchlang.validation import processes, run
from patchlang.validation.discovery import Input, find
from patchlang.validation.ignores import can_be_ignored
from patchlang.validation.leftout import LeftOut
from patchlang.validation.report import Held
from patchlang.validation.run import validate_files

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "patchlang", "validate"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")} | {"PYTHONPATH": str(ROOT)}


def patch(name: str, path: str = "/domain/title", op: str = "set") -> str:
    head = f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: {name}}}\nspec:\n  domain:\n"
    return f"{head}    - {{op: {op}, path: '{path}', value: b}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_folders(folders: int, files: int) -> None:
    for number in range(folders):
        folder = Path(f"vm{number:03}")
        folder.mkdir()
        for other in range(files):
            op = "sett" if other == 7 else "set"
            path = f"/domain/devices/disk[{other + 1}]/serial"
            (folder / f"p{other:04}.yaml").write_text(patch(f"p{other}", path, op))


def validate(*args: str, **how: Any) -> subprocess.CompletedProcess[str]:
    options = {"env": ENVIRONMENT, "capture_output": True, "text": True, "timeout": 300, **how}
    return subprocess.run([*COMMAND, *args], **options)


# -- several processes -------------------------------------------------------------------------------------------------


def test_the_report_is_the_same_with_several_processes() -> None:
    write_folders(3, 12)
    Path("vm000/b.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata:\n  a.yaml: |\n"
        + "".join(f"    {line}\n" for line in patch("a", op="sett").splitlines())
    )
    inputs, errors = find(["."], LeftOut())
    seen: list[int] = []
    one = list(validate_files(inputs, errors))
    two = list(validate_files(inputs, errors, jobs=2, progress=seen.append))
    assert seen == list(range(1, 38))
    assert [(file.held, [str(d) for d in file.diagnostics]) for file in two] == [
        (file.held, [str(d) for d in file.diagnostics]) for file in one
    ]
    outputs = [validate(".", "--jobs", jobs, "--format", "json") for jobs in ("1", "2", "0")]
    assert len({output.stdout for output in outputs}) == 1
    assert {output.returncode for output in outputs} == {1}
    assert "vm000/b.yaml" in outputs[0].stdout


def test_processes_are_started_where_they_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    write_folders(3, 2)
    inputs, _ = find(["."], LeftOut())
    assert run.worthwhile_jobs(inputs, 8) == 1, "so little is soon read"
    assert run.worthwhile_jobs([Input("none.yaml", True), Input("-", True, b"")], 8) == 1
    monkeypatch.setattr(run, "BYTES_A_WORKER", 10)
    assert run.worthwhile_jobs(inputs, 8) == 3, "one a folder"
    assert run.worthwhile_jobs(inputs, 2) == 2
    assert run.worthwhile_jobs(inputs[:1], 8) == 1
    monkeypatch.setattr(run, "BYTES_A_WORKER", 400)
    assert run.worthwhile_jobs(inputs, 8) == 2


def test_large_folders_are_checked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LARGEST_UNIT", 3)
    Path("p").mkdir()
    for number in range(8):
        Path(f"p/{number}.yaml").write_text(patch(f"p{number % 7}"))
    inputs, errors = find(["p"], LeftOut())
    assert len(list(run._units(inputs))) == 3
    found = [str(d) for file in validate_files(inputs, errors) for d in file.diagnostics if d.is_error]
    assert found == ["p/7.yaml:3:18: error[PL106 duplicate-name] two patches are named `p0`"]


def test_a_process_that_dies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    write_folders(3, 1)
    inputs, errors = find(["."], LeftOut())
    monkeypatch.setattr(processes, "_work", _die)
    with pytest.raises(processes.WorkerDied):
        validate_files(inputs, errors, jobs=2)


def _die(connection: Connection) -> None:
    connection.recv()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_control_c_ends_at_once_and_quietly(jobs: str) -> None:
    pipes = ["a/p.yaml", "b/p.yaml"]
    for pipe in pipes:
        Path(pipe).parent.mkdir()
        os.mkfifo(pipe)
    process = subprocess.Popen(
        [*COMMAND, *pipes, "--jobs", jobs],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # because the tests may run in the background
    )
    ends = [writing_end(pipe) for pipe in pipes[: int(jobs)]]  # so it soon waits for our input
    wait_until_all_wait(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    _, errors = process.communicate(timeout=20)
    for end in ends:
        os.close(end)
    assert process.returncode == 130
    assert errors.strip() == ""


def wait_until_all_wait(group: int) -> None:
    """Wait until all processes of the group wait. A signal just before a blocking call is handled when that returns."""
    for _ in range(1200):
        fields = [stat.rpartition(")")[2].split() for stat in map(read_if_there, Path("/proc").glob("[0-9]*/stat"))]
        if {state for state, _, of, *_ in filter(None, fields) if int(of) == group} == {"S"}:
            return
        time.sleep(0.05)
    raise AssertionError("they go on working")


def read_if_there(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def writing_end(pipe: str) -> int:
    """The end to write to, opened as soon as somebody reads."""
    for _ in range(1200):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody reads")


# -- many files --------------------------------------------------------------------------------------------------------


MEASURED = """\
import resource, subprocess, sys
subprocess.run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime, used.ru_maxrss, file=sys.stderr)
"""


def test_ten_thousand_files() -> None:
    """Nine out of ten are manifests that contain no patches."""
    other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n" + "# " + "x" * 2000
    for number in range(100):
        folder = Path(f"app{number:02}")
        folder.mkdir()
        for file in range(90):
            (folder / f"d{file}.yaml").write_text(other)
        for file in range(10):
            (folder / f"p{file}.yaml").write_text(patch(f"p{file}", f"/domain/metadata/a{file}"))
    # a process of its own waits for it: a child of pytest begins with the memory of pytest, which may be more
    words = [sys.executable, "-c", MEASURED, *COMMAND, "."]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.stdout == "1000 files checked, 1000 patches, no errors\n"
    seconds, peak = map(float, done.stderr.split())
    assert seconds < 30
    assert peak < 200_000, "KB"


# -- terminals and pipes -----------------------------------------------------------------------------------------------


def on_a_terminal(*args: str, **environment: str) -> str:
    """The output on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *args], env={**ENVIRONMENT, "TERM": "xterm", **environment}, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux signals the end of a terminal
        pass
    process.wait(timeout=60)
    os.close(ours)
    return shown.decode()


def test_progress_on_a_terminal_only() -> None:
    write_folders(60, 60)  # longer than the delay of the progress line
    shown = on_a_terminal(".")
    counts = [int(count) for count in re.findall(r"\r\x1b\[K(\d+) of 3600 files", shown)]
    assert counts
    assert counts == sorted(counts)
    last = shown.rindex("of 3600 files")
    assert shown[last:].startswith("of 3600 files\r\x1b[K"), "it is gone before the report"
    assert " of 3600 files" not in on_a_terminal(".", TERM="dumb")
    assert " of 3600 files" not in validate(".").stderr
    assert " of 3600 files" not in on_a_terminal(".", "--quiet")


def test_progress_that_is_soon_done_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with Progress(terminal) as progress:
        progress.show("1 of 2 files")
    assert terminal.getvalue() == ""
    monkeypatch.setattr(Progress, "PATIENCE", 0)
    with Progress(terminal) as progress:
        progress.show("1 of 2 files")
        progress.show("2 of 2 files")
    assert terminal.getvalue() == "\r\x1b[K1 of 2 files\r\x1b[K"


def test_colours() -> None:
    Path("a.yaml").write_text(patch("a", op="sett"))
    assert "\x1b[31m" in on_a_terminal("a.yaml")
    assert "\x1b[" not in on_a_terminal("a.yaml", NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal("a.yaml", NO_COLOR="1", FORCE_COLOR="1")
    assert "\x1b[" not in on_a_terminal("a.yaml", TERM="dumb")
    assert "\x1b[31m" in validate("a.yaml", env={**ENVIRONMENT, "FORCE_COLOR": "1"}).stdout
    assert "\x1b[" not in validate("a.yaml", env={**ENVIRONMENT, "FORCE_COLOR": ""}).stdout
    for form in ("json", "github", "gitlab", "sarif", "junit"):
        assert "\x1b[" not in validate("a.yaml", "--format", form, env={**ENVIRONMENT, "FORCE_COLOR": "1"}).stdout
    validate("a.yaml", "-o", "text=report.txt", env={**ENVIRONMENT, "FORCE_COLOR": "1"})
    assert "\x1b[" not in Path("report.txt").read_text()


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_a_reader_that_leaves_early_is_no_fault(form: str) -> None:
    write_folders(1, 300)
    command = f"{subprocess.list2cmdline(COMMAND)} . --format {form} 2>&1 | head -1; echo ${{PIPESTATUS[0]}}"
    output = subprocess.run(["bash", "-c", command], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    first, status = output.stdout.splitlines()
    assert first
    assert status == "1"
    assert output.stderr == ""


# -- paths -------------------------------------------------------------------------------------------------------------


def test_folders_that_go_round_and_files_that_are_none() -> None:
    Path("a/b").mkdir(parents=True)
    Path("a/b/up").symlink_to("..")
    Path("a/folder.yaml").mkdir()
    Path("a/dangling.yaml").symlink_to("nowhere")
    Path("a/.hidden.yaml").write_text("apiVersion: patchlang/v1\n")
    os.mkfifo("a/pipe.yaml")
    Path("a/..data").mkdir()
    Path("a/..data/p.yaml").write_text(patch("p"))
    Path("a/p.yaml").symlink_to("..data/p.yaml")
    Path("a/round.yaml").symlink_to("round.yaml")
    inputs, errors = find(["a"], LeftOut())
    assert [one.name for one in inputs] == ["a/dangling.yaml", "a/p.yaml", "a/round.yaml"]
    said = [
        "error[PL010 no-patch-file] `a/folder.yaml` is an empty directory, but should be a patch file",
        "error[PL001 unreadable-file] `a/pipe.yaml` cannot be read: it is a named pipe",
    ]
    assert [str(error) for error in errors] == said
    output = validate("a", "a/folder.yaml")
    said += [
        "error[PL001 unreadable-file] `a/dangling.yaml` cannot be read: No such file or directory",
        "error[PL001 unreadable-file] `a/round.yaml` cannot be read: Too many levels of symbolic links",
    ]
    assert sorted(line for line in output.stdout.splitlines() if line.startswith("error")) == sorted(said)
    assert output.returncode == 1


@pytest.mark.parametrize("command", ["validate", "test"])
def test_folders_with_nothing_in_them_are_called_so(command: str) -> None:
    Path("bare").mkdir()
    Path("notes").mkdir()
    Path("notes/p.json").touch()
    output = subprocess.run(
        [*COMMAND[:-1], command, "bare", "notes"], env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert output.returncode == 2
    assert "in bare (an empty directory), notes (no *.yaml or *.yml in it)" in output.stderr


def test_a_named_pipe() -> None:
    os.mkfifo("pipe")
    process = subprocess.Popen([*COMMAND, "pipe"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    Path("pipe").write_text(patch("p"))
    found, _ = process.communicate(timeout=60)
    assert (process.returncode, found) == (0, "1 file checked, 1 patch, no errors\n")


@pytest.mark.parametrize("output", ["/dev/full", "folder"])
def test_a_report_that_cannot_be_written(output: str) -> None:
    Path("folder").mkdir()
    Path("a.yaml").write_text(patch("a"))
    result = validate("a.yaml", "-o", f"text={output}")
    assert result.returncode == 3
    assert "Traceback" not in result.stderr
    assert output in result.stderr or "No space left" in result.stderr


def test_standard_output_that_is_full() -> None:
    Path("a.yaml").write_text(patch("a"))
    with open("/dev/full", "w") as full:
        result = validate("a.yaml", "--format", "json", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 3
    assert result.stderr == "patchlang: No space left on device\n"


def test_standard_input_that_is_closed() -> None:
    result = subprocess.run(
        ["bash", "-c", f"{subprocess.list2cmdline(COMMAND)} - <&-"], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "PL008" in result.stdout


def test_a_screen_that_is_closed() -> None:
    Path("a.yaml").write_text(patch("a", op="sett"))
    shell = f"{subprocess.list2cmdline(COMMAND)} a.yaml -o text=report.txt >&- 2>&-"
    assert subprocess.run(["bash", "-c", shell], env=ENVIRONMENT).returncode == 1
    assert "PL107" in Path("report.txt").read_text()


def test_files_and_folders_that_must_not_be_read() -> None:
    write_folders(2, 1)
    Path("vm000/p0000.yaml").chmod(0)
    Path("vm001").chmod(0)
    power = "-dac_override,-dac_read_search"  # root may read everything
    drop = ["setpriv", f"--bounding-set={power}", f"--inh-caps={power}"] if os.geteuid() == 0 else []
    if drop and shutil.which("setpriv") is None:
        pytest.skip("root may read everything, and there is no setpriv")
    output = subprocess.run([*drop, *COMMAND, "."], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    Path("vm001").chmod(0o755)
    assert output.returncode == 1
    assert "`vm000/p0000.yaml` cannot be read: Permission denied" in output.stdout
    assert "`vm001` cannot be read: Permission denied" in output.stdout


# -- comments ----------------------------------------------------------------------------------------------------------


def findings(text: str, name: str = "a.yaml") -> Iterator[str]:
    Path(name).write_text(text)
    inputs, errors = find(["."], LeftOut())
    return (str(d) for file in validate_files(inputs, errors) for d in file.diagnostics)


def test_a_comment_on_what_is_not_given_is_unused_only_where_all_is_given() -> None:
    edit = "    - {op: set, path: '/domain/title', value: b}\n"
    text = patch("a").replace(edit, f"    # patchlang: ignore[PL307, PL301] reason\n{edit}")
    Path("a.yaml").write_text(text)
    alone = [str(d) for file in validate_files(find(["a.yaml"], LeftOut())[0]) for d in file.diagnostics]
    assert [re.findall(r"`(PL\d+)`", one) for one in alone] == [["PL301"]]
    assert len(list(findings(text))) == 2


def test_comments_in_files_that_are_no_yaml() -> None:
    found = list(findings(f"# patchlang: ignore[PL301] reason\n{patch('a')}  x: ["))
    assert len(found) == 1
    assert "PL003" in found[0]


def test_what_can_be_ignored() -> None:
    known = ("PL005", "PL106", "PL208", "PL301", "PL404", "PL601", "PL716", "PL801")
    assert [rule for rule in known if can_be_ignored(rule)] == ["PL301", "PL716"]


def test_what_files_hold_is_added_up() -> None:
    assert Held("a", 1, 2, 3) + Held("b", 10, 20, 30) == Held("a", 11, 22, 33)
