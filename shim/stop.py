"""Why and when the sidecar ends: a signal or the Shutdown call, both with exit status 0."""

from __future__ import annotations

import os
import queue
import signal
from types import FrameType

from .log import log

_NAMES = {
    signal.SIGTERM: "terminated",
    signal.SIGINT: "interrupt",
    signal.SIGHUP: "hangup",
    signal.SIGQUIT: "quit",
}
"""As Go writes them; KubeVirt's end-to-end tests look for the line."""


class Stop:
    """Waits for the end. ``watch`` is called in the main thread, ``request`` from any."""

    def __init__(self) -> None:
        self._reasons: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._serving = False

    def watch(self) -> None:
        """From now on a signal ends the process with status 0: at once, or once ``serving``, by ``wait``."""
        for number in _NAMES:
            signal.signal(number, self._on_signal)
        # With SIGCHLD ignored, which a child inherits, the kernel would wait for the executables in our place.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def serving(self) -> None:
        """From now on there is something to clean up before the end."""
        self._serving = True

    def request(self) -> None:
        """The Shutdown call."""
        self._reasons.put("Exiting")

    def wait(self) -> None:
        """Returns after the first signal or request, having logged it."""
        log.info("%s", self._reasons.get())

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        line = f"sidecar-shim received signal: {_NAMES[signal.Signals(number)]}"
        if not self._serving:
            log.info("%s", line)
            os._exit(0)
        self._reasons.put(line)
