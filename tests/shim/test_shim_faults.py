"""Failures in the sidecar's environment: each has one outcome, and the next call works (docs/reliability.md)."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

from shim import progress, sources
from shim.engine import Worker
from shim.status import from_findings

HERE = Path(__file__).parent
SLOWRUN, PAUSED, SETCLOCK = HERE / "slowrun.py", HERE / "pausedstart.py", HERE / "setclock.py"
HANGING_DOMAIN = DOMAIN.replace(b"<baseBoard>", b"<hang></hang><baseBoard>")
ECHO = '#!/bin/sh\nprintf %s "$4"\n'

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as made:
        yield made


def define(shim: Shim, domain: bytes = DOMAIN, seconds: float = virtlauncher.CALL_SECONDS) -> bytes:
    return virtlauncher.define_domain(shim.socket, "v1alpha2", domain, VMI, seconds)


def status(call: Future[Any]) -> tuple[grpc.StatusCode, str]:
    """The status of a failed call."""
    error = call.exception(timeout=60)
    assert isinstance(error, grpc.RpcError)
    return error.code(), error.details()


def wait_until(done: Callable[[], object], what: str) -> None:
    until = time.monotonic() + 20
    while not done():
        assert time.monotonic() < until, what
        time.sleep(0.01)


# -- signals -------------------------------------------------------------------------------------------------------


class TestWhileItStarts:
    """The sidecar is reading its patches; there is no socket yet."""

    @pytest.fixture
    def paused(self, shim: Shim) -> Shim:
        shim.patch(PATCH, "a.yaml")
        shim.patch(CLOUD_INIT_PATCH, "b.yaml")
        shim.start(program=PAUSED, environment={"PAUSE_IN": str(shim.folder)})
        wait_until((shim.folder / "paused").exists, "it does not start")
        return shim

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
    def test_a_signal_ends_it_with_status_0(self, paused: Shim, number: signal.Signals) -> None:
        assert paused.signal(number) == 0
        assert list(paused.hooks.iterdir()) == []
        assert any(message.startswith("sidecar-shim received signal: ") for message in paused.messages)

    def test_killed_it_leaves_nothing_and_may_start_again(self, paused: Shim) -> None:
        assert paused.signal(signal.SIGKILL) == -signal.SIGKILL
        assert list(paused.hooks.iterdir()) == []
        (paused.folder / "go").touch()
        paused.start()
        paused.launcher()
        assert ENTRY.encode() in define(paused)


class TestWhileAPatchRuns:
    """The run does not return, and nothing else is running in the sidecar."""

    @pytest.fixture
    def call(self, shim: Shim, pool: ThreadPoolExecutor) -> Future[bytes]:
        shim.patch(PATCH)
        shim.start(program=SLOWRUN).launcher()
        call = pool.submit(define, shim, HANGING_DOMAIN)
        shim.wait_for("OnDefineDomain method has been called")
        return call

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_ends_it_with_status_0(self, shim: Shim, call: Future[bytes], number: signal.Signals) -> None:
        assert shim.signal(number) == 0
        assert list(shim.hooks.iterdir()) == []
        code, _ = status(call)
        assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION)

    def test_signals_upon_signals(self, shim: Shim, call: Future[bytes]) -> None:
        assert shim.process is not None
        for _ in range(20):
            shim.process.send_signal(signal.SIGTERM)
            shim.process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        assert shim.end() == 0
        assert list(shim.hooks.iterdir()) == []
        status(call)

    def test_killed_it_may_start_again_at_the_same_path(self, shim: Shim, call: Future[bytes]) -> None:
        assert shim.signal(signal.SIGKILL) == -signal.SIGKILL
        assert status(call)[0] is grpc.StatusCode.UNAVAILABLE
        shim.start()
        shim.launcher()
        assert ENTRY.encode() in define(shim)


def test_an_executable_that_is_killed(shim: Shim, pool: ThreadPoolExecutor) -> None:
    pid = shim.folder / "pid"
    shim.executable("onDefineDomain", f"#!/bin/sh\necho $$ > {pid}\necho started >&2\nexec sleep 300\n")
    shim.start().launcher()
    call = pool.submit(define, shim)
    shim.wait_for("onDefineDomain: started")
    os.kill(int(pid.read_text()), signal.SIGKILL)
    code, text = status(call)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "was ended by signal 9; its standard error ends: started" in text
    shim.executable("onDefineDomain", ECHO)
    assert define(shim) == DOMAIN


@needs_root
def test_killed_as_a_containers_first_process_it_takes_the_executable_along(
    shim: Shim, pool: ThreadPoolExecutor
) -> None:
    """After SIGKILL only the kernel can clean up; it ends a container with its first process."""
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces for processes here (unshare --pid)")
    shim.executable("onDefineDomain", "#!/bin/sh\necho started as child of $PPID >&2\nexec sleep 54321\n")
    shim.start(within=["unshare", "--pid", "--fork", "--kill-child"]).launcher()
    call = pool.submit(define, shim)
    shim.wait_for("onDefineDomain: started as child of 1")
    (sleeping,) = pids("sleep 54321")
    (first,) = children(shim)
    os.kill(first, signal.SIGKILL)
    assert status(call)[0] is grpc.StatusCode.UNAVAILABLE
    wait_until(lambda: not Path(f"/proc/{sleeping}").exists(), "the executable lives on")
    shim.end()
    shim.executable("onDefineDomain", ECHO)
    shim.start()
    shim.launcher()
    assert define(shim) == DOMAIN


@needs_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_containers_first_process_hears_signals(shim: Shim, number: signal.Signals) -> None:
    """The kernel delivers only signals that process 1 has handlers for."""
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces for processes here (unshare --pid)")
    shim.patch(PATCH)
    shim.start(within=["unshare", "--pid", "--fork"]).launcher()
    (first,) = children(shim)
    os.kill(first, number)
    assert shim.end() == 0
    assert list(shim.hooks.iterdir()) == []
    assert not any(line["level"] in ("error", "warning") for line in shim.lines)


def pids(command: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
        except OSError:
            continue
        if words == command:
            found.append(int(process.name))
    return found


def children(shim: Shim) -> list[int]:
    assert shim.process is not None
    pid = shim.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# -- callers -------------------------------------------------------------------------------------------------------

CALLER = """
import sys
from pathlib import Path
from samples import DOMAIN, VMI
import virtlauncher
domain = DOMAIN.replace(b"<baseBoard>", b"<hang></hang><baseBoard>") if sys.argv[2] == "hang" else DOMAIN
virtlauncher.define_domain(Path(sys.argv[1]), "v1alpha2", domain, VMI)
"""


@pytest.mark.parametrize("what", ["patch", "executable"])
def test_a_caller_that_is_killed_amid_its_call(shim: Shim, what: str) -> None:
    """Its run continues to the end or the deadline, and the answer is dropped; then it is the next call's turn."""
    if what == "patch":
        shim.patch(PATCH)
    else:
        shim.executable("onDefineDomain", "#!/bin/sh\necho run >&2\nsleep 300\n")
    shim.start(program=SLOWRUN).launcher()
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(shim.socket), "hang"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
    )
    shim.wait_for("OnDefineDomain method has been called" if what == "patch" else "onDefineDomain: run")
    caller.kill()
    caller.wait()
    if what == "executable":
        shim.executable("onDefineDomain", ECHO)
    assert (ENTRY.encode() in define(shim)) == (what == "patch")
    shim.wait_for("OnDefineDomain failed: FAILED_PRECONDITION")
    assert not any("asyncio" in message for message in shim.messages)


def test_calls_whose_callers_are_gone_before_their_turn_are_not_run(shim: Shim, pool: ThreadPoolExecutor) -> None:
    shim.executable("onDefineDomain", '#!/bin/sh\necho run >&2\nsleep 1\nprintf %s "$4"\n')
    shim.start().launcher()
    first = pool.submit(define, shim)
    shim.wait_for("onDefineDomain: run")
    waiting = [pool.submit(define, shim, DOMAIN, 0.3) for _ in range(8)]
    assert {status(call)[0] for call in waiting} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert first.result() == DOMAIN
    assert define(shim) == DOMAIN
    assert shim.messages.count("onDefineDomain: run") == 2


# -- two sidecars --------------------------------------------------------------------------------------------------


def test_two_that_start_at_one_path_at_once(make_shim: Callable[..., Shim]) -> None:
    """One serves; the other reports the path and exits with status 1."""
    for name in ("1", "2"):
        both = [make_shim(name), make_shim(name)]
        both[0].patch(PATCH)
        for shim in both:
            shim.start()
        launcher = both[0].launcher()
        wait_until(lambda both=both: any(s.process.poll() is not None for s in both), "both go on")  # type: ignore[misc]
        (loser,) = [shim for shim in both if shim.process is not None and shim.process.poll() is not None]
        assert loser.end() == 1
        assert f"another process listens at {loser.socket}" in loser.text
        assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)


# -- disks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def full(folder: Path) -> Iterator[Path]:
    """A folder on a full disk."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a disk")
    path = folder / "full"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "none", str(path)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_no_room_for_the_socket(shim: Shim, full: Path) -> None:
    shim.hooks = full
    shim.start()
    assert shim.end() == 1
    assert f"cannot create a socket at {shim.socket}: No space left on device" in shim.messages[-1]
    assert list(full.iterdir()) == []


def test_no_room_for_anything_else(shim: Shim, full: Path) -> None:
    """It writes no file except its socket, not even a temporary one."""
    shim.patch(PATCH)
    shim.patch(CLOUD_INIT_PATCH, "cloudinit.yaml")
    launcher = shim.start(environment={"TMPDIR": str(full), "HOME": str(full)}).launcher()
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    assert "patched" in launcher.pre_cloud_init_iso(CLOUD_INIT, VMI)["UserData"]
    assert shim.signal(signal.SIGTERM) == 0


def test_no_room_for_the_log(shim: Shim) -> None:
    """/dev/full accepts nothing: the log lines are lost, the calls are answered."""
    shim.patch(PATCH)
    shim.start(within=["sh", "-c", 'exec "$@" >/dev/full 2>&1', "sh"])
    assert ENTRY.encode() in shim.launcher().on_define_domain(DOMAIN, VMI)
    assert shim.signal(signal.SIGTERM) == 0
    assert shim.text == ""


@pytest.mark.parametrize("reader", ["sleep 300", "true"], ids=["reads-nothing", "is-gone"])
def test_a_log_that_nobody_reads(shim: Shim, reader: str) -> None:
    """A full or broken pipe: the lines are lost, the calls are answered, and the sidecar still stops on request."""
    noise = 'head -c 200000 /dev/zero | tr "\\0" x | fold -w 900 >&2'
    shim.executable("onDefineDomain", f'#!/bin/sh\n{noise}\nprintf %s "$4"\n')
    pipe = shim.folder / "pipe"
    os.mkfifo(pipe)
    opened = subprocess.Popen(["sh", "-c", f'exec 3<"$0"; {reader}', str(pipe)])
    shim.start(within=["sh", "-c", f'exec "$@" >{pipe} 2>&1', "sh"])
    launcher = shim.launcher()
    for _ in range(3):
        assert launcher.on_define_domain(DOMAIN, VMI) == DOMAIN
    assert shim.signal(signal.SIGTERM) == 0
    assert list(shim.hooks.iterdir()) == []
    opened.kill()
    opened.wait()


@needs_root
def test_a_user_without_name_and_home_on_a_read_only_root(shim: Shim, folder: Path) -> None:
    """KubeVirt starts it like this: user 107, one capability to read the test's files, one writable folder."""
    for program in ("unshare", "setpriv"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (Debian package util-linux)")
    if subprocess.run(["getent", "passwd", "107"], capture_output=True).returncode == 0:
        user = next(str(number) for number in range(54321, 54400) if not has_name(number))
    else:
        user = "107"
    os.chown(shim.hooks, int(user), int(user))
    folder.chmod(0o755)
    readable = "-all,+dac_read_search"
    read_only = f'mount --bind {shim.hooks} {shim.hooks} && mount -o remount,ro,bind / && exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", read_only, "sh"]
    within += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
    within += [f"--inh-caps={readable}", f"--ambient-caps={readable}", f"--bounding-set={readable}"]
    within += ["env", "-u", "HOME"]
    if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mounts of its own for a process here (unshare --mount), or no capabilities (setpriv)")
    assert subprocess.run([*within, "touch", str(folder / "x")], capture_output=True).returncode != 0
    shim.patch(PATCH.replace("value: lun", "value: \"$[ 'lun' ]\""))
    shim.patch(CLOUD_INIT_PATCH, "cloudinit.yaml")
    launcher = shim.start(within=within).launcher()
    assert shim.socket.stat().st_uid == int(user)
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    assert "patched" in launcher.pre_cloud_init_iso(CLOUD_INIT, VMI)["UserData"]
    assert shim.signal(signal.SIGTERM) == 0
    assert list(shim.hooks.iterdir()) == []


def has_name(user: int) -> bool:
    return subprocess.run(["getent", "passwd", str(user)], capture_output=True).returncode == 0


# -- patch files that change ---------------------------------------------------------------------------------------


def labelled(name: str, label: str) -> str:
    """A patch that leaves its label in the domain."""
    path = f"/domain/metadata/mark[@of='{name}']"
    edit = f'{{op: ensure, path: "{path}", value: {label}}}'
    return f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: {name}}}\nspec: {{domain: [{edit}]}}\n"


def volume(shim: Shim, label: str) -> None:
    """The next version of a ConfigMap volume with two keys, swapped in as the kubelet does it."""
    version = shim.patches / f"..{label}"
    version.mkdir()
    for name in ("a", "b"):
        (version / f"{name}.yaml").write_text(labelled(name, label))
        if not (shim.patches / f"{name}.yaml").is_symlink():
            (shim.patches / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    link = shim.patches / "..data"
    old = os.readlink(link) if link.is_symlink() else None
    (shim.patches / "..data_tmp").symlink_to(version.name)
    (shim.patches / "..data_tmp").rename(link)
    if old is not None:
        shutil.rmtree(shim.patches / old)


def labels(domain: bytes) -> list[str]:
    return re.findall(r'<mark of="[ab]">(\w+)</mark>', domain.decode())


def test_a_volume_that_is_updated_while_it_starts(shim: Shim) -> None:
    """The new version arrives after one file of the old one was read: the sidecar rereads all of the new one."""
    volume(shim, "old")
    shim.start(program=PAUSED, environment={"PAUSE_IN": str(shim.folder)})
    wait_until((shim.folder / "paused").exists, "it does not start")
    volume(shim, "new")
    (shim.folder / "go").touch()
    shim.launcher()
    assert labels(define(shim)) == ["new", "new"]


def test_a_volume_that_changes_whenever_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that may be a mix of versions are never applied."""
    versions = itertools.count()
    monkeypatch.setattr(sources, "_versions", lambda _: [str(next(versions))])
    (folder / "a.yaml").write_text(PATCH)
    head = {"paths": [str(folder)], "named": True, "hook_files": [], "version": "v1alpha2", "sha256": []}
    noted = progress.create()
    worker = Worker({**head, "check_domain": None, "debug": False}, noted)
    reply, texts = worker.load([])
    os.close(noted)
    assert not worker.serves
    assert texts == []
    error = from_findings(reply["findings"], reply["errors"])
    assert error.code == "FAILED_PRECONDITION"
    assert "the patch files changed while they were being read" in error.text


@pytest.mark.parametrize("how", ["updated", "removed"])
def test_patch_files_that_change_while_a_call_runs(shim: Shim, pool: ThreadPoolExecutor, how: str) -> None:
    """They are read once, at the start: the sidecar keeps that version until its end, even if another engine compiles
    them after a late run."""
    volume(shim, "old")
    shim.start(program=SLOWRUN).launcher()
    running = pool.submit(define, shim, HANGING_DOMAIN)
    shim.wait_for("OnDefineDomain method has been called")
    if how == "updated":
        volume(shim, "new")
    else:
        shutil.rmtree(shim.patches)
    assert "PL414" in status(running)[1]
    assert labels(define(shim)) == ["old", "old"]


def test_a_file_that_vanishes_while_it_starts(shim: Shim) -> None:
    """Every call gets the error, no executable runs, and the remaining files are not applied on their own."""
    shim.patch(PATCH, "a.yaml")
    path = shim.patch(CLOUD_INIT_PATCH, "b.yaml")
    shim.executable("onDefineDomain", ECHO)
    shim.start(program=PAUSED, environment={"PAUSE_IN": str(shim.folder)})
    wait_until((shim.folder / "paused").exists, "it does not start")
    path.unlink()
    (shim.folder / "go").touch()
    shim.launcher()
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            define(shim)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert f"`{path}` cannot be read: " in caught.value.details()


# -- clocks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [-86_400, 86_400])
def test_a_wall_clock_that_is_set_while_calls_wait(shim: Shim, pool: ThreadPoolExecutor, by: int) -> None:
    """They get their turn and the time they need."""
    clock = shim.folder / "clock"
    clock.write_text("0")
    shim.executable("onDefineDomain", '#!/bin/sh\necho run >&2\nsleep 1\nprintf %s "$4"\n')
    shim.start(program=SETCLOCK, environment={"CLOCK": str(clock)}).launcher()
    calls = [pool.submit(define, shim)]
    shim.wait_for("onDefineDomain: run")
    calls.append(pool.submit(define, shim))
    time.sleep(0.3)
    (shim.folder / "next").write_text(str(by))
    (shim.folder / "next").rename(clock)
    assert [call.result() for call in calls] == [DOMAIN] * 2
    assert shim.signal(signal.SIGTERM) == 0


@pytest.mark.parametrize("by", [-86_400, -30, 30, 86_400])
def test_a_caller_waits_as_long_as_it_does_whatever_the_wall_clock_says(
    shim: Shim, pool: ThreadPoolExecutor, by: int
) -> None:
    """Its deadline is stored at arrival and measured by a clock that nobody sets: it learns of the late run in time."""
    clock = shim.folder / "clock"
    clock.write_text("0")
    shim.executable(
        "onDefineDomain", '#!/bin/sh\necho run >&2\ncase $2 in *slow*) sleep 300;; esac\nsleep 1\nprintf %s "$4"\n'
    )
    shim.start(program=SETCLOCK, environment={"CLOCK": str(clock)}).launcher()
    first = pool.submit(define, shim)
    shim.wait_for("onDefineDomain: run")
    slow = b'{"metadata": {"name": "slow"}}'
    waits = pool.submit(virtlauncher.define_domain, shim.socket, "v1alpha2", DOMAIN, slow, 8.0)
    wait_until(lambda: shim.text.count("OnDefineDomain method has been called") == 2, "it does not come")
    (shim.folder / "next").write_text(str(by))
    (shim.folder / "next").rename(clock)
    assert first.result() == DOMAIN
    code, text = status(waits)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    late = re.search(r"did not finish within (\d+(?:\.\d+)?) s and was killed", text)
    assert late is not None
    assert 1 < float(late[1]) < 8
    assert shim.signal(signal.SIGTERM) == 0
