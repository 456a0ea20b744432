"""The sidecar's calls with the engine in the same process, so that tests can check everything that both report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from patchlang.compile import Program
from shim import engine, frames, progress
from shim.backends import Patches
from shim.calls import ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO, Calls, Limits, Request
from shim.engine import Worker
from shim.engines import Engines
from shim.status import CallError

SECONDS_LEFT = 60.0
NOTED = progress.create()


class Wire:
    """Replaces the engine's socket: keeps the frames that the engine sends."""

    def __init__(self) -> None:
        self._data = bytearray()

    def sendmsg(self, parts: Sequence[bytes]) -> int:
        """Accept only part of the data, as the kernel may."""
        whole = b"".join(parts)
        taken = whole[: len(whole) // 2 + 1]
        self._data += taken
        return len(taken)

    def sendall(self, data: bytes) -> None:
        self._data += data

    def recv(self, size: int, _flags: int = 0) -> bytes:
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def recv_into(self, view: memoryview) -> int:
        taken = self.recv(len(view))
        view[: len(taken)] = taken
        return len(taken)


class InProcess(Engines):
    """An engine without a process. ``said`` gets the head of each of its frames, and its notes."""

    def __init__(self, program: Program, said: list[str]) -> None:
        self._noted = NOTED
        self._said = said
        self._worker = Worker({"debug": True}, self._noted)
        self._worker._program = program
        self._loaded = True

    async def ask(self, call: str, blobs: list[bytes], seconds: float, doing: str) -> frames.Frame:
        work: Callable[..., engine.Reply] = {
            "domain": self._worker.define_domain,
            "cloud-init": self._worker.pre_cloud_init,
        }[call]
        wire: Any = Wire()
        progress.clear(self._noted)
        engine._answer(wire, {"seconds": seconds}, partial(work, *blobs))
        blobs.clear()
        frame = frames.receive(wire)
        assert frame is not None
        reply, results = frame
        self._said.append(json.dumps(reply, ensure_ascii=False))
        self._said += progress.read(self._noted)
        if failure := self._failure_in(reply, doing):
            raise failure
        return reply, results


def answer(
    runner: asyncio.Runner, program: Program, name: str, documents: Sequence[bytes], said: list[str]
) -> list[bytes] | None:
    """The answer of the call ``name``; None for an error, whose status goes to ``said``."""

    async def call() -> list[bytes]:
        loaded = {"domain": program.edits_domain, "cloud_init": program.edits_cloud_init}
        patches = Patches(InProcess(program, said), loaded, 1 << 20)

        async def receive() -> Request:
            return Request(list(documents))

        return await Calls(patches, Limits(), audit=False).answer(name, SECONDS_LEFT, receive)

    try:
        return runner.run(call())
    except CallError as error:
        said.append(f"{error.code}: {error.text}")
        return None


def define_domain(
    runner: asyncio.Runner, program: Program, domain: bytes, vmi: bytes, said: list[str]
) -> list[bytes] | None:
    return answer(runner, program, ON_DEFINE_DOMAIN, (domain, vmi), said)


def pre_cloud_init(
    runner: asyncio.Runner, program: Program, data: bytes, source: bytes, vmi: bytes, said: list[str]
) -> list[bytes] | None:
    return answer(runner, program, PRE_CLOUD_INIT_ISO, (data, source, vmi), said)
