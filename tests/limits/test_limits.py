"""The sidecar with 64 MB and a fifth of a CPU: no process is killed, and every call gets an answer."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import documents
import grpc
import pytest
import virtlauncher
from shimprocess import Shim

from benchmarks import cgroup
from benchmarks.cgroup import CPU, MEMORY, Cage, Unavailable, cage

VERSION = "v1alpha3"
KIB, MIB = 1024, 1024 * 1024
Start = Callable[..., Shim]

# slow in itself, and the CPU share makes no difference
whole_cpu = pytest.mark.parametrize("limits", [(MEMORY,)], ids=["memory"])


def patched(domain: bytes) -> bytes:
    """The domain after DOMAIN_PATCH."""
    entry = f'\t\t<baseBoard>\n\t\t\t<entry name="serial">{documents.BOARD}</entry>\n\t\t</baseBoard>'
    return domain.replace(b"\t\t<baseBoard></baseBoard>", entry.encode()).replace(
        b'cache="none"', b'cache="writeback"', 1
    )


def edited(data: bytes) -> bytes:
    """The cloud-init data after CLOUD_INIT_PATCH."""
    end = rb'\n","NetworkData"'
    return data.replace(end, rb"\nbootcmd:\n  - [echo, board-00000000]\nssh_pwauth: false" + end)


@contextmanager
def nobody_is_killed(group: Cage, shim: Shim, full: bool = False) -> Iterator[None]:
    """With ``full``, the memory may reach its limit meanwhile, through file pages that the kernel reclaims."""
    yield
    assert shim.process is not None
    reached = f"peak {group.peak:,} bytes, at the limit {group.number('memory.failcnt')} times, {group.killed} killed"
    print(reached)
    assert (group.killed, shim.process.poll()) == (0, None), reached
    assert full or group.peak < int(MEMORY["memory.limit_in_bytes"]), reached
    assert shim.signal(signal.SIGTERM) == 0
    assert list(shim.hooks.iterdir()) == []


def at_once(count: int, call: Callable[[], bytes]) -> list[bytes]:
    """The answers of ``count`` calls that start together; raises the first error."""
    together = threading.Barrier(count)

    def one() -> bytes:
        together.wait()
        return call()

    with ThreadPoolExecutor(count) as pool:
        running: list[Future[bytes]] = [pool.submit(one) for _ in range(count)]
        return [future.result() for future in running]


def define(shim: Shim, domain: bytes) -> bytes:
    return virtlauncher.define_domain(shim.socket, VERSION, domain, documents.vmi())


def pre_cloud_init(shim: Shim, data: bytes) -> bytes:
    return bytes(virtlauncher.pre_cloud_init(shim.socket, VERSION, data, documents.vmi()).cloudInitData)


@pytest.mark.parametrize(
    ("size", "callers"), [(256 * KIB, 16), (MIB, 1), (MIB, 16)], ids=["256KiBx16", "1MiB", "1MiBx16"]
)
def test_domains(start: Start, group: Cage, size: int, callers: int) -> None:
    shim = start(documents.DOMAIN_PATCH)
    domain = documents.domain(size)
    assert size - 1000 < len(domain) <= size
    with nobody_is_killed(group, shim):
        assert set(at_once(callers, lambda: define(shim, domain))) == {patched(domain)}


@whole_cpu
@pytest.mark.parametrize(
    ("size", "vmi", "callers"), [(MIB, MIB, 16), (60 * KIB, 3900 * KIB, 8)], ids=["1+1MiB", "3.9MiB"]
)
def test_large_messages_of_several_callers(start: Start, group: Cage, size: int, vmi: int, callers: int) -> None:
    """One message waits in its caller's socket while the sidecar holds another one of more than a megabyte."""
    shim = start(documents.DOMAIN_PATCH)
    domain, large = documents.domain(size), documents.vmi()[:-1] + b',"large":"' + b"x" * vmi + b'"}'

    def call() -> bytes:
        return virtlauncher.define_domain(shim.socket, VERSION, domain, large)

    with nobody_is_killed(group, shim, full=True):
        assert set(at_once(callers, call)) == {patched(domain)}


@whole_cpu
@pytest.mark.parametrize(("character", "number"), [("\u00e9", 1_950_000), ("\u00e9", 500_000), ("\U0001f600", 250_000)])
def test_cloud_init_data_that_executables_print(start: Start, group: Cage, character: str, number: int) -> None:
    """A few bytes of text take much more memory in Python."""
    text = f'{{"DataSource":"noCloud","NoCloudMetaData":{{}},"UserData":"a{character * number}"}}'.encode()
    shim = start(onDefineDomain="#!/bin/sh\n", preCloudInitIso='#!/bin/sh\nexec cat "${0%/*}/printed"\n')
    (shim.bin / "printed").write_bytes(text)

    def call() -> bytes:
        try:
            return pre_cloud_init(shim, documents.cloud_init(2000))
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}".encode()

    with nobody_is_killed(group, shim):
        (answer,) = set(at_once(4, call))
        if len(text) <= MIB:
            assert answer == text
        else:
            assert b"FAILED_PRECONDITION: the output of preCloudInitIso" in answer
            assert f"has {len(text)} bytes, more than the limit of 1048576".encode() in answer


@whole_cpu
@pytest.mark.parametrize(("size", "callers"), [(16_000, 16), (1_000_000, 1)], ids=["16KBx16", "1MB"])
def test_cloud_init_data(start: Start, group: Cage, size: int, callers: int) -> None:
    shim = start(documents.CLOUD_INIT_PATCH)
    data = documents.cloud_init(size)
    assert size * 0.8 < len(data) <= size
    with nobody_is_killed(group, shim):
        assert set(at_once(callers, lambda: pre_cloud_init(shim, data))) == {edited(data)}


@whole_cpu
def test_user_data_of_too_many_nodes_is_refused_before_it_fills_the_memory(start: Start, group: Cage) -> None:
    shim = start(documents.CLOUD_INIT_PATCH)
    with nobody_is_killed(group, shim):
        with pytest.raises(grpc.RpcError) as caught:
            pre_cloud_init(shim, documents.cloud_init(1_000_000, content=60))
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "PL413" in caught.value.details()
        assert pre_cloud_init(shim, documents.cloud_init(2000)) == edited(documents.cloud_init(2000))


@pytest.mark.parametrize("size", [MIB + 1000, 4 * MIB - 2000, 5 * MIB], ids=["1MiB+", "4MiB-", "5MiB"])
def test_sixteen_domains_that_are_too_large(start: Start, group: Cage, size: int) -> None:
    """Over ``--max-domain-bytes`` the message is ours, over gRPC's limit gRPC's; both come before memory is full."""
    shim = start(documents.DOMAIN_PATCH)
    domain = documents.domain(size)

    def call() -> bytes:
        try:
            return define(shim, domain)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}".encode()

    with nobody_is_killed(group, shim):
        (answer,) = {text.decode().split(" (")[0] for text in at_once(16, call)}
        assert answer.startswith("RESOURCE_EXHAUSTED: ")
        words = "SERVER: Received message larger than max" if size > 4 * MIB else "but the limit is 1048576"
        assert words in answer
        assert define(shim, documents.domain(2000)) == patched(documents.domain(2000))


def test_info_is_answered_while_a_callback_runs(start: Start, group: Cage) -> None:
    """The answer comes within virt-launcher's limit of one second, whether or not the CPU share is used up."""
    shim = start(documents.CLOUD_INIT_PATCH)
    data = documents.cloud_init(200_000)
    with nobody_is_killed(group, shim):
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(pre_cloud_init, shim, data)
            asked = 0
            while not running.done():
                assert virtlauncher.ask_info(shim.socket).name == "shim"
                asked += 1
            assert running.result() == edited(data)
        assert asked > 1
        assert group.field("cpu.stat", "nr_throttled") > 0


def test_info_is_answered_while_a_large_domain_is_edited(start: Start, group: Cage) -> None:
    shim = start(documents.DOMAIN_PATCH)
    domain = documents.domain(MIB)
    with nobody_is_killed(group, shim):
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(define, shim, domain)
            asked = 0
            while not running.done():
                assert virtlauncher.ask_info(shim.socket).name == "shim"
                asked += 1
            assert running.result() == patched(domain)
        assert asked > 1


FLOODS = {
    "100-MB-on-stderr": 'yes "a line of what it does" | head -c 100000000 >&2; printf %s "$4"',
    "a-line-of-10-MB": 'head -c 10000000 /dev/zero | tr "\\0" x >&2; printf %s "$4"',
    "5-MB-on-stdout": "head -c 5000000 /dev/zero",
    "stdout-without-end": "exec cat /dev/zero",
    "lines-without-end-and-a-deadline": "exec yes >&2",
}


@whole_cpu
@pytest.mark.parametrize("flood", FLOODS)
def test_executables_that_write_without_end(start: Start, group: Cage, flood: str) -> None:
    """The output passes through the sidecar's memory and its log, and accumulates in neither."""
    shim = start(onDefineDomain=f"#!/bin/sh\n{FLOODS[flood]}\n")
    domain = documents.domain(100_000)
    with nobody_is_killed(group, shim):
        seconds = 4.0 if "deadline" in flood else virtlauncher.CALL_SECONDS
        try:
            answer = virtlauncher.define_domain(shim.socket, VERSION, domain, documents.vmi(), seconds)
        except grpc.RpcError as error:
            answer = f"{error.code().name}: {error.details()}".encode()
        if "stdout" in flood:
            assert b"printed more than 4194304 bytes and was killed" in answer
        elif "deadline" in flood:
            assert b"was killed; its standard error ends: " in answer
        else:
            assert answer == domain
        shim.executable("onDefineDomain", '#!/bin/sh\nprintf %s "$4"\n')
        assert at_once(4, lambda: define(shim, domain)) == [domain] * 4
    assert len(shim.text) < 4_000_000


def test_the_groups_are_removed_with_all_that_runs_in_them() -> None:
    try:
        with cage(MEMORY, CPU) as group:
            process = subprocess.Popen(group.command("sleep", "300"))
            paths = [Path(word.strip("'")).parent for word in " ".join(group.enter).split() if "cgroup.procs" in word]
            while str(process.pid) not in (paths[-1] / "cgroup.procs").read_text().split():
                os.sched_yield()
    except Unavailable as error:
        pytest.skip(str(error))
    assert process.wait(timeout=20) == -signal.SIGKILL
    assert len(paths) == 2
    assert not any(path.exists() for path in paths)


def test_limits_that_cannot_be_set_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    with pytest.raises(Unavailable, match="needs root and cgroup version 1"), cage(MEMORY):
        pass
