"""Source text with positions: what every diagnostic points into."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property

from .record import field, record


@record(slots=False)
class SourceFile:
    """One file as text. ``name`` is what messages call it: a path as the user gave it, or ``<stdin>``."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        at = self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> Position:
        """The line and column, both from 1 and in characters, of the character at ``offset``."""
        line = bisect_right(self._line_starts, offset)
        return Position(line, offset - self._line_starts[line - 1] + 1)

    def start_of(self, number: int) -> int:
        """The offset of line ``number`` (from 1)."""
        return self._line_starts[number - 1]

    def line(self, number: int) -> str:
        """Line ``number`` (from 1) without its line break."""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")

    def __repr__(self) -> str:
        return f"SourceFile({self.name!r})"


@record(order=True)
class Position:
    """A place in a file: line and column from 1, in characters."""

    line: int
    column: int


@record
class Span:
    """The characters ``start`` to ``end`` (exclusive) of a file, as offsets from 0."""

    source: SourceFile
    start: int
    end: int

    @property
    def begin(self) -> Position:
        return self.source.position(self.start)

    @property
    def finish(self) -> Position:
        return self.source.position(max(self.start, self.end))

    def __str__(self) -> str:
        begin = self.begin
        return f"{self.source.name}:{begin.line}:{begin.column}"


@record
class Text:
    """A piece of text in a file; ``locate(start, end)`` gives the place of some of its characters.

    The subclasses in :mod:`patchlang.document.model` define the notation of the text.
    """

    text: str
    locate: Callable[[int, int | None], Span] = field(compare=False, repr=False)

    def span(self, start: int = 0, end: int | None = None) -> Span:
        return self.locate(start, end)

    def __str__(self) -> str:
        return self.text
