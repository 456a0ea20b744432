"""The worker processes, as the server sees them: started at the first request, and again when one has ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from http import HTTPStatus

from .answers import refusal

TIME_LIMIT = 20.0
"""How many seconds one answer may take."""
_ENDING = 5.0
"""Seconds that a process may take to end once it has closed its output. A signal sent sooner could lose its status."""

_OVER = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the playground has ended: start it again")


class Worker:
    """One process, which answers one request after another."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._is_over = False

    async def ask(self, name: str, body: bytes) -> tuple[int, bytes]:
        """The status and the JSON of an answer. If the process ends before it answers, they say so."""
        async with self._turn:
            try:
                return await self._ask(name, body) if not self._is_over else _OVER
            except (asyncio.IncompleteReadError, OSError, ValueError):
                return await self._ended()
            except asyncio.CancelledError:
                await self.stop()  # otherwise, it would answer the next request with this answer
                raise

    def end(self) -> None:
        """Give up the answer that is being worked on, and all that follow. May be called in a signal handler."""
        self._is_over = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)  # not its own `kill`, which could take its status away

    async def stop(self) -> None:
        """Stop the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    async def _ask(self, name: str, body: bytes) -> tuple[int, bytes]:
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name} {len(body)}\n".encode() + body)
        await process.stdin.drain()
        status, size = (await process.stdout.readuntil(b"\n")).split()
        return int(status), await process.stdout.readexactly(int(size))

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-m", f"{__package__}.worker", str(self._seconds)]
        self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        return self._process

    async def _ended(self) -> tuple[int, bytes]:
        process = self._process
        if process is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _ENDING)
        await self.stop()
        if self._is_over:
            return _OVER
        if process is not None and process.returncode == -signal.SIGALRM:
            message = f"this takes longer than {self._seconds:g} seconds: try a smaller input or a simpler expression"
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, message)
        message = "the process that answers has ended, perhaps for lack of memory; the next try starts another"
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, message)


class Workers:
    """One process for runs, one for boots, and one for completion: none of them waits for another."""

    _QUICK = frozenset({"complete", "hover", "rule", "sample", "samples"})

    def __init__(self, seconds: float = TIME_LIMIT) -> None:
        self._runs, self._replays, self._quick = Worker(seconds), Worker(seconds), Worker(seconds)

    async def ask(self, name: str, body: bytes) -> tuple[int, bytes]:
        """The status and the JSON of an answer."""
        if name in self._QUICK:
            return await self._quick.ask(name, body)
        return await (self._replays if name == "replay" else self._runs).ask(name, body)

    def end(self) -> None:
        """Give up all answers."""
        for worker in (self._runs, self._replays, self._quick):
            worker.end()

    async def stop(self) -> None:
        """Stop all of them."""
        for worker in (self._runs, self._replays, self._quick):
            await worker.stop()
