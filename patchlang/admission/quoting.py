"""Texts as literals of CEL, in expressions that people are to read."""

from __future__ import annotations

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """A text as CEL's literal in single quotes, since JSON is full of double ones."""
    return "'" + "".join(_escaped(character) for character in text) + "'"


def in_lines(text: str, indent: str) -> str:
    """A text as literals that are joined, one for each line of it."""
    return f" +\n{indent}".join(quoted(line) for line in text.splitlines(keepends=True)) or "''"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
