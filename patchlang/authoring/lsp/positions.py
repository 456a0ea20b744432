"""Positions in a text as the Language Server Protocol counts them: lines from 0, and code units in a line."""

from __future__ import annotations

from bisect import bisect_right

from ...patterns import pattern
from ...record import record

# section "Text Documents" of the specification: only these three end a line
_LINE_END = pattern(r"\r\n|\n|\r")
UTF_8, UTF_16, UTF_32 = "utf-8", "utf-16", "utf-32"
_CODECS = {UTF_8: ("utf-8", 1), UTF_16: ("utf-16-le", 2)}


@record(order=True)
class Point:
    """A line and a character, both from 0."""

    line: int
    character: int


@record
class Range:
    """From one point to another."""

    start: Point
    end: Point

    def touches(self, other: Range) -> bool:
        """Whether they overlap or touch."""
        return self.start <= other.end and other.start <= self.end


class Lines:
    """A text by its lines, for a client that counts in units of ``encoding``."""

    def __init__(self, text: str, encoding: str = UTF_16) -> None:
        self.text = text
        self.encoding = encoding
        ends = list(_LINE_END.finditer(text))
        self._starts = [0, *(end.end() for end in ends)]
        self._ends = [*(end.start() for end in ends), len(text)]

    def offset(self, point: Point) -> int:
        """The offset of a point; if there is no such point, the offset of the nearest one before it."""
        if point.line < 0:
            return 0
        if point.line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[point.line], self._ends[point.line]
        wanted = max(0, point.character)
        if self.encoding == UTF_32 or self.text[start:end].isascii():
            return min(start + wanted, end)
        return start + self._characters(self.text[start:end], wanted)

    def point(self, offset: int) -> Point:
        """The point of an offset."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._starts, offset) - 1
        return Point(line, self._units(self.text[self._starts[line] : min(offset, self._ends[line])]))

    def range(self, start: int, end: int) -> Range:
        """From one offset to another."""
        return Range(self.point(start), self.point(max(start, end)))

    def _units(self, text: str) -> int:
        if self.encoding == UTF_32 or text.isascii():
            return len(text)
        codec, size = _CODECS[self.encoding]
        return len(text.encode(codec, "surrogatepass")) // size

    def _characters(self, line: str, units: int) -> int:
        """How many characters of a line take this many units, or slightly fewer."""
        taken = 0
        for number, character in enumerate(line):
            taken += self._units(character)
            if taken > units:
                return number
        return len(line)
