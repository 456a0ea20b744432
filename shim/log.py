"""The log: one JSON object per line on standard error, with the keys of KubeVirt's own (client-go/log/log.go).

It may contain: names and places of patches, counts, sizes, times, the texts of diagnostics, and the standard
error of executables. It contains no value of a VMI or of cloud-init data, of a domain only those that the predicate
of a path compares, and no message of an exception that is not ours (docs/reliability.md, "Secrets and logs").
"""

from __future__ import annotations

import io
import json
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

COMPONENT = "shim-sidecar"
MAX_MESSAGE = 8192
"""Characters of one message; container runtimes split lines at 16 KiB."""

MAX_HELD = 256 * 1024
"""Bytes of lines that wait for room in a full pipe; further lines are dropped."""
PATIENCE = 0.3
"""Seconds that the last lines wait for room when the process ends."""

log = logging.getLogger("shim")

_encode = json.JSONEncoder(separators=(",", ":")).encode

_LEVELS = {
    logging.CRITICAL: "fatal",
    logging.ERROR: "error",
    logging.WARNING: "warning",
    logging.INFO: "info",
    logging.DEBUG: "debug",
}
LEVELS = {name: level for level, name in _LEVELS.items() if name != "fatal"}
"""The values of ``--log-level``."""


class JsonFormatter(logging.Formatter):
    """A record as one line. Only our own messages are shown; for all others, their logger and place."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == log.name:
            message = record.getMessage()
        else:
            message = f"{record.name} logged something (text omitted, since it may contain data)"
        if record.exc_info and record.exc_info[1] is not None:
            message += f": {places(record.exc_info[1])}"
        if len(message) > MAX_MESSAGE:
            message = message[:MAX_MESSAGE] + "…"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "component": COMPONENT,
            "level": _LEVELS.get(record.levelno, "info"),
            "msg": message,
            "pos": f"{record.filename}:{record.lineno}",
            "timestamp": f"{stamp}.{int(record.created % 1 * 1_000_000):06d}Z",
        }
        return _encode(line)


class StderrHandler(logging.Handler):
    """Writes lines to descriptor 2. A log that cannot be written, or that nothing reads, never blocks the work.

    Lines without room wait, up to ``MAX_HELD`` bytes of them; ``on_wait`` is called when the first one does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.poll()
        self._poll.register(2, select.POLLOUT)
        self._held = bytearray()
        self._dropped = 0
        self.on_wait: Callable[[], None] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("ascii")
            if len(self._held) + len(line) > MAX_HELD:
                self._dropped += 1
                return
            self._held += line
            if not self.write():
                self.on_wait()
        except Exception:  # noqa: S110 - there is nowhere else to report it
            pass

    def write(self, patience: float = 0.0) -> bool:
        """Writes waiting lines, as far as there is room within ``patience`` seconds; returns whether all were."""
        while self._held:
            if not self._poll.poll(patience * 1000):
                return False
            try:
                # a pipe that has room takes this much without waiting
                del self._held[: os.write(2, self._held[: select.PIPE_BUF])]
            except OSError:
                self._held.clear()  # a full disk, or a reader that is gone: the lines are lost
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            log.warning("%d lines were dropped, because nothing read the log", dropped)
        return True


def flush() -> None:
    """At the end: gives the last lines a moment to get out."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, StderrHandler):
            handler.write(PATIENCE)


class _Withheld(io.TextIOBase):
    """Replaces ``sys.stderr``: what libraries print there, such as tracebacks with messages, may contain data."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "\n" in text:
            log.warning("a library wrote to standard error (text omitted, since it may contain data)")
        return len(text)


def set_up() -> StderrHandler:
    """Makes every logger of the process, ours and the libraries', and every uncaught exception write such lines."""
    logging.raiseExceptions = False
    # skips work for what no line shows
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter())
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)
    sys.stderr = _Withheld()
    sys.excepthook = _uncaught
    sys.unraisablehook = _uncaught_where_none_can_be
    threading.excepthook = _uncaught_in_thread
    return handler


def places(error: BaseException) -> str:
    """The kind of an exception and its place in the code, with its causes, but without their messages."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(parts) < 5:
        seen.add(id(current))
        parts.append(f"{type(current).__name__} at {_frames(current.__traceback__)}")
        current = current.__cause__ or current.__context__
    return ", after ".join(parts)


def _frames(traceback: TracebackType | None) -> str:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{os.path.basename(code.co_filename)}:{traceback.tb_lineno} ({code.co_name})")
        traceback = traceback.tb_next
    return " < ".join(reversed(frames[-12:])) or "no place"


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    log.critical("uncaught: %s", places(error))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        log.critical("uncaught in a thread: %s", places(arguments.exc_value))


def _uncaught_where_none_can_be(arguments: sys.UnraisableHookArgs) -> None:
    if arguments.exc_value is not None:
        log.critical("uncaught, in code that cannot fail: %s", places(arguments.exc_value))
