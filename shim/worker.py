"""Runs a piece of work with a deadline. Python cannot end a thread, so one that is late is left alone and given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_GIVEN_UP = 4
"""Threads that may go on after they were given up; each may hold a document's worth of memory."""


class GivenUpError(Exception):
    """The work was not done in time, or too many earlier pieces of work still go on."""


class _Piece(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.result: T | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._do, name="run", daemon=True)

    def _do(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error


class Worker:
    """Each piece of work has a thread of its own, so that one given up hinders no later one. Used by one caller."""

    def __init__(self) -> None:
        self._given_up: list[threading.Thread] = []

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """The result of ``work``, or what it raises. Raises GivenUpError when ``seconds`` have passed."""
        self._given_up = [thread for thread in self._given_up if thread.is_alive()]
        if len(self._given_up) >= MAX_GIVEN_UP:
            raise GivenUpError
        piece = _Piece(work)
        piece.thread.start()
        piece.thread.join(seconds)
        if piece.thread.is_alive():
            self._given_up.append(piece.thread)
            raise GivenUpError
        if piece.error is not None:
            raise piece.error
        return piece.result  # type: ignore[return-value]
