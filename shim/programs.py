"""Runs one program in the event loop, drains its output, and kills it with everything it started when it is late.

The program gets its own session. No ``preexec_fn``: gRPC's threads and Python code between fork and exec block
each other. Its standard error goes to the log line by line, with a limit; the end of it is kept for the caller. It is
the program's own text: its author decides what it contains.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NamedTuple

from patchlang.executables import MAX_OUTPUT, MAX_TAIL, last_words

from .children import Children
from .log import log
from .status import Code

MAX_LINE = 4096
MAX_LOGGED = 256 * 1024

_READ = 16 * 1024
_MAX_PIPE = 1024 * 1024
"""Maximum bytes in a pipe (fs.pipe-max-size)."""


class ProgramError(Exception):
    """The program started but gave no result; the text continues after the program's name."""

    def __init__(self, text: str, code: Code = "FAILED_PRECONDITION") -> None:
        super().__init__(text)
        self.code = code


class Ended(NamedTuple):
    """A program that exited by itself: exit status (negative: the signal), its output, and its last words."""

    status: int
    output: bytes
    last_words: str


class StandardError:
    """Reads a program's standard error as it arrives, logs it by lines, and keeps the end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._line = bytearray()
        self._cut = False
        self._logged = 0
        self._tail = bytearray()

    def take(self, data: bytes) -> None:
        self._tail += data
        del self._tail[: -2 * MAX_TAIL]
        if self._logged > MAX_LOGGED:
            return
        for piece in data.splitlines(keepends=True):
            room = MAX_LINE - len(self._line)
            self._cut = self._cut or len(piece.rstrip(b"\r\n")) > room
            self._line += piece[:room]
            if piece.endswith((b"\n", b"\r")):
                self._emit()

    def close(self) -> None:
        if self._line:
            self._emit()

    def _emit(self) -> None:
        text = self._line.rstrip(b"\r\n").decode("utf-8", "replace") + (" … (line cut)" if self._cut else "")
        if self._logged <= MAX_LOGGED:
            self._logged += len(self._line) + 1
            if text:
                self._logged += 100  # about what the rest of a log line takes
                log.info("%s: %s", self.name, text)
            if self._logged > MAX_LOGGED:
                log.warning("%s: the rest of its standard error is not logged", self.name)
        self._line.clear()
        self._cut = False

    @property
    def last_words(self) -> str:
        """The end of it for an error message."""
        return last_words(bytes(self._tail))


class Programs:
    """Runs programs, one at a time. ``engine`` tells which processes are not theirs."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, children: Children, engine: Callable[[], frozenset[int]]
    ) -> None:
        self._loop = loop
        self._children = children
        self._engine = engine
        self._stopped = loop.create_future()
        children.adopt_orphans()

    async def run(self, path: str, words: Sequence[bytes], seconds: float, environment: Mapping[bytes, bytes]) -> Ended:
        """Runs ``path`` with ``words`` as its arguments, the name first.

        The result is ready when the program has exited and its standard output has ended, whoever holds it. Raises
        OSError if it cannot be started, ProgramError if it is not done in ``seconds``, prints more than
        ``MAX_OUTPUT`` bytes, or the sidecar is shutting down.
        """
        name = words[0].decode("utf-8", "replace")
        if self._stopped.done():
            raise ProgramError("did not run: the sidecar is shutting down", "UNAVAILABLE")
        log.info("Executing %s", name)
        others = self._children.alive()
        process = subprocess.Popen(  # noqa: S603 - the user's own program, without a shell
            list(words),
            executable=path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
        ended = self._children.ended(process.pid)
        process.returncode = 0  # we wait for it, not this object
        assert process.stdout is not None
        assert process.stderr is not None
        output, said = bytearray(), StandardError(name)
        printed, too_much = self._loop.create_future(), self._loop.create_future()

        def take(data: bytes) -> None:
            output.extend(data)
            if len(output) > MAX_OUTPUT and not too_much.done():
                too_much.set_result(None)

        out = _Drain(self._loop, process.stdout, take, lambda: printed.set_result(None))
        errors = _Drain(self._loop, process.stderr, said.take, said.close)
        try:
            await self._until_done({printed, ended}, too_much, seconds)
            status = await ended
        except BaseException as failure:
            out.close()
            await self._children.end_all(but=others | self._engine())
            errors.drain()
            errors.close()
            if isinstance(failure, TimeoutError):
                raise ProgramError(f"did not finish within {seconds:.2g} s and was killed; {said.last_words}") from None
            raise
        finally:
            out.close()
        errors.drain()  # a surviving child may keep it open, and is still read
        said.close()
        return Ended(status, bytes(output), said.last_words)

    async def _until_done(
        self, pending: set[asyncio.Future[Any]], too_much: asyncio.Future[None], seconds: float
    ) -> None:
        """Waits until all of ``pending`` are. Raises TimeoutError, ProgramError."""
        until = self._loop.time() + seconds
        while pending := {future for future in pending if not future.done()}:
            left = until - self._loop.time()
            futures = [*pending, too_much, self._stopped]
            done, _ = await asyncio.wait(futures, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if too_much in done:
                raise ProgramError(f"printed more than {MAX_OUTPUT} bytes and was killed")
            if self._stopped in done:
                raise ProgramError("was killed: the sidecar is shutting down", "UNAVAILABLE")
            if not done:
                raise TimeoutError

    def stop(self) -> None:
        """Kills the running program, with everything it started, and lets no other one start."""
        if not self._stopped.done():
            self._stopped.set_result(None)


class _Drain:
    """Reads a pipe as data comes, to its end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pipe: IO[bytes],
        take: Callable[[bytes], None],
        at_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._descriptor: int | None = pipe.fileno()
        self._pipe = pipe
        self._take = take
        self._at_end = at_end
        os.set_blocking(pipe.fileno(), False)
        loop.add_reader(self._descriptor, self._read)

    def drain(self) -> None:
        """Reads what is there now; a writer may continue, faster than this reads."""
        for _ in range(_MAX_PIPE // _READ):
            if self._descriptor is None or not self._read():
                return

    def close(self) -> None:
        """Stops reading."""
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = None
            self._pipe.close()

    def _read(self) -> bool:
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, _READ)
        except BlockingIOError:
            return False
        if data:
            self._take(data)
        else:
            self._at_end()
            self.close()
        return bool(data)
