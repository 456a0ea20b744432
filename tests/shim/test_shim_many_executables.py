"""Executables, repeatedly and in parallel: no descriptor, process or memory leaks."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import virtlauncher
from samples import DOMAIN
from shimprocess import IMAGE, Shim

WAYS = """\
#!/bin/sh
case $2 in
*good*) printf %s "$4" ;;
*fails*) echo no disk >&2; exit 3 ;;
*killed*) kill -9 $$ ;;
*garbage*) printf '\\377\\376' ;;
*leaves*) sleep 300 >/dev/null 2>&1 & printf %s "$4" ;;
*forks*) sh -c 'printf %s "$1"' sh "$4" & wait ;;
*loud*) head -c 300000 /dev/zero >&2; printf %s "$4" ;;
*large*) head -c 5000000 /dev/zero ;;
esac
"""
ANSWERS = {
    "good": None,
    "fails": "ended with exit status 3; its standard error ends: no disk",
    "killed": "was ended by signal 9",
    "garbage": "is not UTF-8",
    "forks": None,
    "loud": None,
    "large": "printed more than 4194304 bytes and was killed",
}


def answer(shim: Shim, way: str) -> str | None:
    """The error text, or None for the right answer."""
    vmi = json.dumps({"metadata": {"name": way}}).encode()
    try:
        assert virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, vmi) == DOMAIN
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return None


def check(shim: Shim, way: str) -> str:
    said, wanted = answer(shim, way), ANSWERS[way]
    if wanted is None:
        assert said is None
    else:
        assert said is not None
        assert said.startswith("FAILED_PRECONDITION: onDefineDomain (") or way == "garbage"
        assert wanted in said
    return way


class Held:
    """The system resources that a process holds."""

    def __init__(self, shim: Shim) -> None:
        assert shim.process is not None
        self.process = Path(f"/proc/{shim.process.pid}")

    @property
    def descriptors(self) -> int:
        return len(os.listdir(self.process / "fd"))

    @property
    def threads(self) -> int:
        return len(os.listdir(self.process / "task"))

    @property
    def children(self) -> list[str]:
        """The child processes, including zombies."""
        return [word for task in (self.process / "task").iterdir() for word in (task / "children").read_text().split()]

    @property
    def kib(self) -> int:
        lines = (self.process / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])


@pytest.fixture
def held(shim: Shim) -> Iterator[Held]:
    """At the end there is nothing more than before; closed connections take a moment to disappear."""
    shim.executable("onDefineDomain", WAYS)
    shim.start(environment=IMAGE).launcher()
    for way in ANSWERS:
        check(shim, way)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: check(shim, "good"), range(16)))
    held = Held(shim)
    descriptors, threads, kib = held.descriptors, held.threads, held.kib
    yield held
    until = time.monotonic() + 10
    while held.descriptors > descriptors and time.monotonic() < until:
        time.sleep(0.05)
    assert held.children == []
    assert held.descriptors <= descriptors
    assert held.threads <= threads + 2
    assert held.kib <= kib * 1.05 + 512


def test_five_hundred_calls_in_a_row(shim: Shim, held: Held) -> None:
    ways = list(ANSWERS) * 10 + ["good", "fails", "forks", "killed", "garbage"] * 86
    assert len(ways) == 500
    assert Counter(check(shim, way) for way in ways) == Counter(ways)


def test_sixteen_at_a_time(shim: Shim, held: Held) -> None:
    ways = list(ANSWERS) * 16
    with ThreadPoolExecutor(16) as pool:
        assert Counter(pool.map(lambda way: check(shim, way), ways)) == Counter(ways)


def test_what_executables_leave_running_ends_with_the_sidecar(shim: Shim) -> None:
    """A child without our pipes may stay, as with KubeVirt's sidecar, until the container ends."""
    shim.executable("onDefineDomain", WAYS)
    shim.start(environment=IMAGE).launcher()
    held = Held(shim)
    for count in (1, 2, 3):
        assert answer(shim, "leaves") is None
        assert len(held.children) == count
    left = held.children
    for way in ("good", "fails", "large"):
        check(shim, way)
    assert held.children == left
    assert shim.signal(signal.SIGTERM) == 0
    assert not any(Path("/proc", pid).exists() for pid in left)


def test_what_executables_leave_behind_is_reaped_when_it_ends(shim: Shim, held: Held) -> None:
    """No zombie remains, whichever process started it."""
    for _ in range(5):
        assert answer(shim, "leaves") is None
    for pid in held.children:
        os.kill(int(pid), signal.SIGKILL)
    until = time.monotonic() + 20
    while held.children and time.monotonic() < until:
        time.sleep(0.02)
    assert held.children == []
