"""Serves the page until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

import uvicorn

from .request import PatchText
from .server import application
from .workers import Workers

HOST = "127.0.0.1"
_LONGEST_END = 2
"""How many seconds requests have to end after Ctrl-C."""


def _has_screen() -> bool:
    """Whether there is a display for a browser; otherwise, Python might start one in the terminal and wait for it."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")))


class _Server(uvicorn.Server):
    """A server that does not wait for what the workers still do when it ends."""

    def __init__(self, config: uvicorn.Config, workers: Workers) -> None:
        super().__init__(config)
        self._workers = workers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._workers.end()
        super().handle_exit(sig, frame)


def serve(patches: Sequence[PatchText], say: Callable[[str], None], *, open_browser: bool) -> None:
    """Serve until a signal ends it. ``say`` gets only the URL. Raises OSError if no port is free."""
    token = secrets.token_urlsafe(32)
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        url = f"http://{HOST}:{port}/?token={token}"
        workers = Workers()
        config = uvicorn.Config(
            application(token, port, patches, workers),
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_LONGEST_END,
        )
        say(url)
        if open_browser and _has_screen():
            with suppress(webbrowser.Error, OSError):
                webbrowser.open(url)
        with suppress(KeyboardInterrupt):
            _Server(config, workers).run(sockets=[listener])
