"""Why and when the sidecar ends: a signal or the Shutdown call, both with exit status 0."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from .log import flush, log

if TYPE_CHECKING:
    import asyncio

_NAMES = {
    signal.SIGTERM: "terminated",
    signal.SIGINT: "interrupt",
    signal.SIGHUP: "hangup",
    signal.SIGQUIT: "quit",
}
"""As Go writes them; KubeVirt's end-to-end tests look for the line."""


class Stop:
    """The end of the process: immediate while it starts, orderly once the event loop runs."""

    def __init__(self) -> None:
        self._at_once: Callable[[], None] = lambda: None
        self._asked: asyncio.Future[str] | None = None

    def watch(self) -> None:
        """From now on a signal ends the process with status 0."""
        for number in _NAMES:
            signal.signal(number, self._on_early_signal)
        # With SIGCHLD ignored, which a child inherits, the kernel would wait for children in our place.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def before(self, at_once: Callable[[], None]) -> None:
        """``at_once`` is what an early end still does."""
        self._at_once = at_once

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on the event loop handles the signals, and ``wait`` reports them."""
        self._asked = loop.create_future()
        for number in _NAMES:
            loop.add_signal_handler(number, self._ask, f"sidecar-shim received signal: {_NAMES[number]}")

    def request(self) -> None:
        """The Shutdown call."""
        self._ask("Exiting")

    async def wait(self) -> None:
        """Returns after the first signal or request, having logged it."""
        import asyncio

        assert self._asked is not None
        log.info("%s", await asyncio.shield(self._asked))

    def _ask(self, reason: str) -> None:
        assert self._asked is not None
        if not self._asked.done():
            self._asked.set_result(reason)

    def _on_early_signal(self, number: int, frame: FrameType | None) -> None:
        log.info("sidecar-shim received signal: %s", _NAMES[signal.Signals(number)])
        self._at_once()
        flush()
        os._exit(0)
