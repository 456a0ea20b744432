"""The sidecar always answers, in time, and survives, whatever its patches do (docs/reliability.md)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import hostile
import pytest
import virtlauncher
from hostile import SLOW
from samples import CLOUD_INIT, DOMAIN, PATCH
from samples import VMI as SAMPLE_VMI
from shimprocess import Shim

from shim import engines, frames
from shim.status import CallError

HERE = Path(__file__).parent
VERSION = "v1alpha3"
FAILED = grpc.StatusCode.FAILED_PRECONDITION
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as made:
        yield made


def start(shim: Shim, patch: str, **limits: float) -> Shim:
    """A sidecar with this patch, whose runs may take three seconds."""
    shim.patch(patch)
    given = json.dumps({"callback": 3.0, **limits})
    shim.start(version=VERSION, program=HERE / "limited.py", environment={"LIMITS": given})
    return shim


def define(shim: Shim, domain: bytes, vmi: bytes = hostile.vmi()) -> bytes:
    return virtlauncher.define_domain(shim.socket, VERSION, domain, vmi)


def slow(shim: Shim) -> bytes:
    return define(shim, hostile.long_domain(), hostile.long_vmi())


def refused(call: Future[Any]) -> tuple[grpc.StatusCode, str]:
    error = call.exception(timeout=120)
    assert isinstance(error, grpc.RpcError), error
    return error.code(), error.details()


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def engine_of(shim: Shim) -> int:
    """The engine's process: the only child of the front."""
    assert shim.process is not None
    until = time.monotonic() + 60
    while len(found := children(shim.process.pid)) != 1:
        assert time.monotonic() < until, found
        time.sleep(0.01)
    return found[0]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(done: Callable[[], object], what: str) -> None:
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until, what
        time.sleep(0.01)


# -- late ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SLOW)
def test_a_call_of_c_that_takes_minutes(shim: Shim, pool: ThreadPoolExecutor, kind: str) -> None:
    """Info is answered throughout; the run is stopped, its patch and place are blamed, and the next call works."""
    start(shim, SLOW[kind]).launcher()
    first = engine_of(shim)
    call = pool.submit(slow, shim)
    asked = 0
    while not call.done():
        assert virtlauncher.ask_info(shim.socket).name == "shim"
        asked += 1
        time.sleep(0.02)
    code, text = refused(call)
    assert code is FAILED, shim.text
    place = f"{shim.patches / 'patch.yaml'}:5:12: "
    assert text == f"{place}error[PL414 deadline-passed] the run did not finish within 3 s and was stopped (patch slow)"
    assert asked > 5
    assert is_gone(first)
    assert define(shim, hostile.domain()).startswith(b"<domain>")
    assert engine_of(shim) != first


def test_calls_that_wait_meanwhile_run_on_the_next_engine(shim: Shim, pool: ThreadPoolExecutor) -> None:
    start(shim, SLOW["cel"]).launcher()
    late = pool.submit(slow, shim)
    shim.wait_for("OnDefineDomain method has been called")
    waiting = [pool.submit(define, shim, hostile.domain()) for _ in range(5)]
    assert refused(late)[0] is FAILED
    assert {call.result() for call in waiting} == {hostile.domain().replace(b">1<", b">0<")}


def test_there_is_one_engine_at_most(shim: Shim, pool: ThreadPoolExecutor) -> None:
    start(shim, SLOW["cel"], callback=6.0).launcher()  # enough time to reload, even on a busy machine
    assert shim.process is not None
    most, done = 0, threading.Event()

    def count() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, sum(not is_gone(pid) for pid in children(shim.process.pid)))  # type: ignore[union-attr]

    counting = pool.submit(count)
    try:
        for _ in range(2):
            assert refused(pool.submit(slow, shim))[0] is FAILED
            define(shim, hostile.domain())
    finally:
        done.set()
        counting.result()
    assert most == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_call_of_c_runs(shim: Shim, pool: ThreadPoolExecutor, number: signal.Signals) -> None:
    start(shim, SLOW["cel"], callback=60).launcher()
    engine = engine_of(shim)
    call = pool.submit(slow, shim)
    shim.wait_for("OnDefineDomain method has been called")
    assert shim.signal(number) == 0
    assert refused(call)[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert is_gone(engine)
    assert list(shim.hooks.iterdir()) == []


def test_shutdown_while_a_call_of_c_runs(shim: Shim, pool: ThreadPoolExecutor) -> None:
    launcher = start(shim, SLOW["cel"], callback=60).launcher()
    call = pool.submit(slow, shim)
    shim.wait_for("OnDefineDomain method has been called")
    launcher.shutdown()
    assert shim.end() == 0
    refused(call)


def test_signals_at_any_moment(make_shim: Callable[..., Shim]) -> None:
    """From the first instruction on, and also while an engine is restarting."""
    for number in range(25):
        shim = start(make_shim(), PATCH)
        time.sleep(number * 0.02)
        assert shim.process is not None
        engines = children(shim.process.pid)
        status = shim.signal(signal.SIGTERM)
        # before Python runs any of our code, the signal has its default effect
        assert status == 0 or (status == -signal.SIGTERM and not shim.text), shim.text
        wait_until(lambda engines=engines: all(map(is_gone, engines)), "an engine is left")  # type: ignore[misc]
        assert list(shim.hooks.iterdir()) == []


def test_a_signal_while_another_engine_starts(shim: Shim, pool: ThreadPoolExecutor) -> None:
    start(shim, SLOW["cel"], callback=0.3).launcher()
    refused(pool.submit(slow, shim))
    assert shim.signal(signal.SIGTERM) == 0
    assert shim.process is not None
    assert children(shim.process.pid) == []


# -- dead ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (signal.SIGSEGV, FAILED, "error[PL418 engine-crashed] the run crashed: the engine ended by signal 11"),
        (signal.SIGKILL, EXHAUSTED, "error[PL417 out-of-memory] the run was killed"),
    ],
)
def test_an_engine_that_dies_amid_a_call(
    shim: Shim, pool: ThreadPoolExecutor, number: signal.Signals, code: grpc.StatusCode, says: str
) -> None:
    """The interrupted call gets the reason and the name of the patch; a waiting call runs on the next engine."""
    start(shim, SLOW["cel"], callback=60).launcher()
    call = pool.submit(slow, shim)
    shim.wait_for("OnDefineDomain method has been called")
    waiting = pool.submit(define, shim, hostile.domain())
    time.sleep(0.3)
    os.kill(engine_of(shim), number)
    got, text = refused(call)
    assert got is code
    assert says in text
    assert "(patch slow)" in text
    assert waiting.result() == hostile.domain().replace(b">1<", b">0<")


def test_an_engine_that_dies_between_calls(shim: Shim) -> None:
    """No caller notices: another engine is ready."""
    start(shim, SLOW["cel"]).launcher()
    for _ in range(3):
        engine = engine_of(shim)
        os.kill(engine, signal.SIGSEGV)
        wait_until(lambda engine=engine: is_gone(engine), "it lives")  # type: ignore[misc]
        assert define(shim, hostile.domain()) == hostile.domain().replace(b">1<", b">0<")


def test_an_engine_whose_front_is_killed_ends(shim: Shim, pool: ThreadPoolExecutor) -> None:
    """It ends even during a call, although not at once."""
    start(shim, SLOW["cel"], callback=1.0).launcher()
    engine = engine_of(shim)
    pool.submit(slow, shim)
    shim.wait_for("OnDefineDomain method has been called")
    time.sleep(0.2)
    shim.signal(signal.SIGKILL)
    wait_until(lambda: is_gone(engine), "the engine is left")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("hang", "error[PL414 deadline-passed] loading the patches did not finish within 1 s and was stopped"),
        ("abort", "error[PL418 engine-crashed] loading the patches crashed: the engine ended by signal 6"),
    ],
)
def test_late_or_dead_while_loading(shim: Shim, how: str, says: str) -> None:
    """The error is kept and returned; nothing is tried twice, and no engine is left."""
    shim.patch(PATCH)
    shim.start(version=VERSION, program=HERE / "crashing.py", environment={"HOW": how})
    launcher = shim.launcher()
    assert launcher.only.hook_points == ("OnDefineDomain", "Shutdown")
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            launcher.on_define_domain(DOMAIN, SAMPLE_VMI)
        assert caught.value.code() is FAILED
        assert f"{shim.patches / 'patch.yaml'}:1:1: {says}" in caught.value.details()
    assert shim.process is not None
    assert children(shim.process.pid) == []


def test_without_patches_no_engine_stays(shim: Shim) -> None:
    shim.executable("onDefineDomain", '#!/bin/sh\nprintf %s "$4"\n')
    shim.start(version=VERSION).launcher()
    assert shim.process is not None
    assert children(shim.process.pid) == []
    assert define(shim, DOMAIN) == DOMAIN


# -- memory --------------------------------------------------------------------------------------------------------


def test_a_run_that_takes_too_much_memory(shim: Shim) -> None:
    """This test has no cgroup limit; tests/limits has the tests with one."""
    doubled = "cel.bind(a, vmi.spec.text + vmi.spec.text, cel.bind(b, a + a + a + a, b + b + b + b).size())"
    shim.patch(hostile.patch("big", f'[{{op: set, path: /domain/memory, value: "$[ string({doubled}) ]"}}]'))
    shim.start("--max-memory", "40Mi", version=VERSION)
    shim.launcher()
    first = engine_of(shim)
    with pytest.raises(grpc.RpcError) as caught:
        define(shim, hostile.domain(), hostile.vmi("x" * 1_500_000))
    assert caught.value.code() is EXHAUSTED
    assert "error[PL417 out-of-memory] the run ran out of memory and was stopped (patch big)" in caught.value.details()
    assert define(shim, hostile.domain(), hostile.vmi("xy")) == hostile.domain().replace(b">1<", b">64<")
    assert engine_of(shim) != first


# -- half calls ----------------------------------------------------------------------------------------------------


def test_half_calls(shim: Shim) -> None:
    """4 half Infos and 2,000 half OnDefineDomains on one connection: other calls get answers, and these end."""
    start(shim, PATCH, message=3.0, hurried=0.2).launcher()
    with virtlauncher.dial(shim.socket) as channel:
        never = threading.Event()

        def half(method: str) -> Any:
            def nothing() -> Iterator[bytes]:
                never.wait()
                yield b""

            return channel.stream_unary(method)(nothing()) if False else channel.stream_unary(method).future(nothing())

        infos = [half("/kubevirt.hooks.info.Info/Info") for _ in range(4)]
        callbacks = [half(f"/kubevirt.hooks.{VERSION}.Callbacks/OnDefineDomain") for _ in range(2000)]
        try:
            shim.wait_for("OnDefineDomain method has been called")
            assert virtlauncher.ask_info(shim.socket).name == "shim"
            assert b"entry" in define(shim, DOMAIN, SAMPLE_VMI)
            for call in (*infos, callbacks[0]):
                assert call.exception(timeout=60).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        finally:
            never.set()
    assert shim.signal(signal.SIGTERM) == 0


def test_cloud_init_is_answered_by_the_same_engine(shim: Shim) -> None:
    start(shim, PATCH).launcher()
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.pre_cloud_init(shim.socket, VERSION, b"[", SAMPLE_VMI)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    result = virtlauncher.pre_cloud_init(shim.socket, VERSION, CLOUD_INIT, SAMPLE_VMI)
    assert json.loads(result.cloudInitData) == json.loads(CLOUD_INIT)


def test_an_engine_without_memory_to_say_so_says_it_by_its_exit_status() -> None:
    code = (
        "from shim import engine\n"
        "def without_memory(*_): raise MemoryError\n"
        "engine._become_an_engine = lambda: None\n"
        "engine._answer_all = without_memory\n"
        "engine.serve(None, 0)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == frames.NO_MEMORY


def test_that_status_is_lack_of_memory_to_the_front() -> None:
    async def dead(status: int) -> CallError:
        engine = object.__new__(engines.Engines)
        engine._ended = asyncio.get_running_loop().create_future()
        engine._ended.set_result(status)
        engine._stopped, engine._loaded, engine._noted = False, True, os.memfd_create("noted")
        return await engine._dead()

    assert "PL417" in asyncio.run(dead(frames.NO_MEMORY)).text
    assert "PL418" in asyncio.run(dead(frames.NO_MEMORY - 1)).text
