"""Work with a deadline."""

from __future__ import annotations

import threading

import grpc
import pytest
from samples import DOMAIN, VMI

from patchlang.result import Outcome
from shim import backends
from shim.status import CallError
from shim.worker import MAX_GIVEN_UP, GivenUpError, Worker


def test_results_and_errors_come_back() -> None:
    worker = Worker()
    assert worker.run(lambda: 7, 10) == 7
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda: 1 // 0, 10)


def test_late_work_is_given_up_and_the_next_goes_on() -> None:
    worker, release = Worker(), threading.Event()
    with pytest.raises(GivenUpError):
        worker.run(release.wait, 0.01)
    assert worker.run(lambda: "next", 10) == "next"
    release.set()


def test_only_so_many_may_go_on_in_the_background() -> None:
    worker, release = Worker(), threading.Event()
    done: list[threading.Thread] = []

    def late() -> None:
        done.append(threading.current_thread())
        release.wait()

    for _ in range(MAX_GIVEN_UP):
        with pytest.raises(GivenUpError):
            worker.run(late, 0.05)
    with pytest.raises(GivenUpError):
        worker.run(lambda: 7, 10)
    release.set()
    for thread in done:
        thread.join()
    assert worker.run(lambda: 7, 10) == 7


class Program:
    edits_domain = True
    edits_cloud_init = False
    names = ("slow",)


def test_a_program_whose_run_was_given_up_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that goes on holds the locks of the compiled XPaths that it evaluates."""
    first, second, release = Program(), Program(), threading.Event()
    used: list[object] = []

    def patch_domain(program: object, domain: bytes, vmi: bytes, *, progress: object) -> Outcome:
        used.append(program)
        if program is first:
            release.wait()
        return Outcome(domain)

    monkeypatch.setattr(backends, "patch_domain", patch_domain)
    patches = backends.Patches(first, lambda: second)  # type: ignore[arg-type, return-value]
    with pytest.raises(CallError) as caught:
        patches.define_domain(DOMAIN, VMI, 0.05)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "PL414" in caught.value.text
    assert patches.define_domain(DOMAIN, VMI, 10) == DOMAIN
    assert used == [first, second]
    release.set()
