"""Text as CEL literals, in expressions that people read."""

from __future__ import annotations

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """Text as a CEL literal in single quotes, since JSON is full of double quotes."""
    return "'" + "".join(_escaped(character) for character in text) + "'"


def in_lines(text: str, indent: str) -> str:
    """Text as concatenated literals, one per line."""
    return f" +\n{indent}".join(quoted(line) for line in text.splitlines(keepends=True)) or "''"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
