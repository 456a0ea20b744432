"""Text inside other files: a patch in a ConfigMap, JSON in an annotation.

Diagnostics for such text point into the file: :class:`Embedded` gives the file's name, lines and columns.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..diagnostics import Diagnostic
from ..record import record, replace
from ..source import Position, SourceFile, Span
from .scalar_offsets import offsets
from .yamltree import Scalar


@record(slots=False)
class Embedded(SourceFile):
    """``text`` is part of what ``outer`` represents; ``places`` has the outer offset of each character and the end."""

    outer: SourceFile
    places: Sequence[int]

    def position(self, offset: int) -> Position:
        return self.outer.position(self.place(offset))

    def line(self, number: int) -> str:
        return self.outer.line(number)

    def place(self, offset: int) -> int:
        """The offset in ``outer`` of the character at ``offset``."""
        return self.places[min(offset, len(self.places) - 1)]

    __repr__ = SourceFile.__repr__


@record(slots=False)
class Encoded(Embedded):
    """As Embedded, but not readable in ``outer``: all of it is at the scalar ``key`` that names it."""

    key: Span

    __repr__ = SourceFile.__repr__


def part_of(source: SourceFile, start: int, end: int) -> Embedded:
    """A slice of a file as a separate text."""
    return Embedded(source.name, source.text[start:end], source, range(start, end + 1))


def text_of(scalar: Scalar) -> Embedded:
    """The content of a scalar as a separate text."""
    source, start = scalar.span.source, scalar.span.start
    places = [start + offset for offset in offsets(scalar.text, source.text[start : scalar.span.end])]
    return Embedded(source.name, scalar.text, source, places)


def encoded(text: str, key: Span) -> Encoded:
    """The content of an encoded value, shown at its key."""
    return Encoded(key.source.name, text, key.source, [key.start], key)


def outermost(span: Span) -> Span:
    """The same place in the file itself."""
    while isinstance(span.source, Embedded):
        source = span.source
        if isinstance(source, Encoded):
            span = source.key
        else:
            start = source.place(span.start)
            span = Span(source.outer, start, max(start, source.place(span.end)))
    return span


def located(diagnostic: Diagnostic) -> Diagnostic:
    """The diagnostic with its places in files. For an encoded text, the message gives the place inside it."""
    span = diagnostic.span
    if span is None:
        return diagnostic
    related = tuple((outermost(place), f"{_inside(place)}{text}") for place, text in diagnostic.related)
    message = f"{_inside(span)}{diagnostic.message}"
    return replace(diagnostic, span=outermost(span), message=message, related=related)


def _inside(span: Span) -> str:
    """The place inside an encoded text, in words."""
    source = span.source
    if not isinstance(source, Encoded):
        return ""
    inner = SourceFile(source.name, source.text).position(span.start)
    return f"in the decoded text, line {inner.line}, column {inner.column}: "
