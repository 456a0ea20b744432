"""A command and its terminal: standard input, colors, the exit status."""

from __future__ import annotations

import os
import sys

import click

from .status import FINDINGS


class Failed(click.exceptions.Exit):
    """Ends a command with a status, after its problem has been reported."""

    def __init__(self, status: int = FINDINGS) -> None:
        super().__init__(status)


def read_stdin(limit: int = -1) -> bytes:
    return sys.stdin.buffer.read(limit)


def wants_colour(stream: object) -> bool:
    """On a terminal; never with ``NO_COLOR`` (no-color.org), else always with ``FORCE_COLOR`` (force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and bool(getattr(stream, "isatty", lambda: False)())
