"""A progress line."""

from __future__ import annotations

import os
import time
from typing import TextIO


class Progress:
    """A line on a terminal while work takes long; it disappears when the work is done."""

    PATIENCE = 0.5
    EVERY = 0.1

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self.stream = stream
        self.wanted = not quiet and stream.isatty() and os.environ.get("TERM") != "dumb"
        self.next = time.monotonic() + self.PATIENCE
        self.shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        if self.wanted and (now := time.monotonic()) >= self.next:
            self.stream.write(f"\r\x1b[K{text}")
            self.stream.flush()
            self.next = now + self.EVERY
            self.shown = True

    def clear(self) -> None:
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.shown = False
