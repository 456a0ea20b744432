"""Text for people to read in one line: in a log, a status, an event."""

from __future__ import annotations

import unicodedata

MAX_TEXT = 1000
"""Bytes of UTF-8 in a status text; it travels as an HTTP/2 header."""

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def one_line(text: str) -> str:
    """``text`` with control, format and line-separating characters escaped."""
    return "".join(_escaped(c) if unicodedata.category(c) in _UNSEEN else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def bounded(text: str, limit: int = MAX_TEXT) -> str:
    """``text`` cut at a character boundary to at most ``limit`` bytes of UTF-8, with an ellipsis if it was cut."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return text
    return data[: limit - 3].decode("utf-8", "ignore") + "…"
