"""What each call logs, checks, limits and returns, for any version of the protocol and any backend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from .backends import Backend, Outcome
from .log import log, places
from .status import CallError, internal
from .text import one_line

ON_DEFINE_DOMAIN = "OnDefineDomain"
PRE_CLOUD_INIT_ISO = "PreCloudInitIso"
MUTATE_DOMAIN = "MutateDomain"

DOMAIN_TYPE = "libvirt"
"""The only ``domain_type`` that KubeVirt sends (pkg/virt-launcher/virtwrap/plugins)."""


MUCH = 1024 * 1024
"""Bytes of messages, which take several times as much while they arrive."""
ALONE = 0.2
"""Seconds that a call has to send its message before another one may send concurrently."""


class Limits(NamedTuple):
    """Seconds, and numbers of calls.

    virt-launcher gives up after 60 s, and after 30 for MutateDomain. It sends the message with the call; the time for
    sending starts when the call may send, and is ``hurried`` while others wait.
    """

    callback: float = 50.0
    mutate: float = 25.0
    message: float = 10.0
    hurried: float = 2.0
    waiting: int = 64
    reading: int = 2


class Request(NamedTuple):
    """The input of a call: the domain and the VMI, or both cloud-init documents and the VMI."""

    documents: list[bytes]
    domain_type: str = DOMAIN_TYPE


class Calls:
    """Admits calls: a few to send their messages and one to run, while the others wait for their turn.

    Waiting calls are limited in number (``Limits.waiting``) and memory: gRPC leaves a message in the caller's socket
    until it is read here, and only ``Limits.reading`` calls read, each of which then waits for its turn; none reads
    next to a message of ``MUCH``. With ``audit`` everything runs as without, but the input is returned in any case.
    """

    def __init__(self, backend: Backend, limits: Limits, audit: bool) -> None:
        self._backend = backend
        self._limits = limits
        self._audit = audit
        self._loop = asyncio.get_running_loop()
        self._reading = asyncio.Semaphore(limits.reading)
        self._turn = asyncio.Lock()
        self._alone = asyncio.Lock()
        self._has_room = asyncio.Event()
        self._held = 0
        self._hold(0)
        self._here = 0
        self._queued = 0
        self._patience: dict[asyncio.Timeout, float] = {}

    async def answer(
        self, name: str, seconds_left: float | None, receive: Callable[[], Awaitable[Request]]
    ) -> list[bytes]:
        """The documents of the response to the callback ``name``; ``receive`` returns its input.

        ``seconds_left`` is how long the caller waits, None if unknown. Raises CallError, logged. A caller
        that leaves before its turn cancels this; once it runs, a call runs to its end.
        """
        until = None if seconds_left is None else self._loop.time() + seconds_left
        log.info("%s method has been called", name)
        try:
            if self._here >= self._limits.waiting:
                raise CallError("RESOURCE_EXHAUSTED", f"{self._here} other calls are already waiting")
            self._here += 1
            try:
                answer = await self._in_turn(name, until, receive)
            finally:
                self._here -= 1
        except CallError as error:
            answer = _failed(name, error)
        if isinstance(answer, CallError):
            raise answer
        return answer

    async def _in_turn(
        self, name: str, until: float | None, receive: Callable[[], Awaitable[Request]]
    ) -> list[bytes] | CallError:
        self._queued += 1
        try:
            if self._reading.locked():
                self._hurry()
            await self._reading.acquire()
        finally:
            self._queued -= 1
        try:
            request = await self._message(receive)
            size = sum(map(len, request.documents))
            self._hold(size)
            try:
                await self._turn.acquire()
            except BaseException:
                self._hold(-size)
                raise
        finally:
            self._reading.release()

        def ended(task: asyncio.Task[list[bytes] | CallError]) -> None:
            self._hold(-size)
            self._turn.release()
            if not task.cancelled():
                task.exception()  # if the caller is gone, nobody else asks for it

        task = self._loop.create_task(self._run(name, until, request))
        task.add_done_callback(ended)
        del request
        return await asyncio.shield(task)

    def _hold(self, size: int) -> None:
        """Counts the bytes of messages in memory; next to a large one, no other is admitted."""
        self._held += size
        if self._held > MUCH:
            self._has_room.clear()
        else:
            self._has_room.set()

    async def _message(self, receive: Callable[[], Awaitable[Request]]) -> Request:
        await self._alone.acquire()  # of two large ones, the second waits for room
        is_alone = True

        def not_alone() -> None:
            nonlocal is_alone
            if is_alone:
                is_alone = False
                self._alone.release()

        try:
            await self._has_room.wait()
            timer = self._loop.call_later(ALONE, not_alone)
            try:
                return await self._patient(receive)
            finally:
                timer.cancel()
        finally:
            not_alone()

    async def _patient(self, receive: Callable[[], Awaitable[Request]]) -> Request:
        started = self._loop.time()
        try:
            async with asyncio.timeout(self._limits.message) as patience:
                self._patience[patience] = started
                try:
                    self._hurry()
                    return await receive()
                finally:
                    del self._patience[patience]
        except TimeoutError:
            waited = self._loop.time() - started
            text = f"the call's message did not arrive within {waited:.2g} s"
            raise CallError("DEADLINE_EXCEEDED", text) from None

    def _hurry(self) -> None:
        """While others wait to send their messages, nobody gets long."""
        if self._queued:
            for patience, started in self._patience.items():
                if not patience.expired():
                    patience.reschedule(started + self._limits.hurried)

    async def _run(self, name: str, until: float | None, request: Request) -> list[bytes] | CallError:
        """Returns an error, which would keep its task and the call's documents in a cycle if it were raised."""
        started = self._loop.time()
        seconds = self._limits.mutate if name == MUTATE_DOMAIN else self._limits.callback
        if until is not None:
            left = until - started
            # less than the caller waits, so that the caller learns which patch was late
            seconds = min(seconds, left - min(2.0, left / 10))
        count = len(request.documents) - 1
        came = request.documents[:count] if self._audit else []
        try:
            if seconds <= 0:
                raise CallError("DEADLINE_EXCEEDED", "the caller's deadline passed while the call was waiting")
            outcome = await self._work(name, request, seconds)
        except CallError as error:
            if not self._audit:
                return _failed(name, error)
            log.error("audit: %s would fail: %s: %s", name, error.code, error.text)
            return came
        except Exception as error:
            failure = internal(places(error), name)
            return came if self._audit else _failed(name, failure)
        took = (self._loop.time() - started) * 1000
        what = "changed" if outcome.changed else "unchanged"
        if self._audit:
            log.info("audit: %s would be answered after %.1f ms: %s; returning the input unchanged", name, took, what)
            return came
        log.info("%s answered after %.1f ms: %s", name, took, what)
        return outcome.results

    async def _work(self, name: str, request: Request, seconds: float) -> Outcome:
        if request.domain_type != DOMAIN_TYPE:
            kind = one_line(request.domain_type)[:40]
            raise CallError("INVALID_ARGUMENT", f"domain_type is `{kind}`, but only `{DOMAIN_TYPE}` can be patched")
        if name == PRE_CLOUD_INIT_ISO:
            return await self._backend.pre_cloud_init(request.documents, seconds)
        return await self._backend.define_domain(request.documents, seconds)


def _failed(name: str, error: CallError) -> CallError:
    """Logs it, whether or not anyone still waits; the returned error has no frames, which hold the call's documents."""
    log.error("%s failed: %s: %s", name, error.code, error.text)
    return CallError(error.code, error.text)
