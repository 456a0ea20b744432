"""Objects from YAML: documents, and the items of a List as ``kubectl`` writes it, one by one.

libyaml parses them, which is thirty times slower than JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from ..extract import text_timestamps
from ..patterns import pattern
from .jsonstream import Found

_MARK = pattern(rb"(?:---|\.\.\.)(?=[ \t\r\n]|\Z)")
_ITEM = pattern(rb" *- ")
_KEY = pattern(rb"[A-Za-z'\"{]")


class NotYamlError(Exception):
    """The text is not YAML: what is wrong, and the line and column."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def objects(file: BinaryIO) -> Iterator[Found]:
    """The documents of the file, with Lists replaced by their items. Raises NotYamlError."""
    for start, line, chunk in _chunks(file):
        for value in _read(chunk, line):
            found = value[0] if isinstance(value, list) and len(value) == 1 else value
            if isinstance(found, dict) and str(found.get("kind", "")).endswith("List") and "items" in found:
                items = found["items"] or []
                yield from (Found(item, start, len(chunk), line, 1) for item in items)
            elif found is not None:
                yield Found(found, start, len(chunk), line, 1)


def _chunks(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Pieces of valid YAML, with their offset and line: documents, with Lists replaced by their items."""
    pieces = _Pieces()
    for line in file:
        yield from pieces.add(line)
    yield from pieces.end()


class _Pieces:
    """Splits lines into pieces. ``item`` is how an item of a List starts; None outside one, empty before the first.

    What a List says about itself, around the items, is omitted.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.start = self.first = 0
        self.offset = self.number = 0
        self.item: bytes | None = None

    def add(self, line: bytes) -> Iterator[tuple[int, int, bytes]]:
        self.number += 1
        if _MARK.match(line):
            yield from self.end()
            self.item = None
        elif self.item is None:
            if line.rstrip() == b"items:":
                self.lines, self.item = [], b""
        elif not self.item and (found := _ITEM.match(line)):
            self.item = found[0]
            self.lines = []
        elif self.item and (line.startswith(self.item) or _KEY.match(line)):
            yield from self.end()
        if not self.lines:
            self.start, self.first = self.offset, self.number
        self.lines.append(line)
        self.offset += len(line)

    def end(self) -> Iterator[tuple[int, int, bytes]]:
        text, self.lines = b"".join(self.lines), []
        if text.strip() and (not self.item or text.startswith(self.item)):
            yield self.start, self.first, text


def _read(chunk: bytes, line: int) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.load_all(chunk, Loader=text_timestamps())
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        mark = getattr(e, "problem_mark", None)
        place = (line + mark.line, mark.column + 1) if mark else (line, 1)
        problem = getattr(e, "problem", None) or "it cannot be read"
        raise NotYamlError(str(problem), *place) from None
