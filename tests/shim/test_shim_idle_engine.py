"""An engine that dies while idle is replaced, and no call notices."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import virtlauncher
from samples import DOMAIN, ENTRY, PATCH
from shimprocess import END_SECONDS, Shim

from benchmarks.sidecar import children

VMI = b'{"metadata": {"name": "web-01"}}'
LARGE = DOMAIN.replace(b"</domain>", b"<!--" + b"x" * 900_000 + b"--></domain>")


def engine(shim: Shim, but: int = 0) -> int:
    """The engine's process, once there is one other than ``but``."""
    assert shim.process is not None
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:
        found = [pid for pid in children(shim.process.pid) if pid != but]
        if found:
            (pid,) = found
            return pid
        time.sleep(0.005)
    raise AssertionError(f"there is no engine; the log:\n{shim.text}")


def call(shim: Shim, domain: bytes = DOMAIN) -> bytes:
    return virtlauncher.define_domain(shim.socket, "v1alpha2", domain, VMI)


@pytest.fixture
def serving(shim: Shim) -> Shim:
    shim.patch(PATCH)
    shim.start().launcher()
    return shim


def test_an_engine_that_dies_between_calls_is_replaced_at_once(serving: Shim) -> None:
    first = engine(serving)
    os.kill(first, signal.SIGKILL)
    second = engine(serving, but=first)
    serving.wait_for("another engine is ready")
    assert "the engine ended by signal 9 between two calls" in serving.messages
    assert ENTRY.encode() in call(serving)
    assert engine(serving) == second


def test_one_that_dies_again_before_it_answered_waits_for_a_call(serving: Shim) -> None:
    first = engine(serving)
    os.kill(first, signal.SIGKILL)
    second = engine(serving, but=first)
    serving.wait_for("another engine is ready")
    os.kill(second, signal.SIGKILL)
    time.sleep(0.5)
    assert serving.process is not None
    assert children(serving.process.pid) == []
    assert ENTRY.encode() in call(serving)
    assert engine(serving) not in (first, second)


@pytest.mark.parametrize("domain", [DOMAIN, LARGE], ids=["small", "large"])
def test_a_call_right_after_the_kill_is_answered(serving: Shim, domain: bytes) -> None:
    pid = 0
    for _ in range(15):
        pid = engine(serving, but=pid)
        os.kill(pid, signal.SIGKILL)
        assert ENTRY.encode() in call(serving, domain)


@pytest.mark.parametrize("domain", [DOMAIN, LARGE], ids=["small", "large"])
def test_what_a_dead_engine_has_not_taken_runs_on_the_next_one(serving: Shim, domain: bytes) -> None:
    pid = engine(serving)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(call, serving, domain) for _ in range(2)]
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        for answer in waiting:
            assert ENTRY.encode() in answer.result(END_SECONDS)
