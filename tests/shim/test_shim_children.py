"""Processes that executables start and leave behind: they are reaped, steal no exit status, and do not outlive us."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import virtlauncher
from samples import DOMAIN, VMI
from shimprocess import Shim

from shim import children
from shim.children import Children

NO_PIDFD = Path(__file__).with_name("nopidfd.py")
FIRST = ["unshare", "--pid", "--fork", "--mount-proc"]
"""Run as a container's first process, which inherits every orphan."""

ORPHANS = """\
#!/bin/sh
for number in 1 2 3 4; do
    sh -c 'setsid sh -c "exit 5" & exit 6' >/dev/null 2>&1 &
done
(sh -c 'exit 7' >/dev/null 2>&1 &)
case $2 in
*fails*) exit 3 ;;
*killed*) kill -9 $$ ;;
esac
printf %s "$4"
"""
WAYS = {"good": None, "fails": "ended with exit status 3", "killed": "was ended by signal 9"}


def has_pid_namespaces() -> bool:
    try:
        return subprocess.run([*FIRST, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


as_first = pytest.param(FIRST, id="first", marks=pytest.mark.skipif(not has_pid_namespaces(), reason="no namespaces"))
anywhere = pytest.mark.parametrize("within", [pytest.param([], id="not-first"), as_first])
pidfds = pytest.mark.parametrize("pidfd", ["there", "missing", "refused"])


def start(shim: Shim, within: list[str], pidfd: str, version: str = "v1alpha2") -> None:
    program = None if pidfd == "there" else NO_PIDFD
    shim.start(within=within, program=program, environment={"PIDFD": pidfd}, version=version).launcher()


def answer(shim: Shim, way: str) -> str | None:
    """The error text, or None for the right answer."""
    vmi = f'{{"metadata": {{"name": "{way}"}}}}'.encode()
    try:
        assert virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, vmi) == DOMAIN
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return None


def check(shim: Shim, way: str) -> None:
    said, wanted = answer(shim, way), WAYS[way]
    if wanted is None:
        assert said is None
    else:
        assert said is not None
        assert said.startswith("FAILED_PRECONDITION: onDefineDomain (")
        assert wanted in said


def front(shim: Shim) -> int:
    """The PID of the sidecar's own process, which `unshare` may have started."""
    assert shim.process is not None
    if b"unshare" in Path(f"/proc/{shim.process.pid}/cmdline").read_bytes():
        (first,) = below(shim.process.pid)
        return first
    return shim.process.pid


def below(pid: int) -> list[int]:
    """The child processes, including zombies."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]


def soon(done: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not done() and time.monotonic() < until:
        time.sleep(0.02)
    return done()


@anywhere
@pidfds
def test_orphans_are_reaped_and_steal_no_exit_status(shim: Shim, within: list[str], pidfd: str) -> None:
    shim.executable("onDefineDomain", ORPHANS)
    start(shim, within, pidfd)
    for number in range(60):
        check(shim, list(WAYS)[number % 3])
    pid = front(shim)
    assert soon(lambda: below(pid) == [])
    assert end_first(shim, pid) == 0


def end_first(shim: Shim, pid: int) -> int:
    os.kill(pid, signal.SIGTERM)
    return shim.end()


@anywhere
@pidfds
def test_orphans_that_end_between_calls_are_reaped(shim: Shim, within: list[str], pidfd: str) -> None:
    """They are reaped as soon as they end, not at the next call."""
    script = '#!/bin/sh\nfor n in 1 2 3; do sh -c "setsid sleep 1 &" >/dev/null 2>&1; done\nprintf %s "$4"\n'
    shim.executable("onDefineDomain", script)
    start(shim, within, pidfd)
    assert answer(shim, "good") is None
    pid = front(shim)
    assert len(below(pid)) == 3
    assert soon(lambda: below(pid) == [])


@anywhere
@pidfds
@pytest.mark.parametrize("how", ["late", "SIGTERM", "Shutdown"])
def test_nothing_that_an_executable_started_lives_on(shim: Shim, within: list[str], pidfd: str, how: str) -> None:
    """Sessions, forks of forks, ignored signals: all of it ends with the deadline, the sidecar or its container."""
    script = (
        "#!/bin/sh\ntrap '' TERM HUP INT\n"
        "setsid sh -c 'sleep 54399 & sleep 54399' &\n"
        "sh -c 'setsid setsid sleep 54399 &' &\n"
        "(sleep 54399 &)\necho up >&2\nsleep 54399\n"
    )
    shim.executable("onDefineDomain", script)
    start(shim, within, pidfd, "v1alpha3")
    pid = front(shim)
    seconds = 2.0 if how == "late" else 60.0
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(virtlauncher.define_domain, shim.socket, "v1alpha3", DOMAIN, VMI, seconds)
        shim.wait_for("onDefineDomain: up")
        if how == "SIGTERM":
            assert end_first(shim, pid) == 0
        elif how == "Shutdown":
            virtlauncher.VirtLauncher(shim.hooks).collect().shutdown()
            assert shim.end() == 0
        error = call.exception(timeout=60)
    assert isinstance(error, grpc.RpcError)
    if how == "late":
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert below(pid) == []
    else:
        assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert running("sleep\x0054399\x00", shim) == []
    assert not any("did not exit" in message for message in shim.messages)


def running(command: str, shim: Shim) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"PATH={shim.bin}:".encode() in (process / "environ").read_bytes()
            if ours and (process / "cmdline").read_bytes() == command.encode():
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 50), (signal.SIGINT, 10)])
def test_a_signal_just_after_an_executable_ran_is_never_lost(
    make_shim: Callable[..., Shim], number: signal.Signals, times: int
) -> None:
    def once(name: int) -> tuple[int, list[Path]]:
        shim = make_shim(str(name))
        shim.executable("onDefineDomain", '#!/bin/sh\necho "$0" >&2\nprintf %s "$4"\n')
        shim.start().launcher()
        assert virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, VMI) == DOMAIN
        return shim.signal(number), list(shim.hooks.iterdir())

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(once, range(times))) == [(0, [])] * times


@pidfds
def test_where_ends_of_children_are_ignored_by_inheritance(shim: Shim, pidfd: str) -> None:
    """With SIGCHLD ignored, the kernel would wait instead of us and report no exit status."""
    shim.executable("onDefineDomain", ORPHANS)
    ignored = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    start(shim, [sys.executable, "-c", ignored], pidfd)
    for way in WAYS:
        check(shim, way)


# -- only the class ------------------------------------------------------------------------------------------------


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(params=["list", "no-list"])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels without CONFIG_PROC_CHILDREN have no list of children."""
    if request.param == "list":
        return
    exists = os.path.exists

    def opened(path: str, *arguments: str, **more: str) -> object:
        if path.endswith("/children"):
            raise FileNotFoundError(path)
        return open(path, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(children, "open", opened, raising=False)
    monkeypatch.setattr(os.path, "exists", lambda path: not str(path).endswith("/children") and exists(path))


@pytest.mark.usefixtures("listed")
def test_all_but_what_is_left_out_is_ended(runner: asyncio.Runner) -> None:
    async def run() -> None:
        made = Children(asyncio.get_running_loop())
        command = ["sh", "-c", "sleep 300 & setsid sleep 300 & wait"]
        kept, ended = (subprocess.Popen(command, start_new_session=True) for _ in range(2))
        kept_end, end = made.ended(kept.pid), made.ended(ended.pid)
        assert {kept.pid, ended.pid} <= made.alive()
        while len(children._children_of(kept.pid)) < 2 or len(children._children_of(ended.pid)) < 2:
            await asyncio.sleep(0.01)
        below_kept = children._children_of(kept.pid)
        others = made.alive() - {kept.pid, ended.pid}
        await made.end_all(but={kept.pid, *others})
        assert await asyncio.wait_for(end, 20) == -signal.SIGKILL
        assert not kept_end.done()
        assert children._children_of(kept.pid) == below_kept
        await made.end_all(but=others)
        assert await asyncio.wait_for(kept_end, 20) == -signal.SIGKILL
        for process in (kept, ended):
            process.returncode = -signal.SIGKILL

    runner.run(run())


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_a_thousand_processes_are_ended(runner: asyncio.Runner, shape: str) -> None:
    """They form one chain, deeper than Python's recursion limit, or are all siblings."""
    number = 1200
    scripts = {
        "chain": f'n=${{1:-{number}}}; [ "$n" -gt 1 ] && {{ sh -c "$0" "$0" $((n - 1)); exit; }}; echo up; sleep 300',
        "fan": f"for n in $(seq {number - 1}); do sleep 300 & done; echo up; wait",
    }

    async def run() -> None:
        made = Children(asyncio.get_running_loop())
        made.adopt_orphans()
        others = made.alive()
        process = subprocess.Popen(
            ["sh", "-c", scripts[shape], scripts[shape]], stdout=subprocess.PIPE, start_new_session=True
        )
        end = made.ended(process.pid)
        assert process.stdout is not None
        with process.stdout as output:
            assert output.readline() == b"up\n"
        assert len(_session(process.pid)) >= number
        await made.end_all(but=others)
        assert await asyncio.wait_for(end, 20) == -signal.SIGKILL
        assert _session(process.pid) == []
        process.returncode = -signal.SIGKILL

    try:
        runner.run(run())
    finally:
        ctypes.CDLL(None).prctl(children._PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _session(leader: int) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int((process / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("pidfd", [True, False])
@pytest.mark.parametrize("code", [0, 1, 255])
def test_a_child_that_has_ended_before_anybody_listens(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, pidfd: bool, code: int
) -> None:
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")

    async def run() -> int:
        made = Children(asyncio.get_running_loop())
        process = subprocess.Popen(["sh", "-c", f"exit {code}"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        future = made.ended(process.pid)
        process.returncode = code
        return await asyncio.wait_for(future, 20)

    assert runner.run(run()) == code


def test_the_numbers_of_another_namespace_are_nobodys_here(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "readlink", lambda _: "1")

    async def run() -> frozenset[int]:
        return Children(asyncio.get_running_loop()).alive()

    with subprocess.Popen(["sleep", "300"]) as process:
        assert runner.run(run()) == frozenset()
        process.kill()
