"""Unified diffs of domains and of cloud-init data, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff

from .render import painted

_COLOURS = {"+": "32", "-": "31", "@": "36"}


def diff(before: bytes, after: bytes, old: str, new: str) -> str:
    """A unified diff, empty if there is no difference; ``old`` and ``new`` name the two.

    Cloud-init data is shown field by field, and its texts line by line, as long as that shows a difference.
    """
    for view in (_fields, _lines):
        lines = list(unified_diff(view(before), view(after), old, new))
        if lines:
            return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return ""


def legible(text: str) -> str:
    """A diff with escapes for everything, except tabs and line feeds, that terminals obey and XML cannot hold."""
    return "".join(c if c.isprintable() or c in "\t\n" else f"\\u{ord(c):04x}" for c in text.replace("\r\n", "\n"))


def for_terminal(text: str) -> str:
    """A legible diff in color."""
    return "".join(f"{_painted(line)}\n" for line in legible(text).split("\n")[:-1])


def _painted(line: str) -> str:
    code = _COLOURS.get(line[:1])
    return painted(line, code) if code else line


def _lines(data: bytes) -> list[str]:
    """The lines with their ends; only a line feed ends a line."""
    *lines, last = data.decode(errors="surrogateescape").split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _fields(data: bytes) -> list[str]:
    if not data.startswith(b"{"):
        return _lines(data)
    try:
        return list(_members(json.loads(data), ""))
    except (ValueError, RecursionError):
        return _lines(data)


def _members(value: dict[str, object], indent: str) -> Iterator[str]:
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield f"{indent}{name}:\n"
            yield from _members(item, indent + "  ")
        elif isinstance(item, str) and "\n" in item:
            yield f"{indent}{name}: |\n" if item.endswith("\n") else f"{indent}{name}: |-\n"
            yield from (f"{indent}  {line}\n" for line in item.removesuffix("\n").split("\n"))
        else:
            yield f"{indent}{name}: {json.dumps(item, ensure_ascii=False)}\n"
