"""The front's side of the engine process (:mod:`shim.engine`): starts it, asks it, and kills it when it is late.

There is never more than one. The first is forked (:mod:`shim.firstengine`); ``subprocess`` starts its
successors.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

from . import frames, progress
from .children import Children
from .firstengine import LOAD_SECONDS, FirstEngine, pair
from .log import log
from .status import CallError, from_findings, internal

END_SECONDS = 10.0
"""For the end of a killed process; an unresponsive disk can delay it."""
MAX_HELD = 2 * frames.MAX_WAITING
"""Bytes of a request that are kept while the engine works, in case it was already dead. Of a larger one, the engine
has received part once all is sent."""

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from shim.engine import main; main()"


class Engines:
    """The current engine, and its successors. Call ``load`` first; only one caller at a time may ``ask``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, children: Children, first: FirstEngine) -> None:
        self._loop = loop
        self._children = children
        self._request = first.request
        self._noted = first.noted
        self._sources: list[bytes] = []
        self._connection: socket.socket | None = first.connection
        self._pid = first.pid
        self._idle = False
        self._has_answered = True
        self._ended = self._watched(first.pid)
        self._restart: asyncio.Task[None] | None = None
        self._broken: CallError | None = None
        self._stopped = False
        self._loaded = False

    def stop(self) -> None:
        """Stops the engine and whatever it works on; no other one is started."""
        self._stopped = True
        self.kill()

    def kill(self) -> None:
        """Kills the engine, if there is one, without waiting for its end."""
        if self._pid:
            try:
                os.kill(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    @property
    def pids(self) -> frozenset[int]:
        """The engine's process, if there is one."""
        return frozenset([self._pid] if self._pid else [])

    async def load(self) -> dict[str, Any]:
        """What the engine has loaded: the header of its reply. If that serves nothing, no engine is left.

        Raises CallError if it was late or died, ran out of memory, or had a bug.
        """
        assert self._connection is not None
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                reply, sources = await frames.receive_async(self._loop, self._connection)
        except TimeoutError:
            failure = await self._late(LOAD_SECONDS)
        except (OSError, frames.BrokenFrameError):
            failure = await self._dead()
        else:
            found = self._failure_in(reply, "loading the patches")
            if found is None:
                self._sources = self._sources or sources
                self._request["sources"] = reply["sources"]
                self._loaded = True
                if not reply["serves"]:
                    await self._end()
                self._idle = bool(reply["serves"])
                return reply
            failure = found
        await self._end()
        raise failure

    async def ask(self, call: str, blobs: list[bytes], seconds: float, doing: str) -> frames.Frame:
        """The engine's reply. ``blobs`` are handed over: the list is emptied once the engine has them.

        An engine that was dead before it took the request is not at fault: the request goes to another one, once.
        Raises CallError if the engine is late, dies, runs out of memory or has a bug. Except for the last, another one
        is then started for the next request. It must not be canceled.
        """
        until = self._loop.time() + seconds
        head = {"call": call, "seconds": seconds}
        for again in (True, False):
            await self._until_it_is_there(until)
            self._idle = False
            progress.clear(self._noted)
            try:
                async with asyncio.timeout_at(until):
                    reply, results = await self._exchange(head, blobs)
            except TimeoutError:
                failure = await self._late(seconds)
            except (OSError, frames.BrokenFrameError):
                if again and blobs and not self._stopped and not progress.has_begun(self._noted):
                    self._replace()
                    continue
                failure = await self._dead()
            else:
                found = self._failure_in(reply, doing)
                self._idle = self._has_answered = found is None or "bug" in reply
                if found is None:
                    return reply, results
                if "bug" in reply:
                    raise found
                failure = found
            break
        if not self._stopped:
            self._replace()
        raise failure

    async def _exchange(self, head: dict[str, Any], blobs: list[bytes]) -> frames.Frame:
        """Raises OSError, BrokenFrameError."""
        if self._connection is None:
            raise frames.BrokenFrameError("the other end does not exist")
        await frames.send_async(self._loop, self._connection, head, blobs)
        if sum(map(len, blobs)) > MAX_HELD:
            blobs.clear()
        received = await frames.receive_async(self._loop, self._connection)
        blobs.clear()
        return received

    async def close(self) -> None:
        """Stops the engine permanently."""
        self._stopped = True
        if self._restart is not None:
            self._restart.cancel()
        await self._end()

    async def _until_it_is_there(self, until: float) -> None:
        if self._restart is not None:
            started = self._loop.time()
            try:
                async with asyncio.timeout_at(until):
                    await asyncio.shield(self._restart)
            except TimeoutError:
                seconds = until - started
                text = f"the patches were not reloaded within {seconds:.2g} s after an earlier run was stopped"
                raise CallError("FAILED_PRECONDITION", text) from None
        if self._broken is not None:
            raise CallError(self._broken.code, self._broken.text)

    def _watched(self, pid: int) -> asyncio.Future[int]:
        """The exit status of an engine, which is replaced at once if it ends between two requests.

        One that has answered nothing since its start is not, or this would never end: the next request replaces it.
        """
        ended = self._children.ended(pid)

        def at_end(_: object) -> None:
            if self._idle and pid == self._pid and not self._stopped:
                self._idle = False
                log.error("the engine %s between two calls", _how(ended.result()))
                if self._has_answered:
                    self._replace()

        ended.add_done_callback(at_end)
        return ended

    def _replace(self) -> None:
        self._has_answered = False
        self._restart = self._loop.create_task(self._start_again())

    async def _start_again(self) -> None:
        """Another engine, in place of one that is gone; from the same texts, whatever happened to their files."""
        await self._end()
        self._loaded = False
        try:
            ours, theirs = pair()
            with theirs:
                descriptors = (theirs.fileno(), self._noted)
                process = subprocess.Popen(  # noqa: S603 - this very program
                    [sys.executable, "-c", _BOOT, json.dumps(sys.path), *map(str, descriptors)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=descriptors,
                )
            self._pid, self._connection = process.pid, ours
            self._ended = self._watched(process.pid)
            process.returncode = 0  # we wait for it, not this object
            await frames.send_async(self._loop, ours, self._request, self._sources)
            await self.load()
        except CallError as error:
            self._broken = error
        except OSError as error:
            self._broken = CallError("INTERNAL", f"cannot restart the engine: {error.strerror}")
        else:
            log.info("another engine is ready")

    async def _end(self) -> None:
        """Kills the engine and waits until it is gone: a successor must not run next to it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if not self._pid:
            return
        self.kill()
        try:
            async with asyncio.timeout(END_SECONDS):
                await asyncio.shield(self._ended)
        except TimeoutError:
            log.error("engine %d did not exit after being killed", self._pid)
        self._pid = 0

    async def _late(self, seconds: float) -> CallError:
        await self._end()
        return self._blame("DEADLINE", f"did not finish within {seconds:.2g} s and was stopped")

    async def _dead(self) -> CallError:
        try:
            async with asyncio.timeout(END_SECONDS):
                status = await asyncio.shield(self._ended)
        except TimeoutError:
            return self._blame("ENGINE_CRASHED", "was stopped: the engine sent an invalid reply")
        if self._stopped:
            return CallError("UNAVAILABLE", "the run was stopped: the sidecar is shutting down")
        if status == -signal.SIGKILL:  # not by us: the kernel does that when memory runs out
            return self._blame("OUT_OF_MEMORY", "was killed, probably by the kernel because memory ran out")
        if status == frames.NO_MEMORY:
            return self._ran_out()
        return self._blame("ENGINE_CRASHED", f"crashed: the engine {_how(status)}")

    def _failure_in(self, reply: dict[str, Any], doing: str) -> CallError | None:
        """For an engine that could still report it."""
        if "bug" in reply:
            return internal(reply["bug"], doing)
        if "memory" in reply:
            return self._ran_out()
        return None

    def _ran_out(self) -> CallError:
        return self._blame("OUT_OF_MEMORY", "ran out of memory and was stopped")

    def _blame(self, rule: str, what: str) -> CallError:
        """The error for the patch that the engine was in, in the form of patchlang's own diagnostics."""
        from patchlang import rules

        patch, place = progress.read(self._noted)
        blamed = getattr(rules, rule)
        where = f"{place}: " if place else ""
        whose = f" (patch {patch})" if patch else ""
        subject = "the run" if self._loaded else "loading the patches"
        text = f"{where}error[{blamed.id} {blamed.slug}] {subject} {what}{whose}"
        return from_findings([{"rule": blamed.id, "error": True, "text": text, "help": ""}], 1)


def _how(status: int) -> str:
    return f"ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
