"""The log: one JSON object a line on standard error, with the keys of KubeVirt's own (client-go/log/log.go).

What may stand in it: names and places of patches, counts, sizes, times, the texts of diagnostics, and the standard
error of executables. No value of a VMI or of cloud-init data, of a domain only those that the predicate of a path
compares, and no message of an exception that is not ours (docs/reliability.md, "Secrets and logs").
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
from types import TracebackType

COMPONENT = "shim-sidecar"
MAX_MESSAGE = 8192
"""Characters of one message; container runtimes cut lines at 16 KiB."""

PATIENCE_MS = 300
"""How long a line waits for a full pipe before it is dropped; virt-launcher gives Info a second."""

log = logging.getLogger("shim")

_LEVELS = {logging.CRITICAL: "fatal", logging.ERROR: "error", logging.WARNING: "warning", logging.INFO: "info"}


class JsonFormatter(logging.Formatter):
    """A record as one line. Only our own messages are shown; of all others their logger and place."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == log.name:
            message = record.getMessage()
        else:
            message = f"{record.name} reports something (its text is left out, it may hold data)"
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
        return json.dumps(line, separators=(",", ":"))


class StderrHandler(logging.Handler):
    """Writes each line to descriptor 2. A log that cannot be written, or that nobody reads, never stops the work."""

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.poll()
        self._poll.register(2, select.POLLOUT)
        self._patience = PATIENCE_MS
        self._before = b""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("ascii")
            data = self._before + line
            while data:
                if not self._poll.poll(self._patience):
                    self._patience = 0  # until somebody reads again
                    self._before = b"\n" if len(data) < len(line) else self._before
                    return
                # a pipe that takes anything takes as much as this without waiting
                data = data[os.write(2, data[: select.PIPE_BUF]) :]
            self._patience, self._before = PATIENCE_MS, b""
        except Exception:  # noqa: S110 - there is no other place to say it
            pass


class _Withheld(io.TextIOBase):
    """In place of ``sys.stderr``: what libraries print there, tracebacks with messages among it, may hold data."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "\n" in text:
            log.warning("a library writes to standard error (its text is left out, it may hold data)")
        return len(text)


def set_up() -> None:
    """Makes every logger of the process, ours and the libraries', and every lost exception write such lines."""
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [StderrHandler()]
    root.handlers[0].setFormatter(JsonFormatter())
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)
    sys.stderr = _Withheld()
    sys.excepthook = _uncaught
    sys.unraisablehook = _uncaught_where_none_can_be
    threading.excepthook = _uncaught_in_thread


def places(error: BaseException) -> str:
    """What kind of exception came from where in the code, its causes included; none of their messages."""
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
        log.critical("uncaught, in what cannot fail: %s", places(arguments.exc_value))
