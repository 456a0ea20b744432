"""Runs a piece of work with a deadline. Python cannot end a thread, so one that is late is left alone and given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

MAX_GIVEN_UP = 4
"""Threads that may go on after they were given up; each may hold a document's worth of memory."""


class GivenUpError(Exception):
    """The work was not done in time, or too many earlier pieces of work still go on."""


class _Thread(Generic[T]):
    """Does one piece of work after the other; to start a thread for each takes longer than most of them."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], T] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="run", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], T], seconds: float) -> T:
        """As :meth:`Worker.run`."""
        self._work.put(work)
        try:
            result, error = self._done.get(timeout=seconds)
        except Empty:
            self._work.put(None)  # when it comes back, there is nothing more to do
            raise GivenUpError from None
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                done: tuple[T | None, BaseException | None] = (work(), None)
            except BaseException as error:
                done = (None, error)
            self._done.put(done)
            del work, done  # which would stay until the next piece comes


class Worker:
    """Runs pieces of work in a thread; one that is given up hinders no later one. Used by one caller."""

    def __init__(self) -> None:
        self._thread: _Thread[Any] = _Thread()
        self._given_up: list[_Thread[Any]] = []

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """The result of ``work``, or what it raises. Raises GivenUpError when ``seconds`` have passed."""
        self._given_up = [thread for thread in self._given_up if thread.is_alive()]
        if len(self._given_up) >= MAX_GIVEN_UP:
            raise GivenUpError
        try:
            result: T = self._thread.do(work, seconds)
            return result
        except GivenUpError:
            self._given_up.append(self._thread)
            self._thread = _Thread()
            raise
