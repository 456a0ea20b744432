"""Diagnostics for a terminal: place, rule, the source line with a caret, and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from .diagnostics import Diagnostic, Severity
from .source import Span

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.ADVICE: "36"}
_WIDTH = 160


def printable(text: str) -> str:
    """On one line, without anything that a terminal would obey: control and bidirectional characters are escaped."""
    return "".join(
        c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}"
        for c in text.replace("\t", " ")
    )


def render(diagnostics: Iterable[Diagnostic], *, colour: bool = False, excerpt: bool = True) -> str:
    """Diagnostics as text, each with its source line (``excerpt``) and help, ending in a line feed."""
    return "".join(f"{block}\n" for d in diagnostics for block in _block(d, colour, excerpt))


def _block(d: Diagnostic, colour: bool, excerpt: bool) -> Iterable[str]:
    place = f"{printable(str(d.span))}: " if d.span else ""
    head = f"{d.severity.value}[{d.rule.id} {d.rule.slug}]"
    yield f"{place}{painted(head, _COLOURS[d.severity], colour)} {printable(d.message + d.origin)}"
    if d.span and excerpt:
        yield from _excerpt(d.span, colour)
    for span, text in d.related:
        yield f"  {printable(str(span))}: {printable(text)}"
    if d.help:
        yield f"  {painted('help:', '32', colour)} {printable(d.help)}"


def _excerpt(span: Span, colour: bool) -> Iterable[str]:
    begin, finish = span.begin, span.finish
    line = span.source.line(begin.line)
    if not line.strip():
        return
    last = finish.column if finish.line == begin.line else len(line) + 1
    cut = max(0, min(begin.column - 1 - _WIDTH // 2, len(line) - _WIDTH))
    shown = printable(line[cut : cut + _WIDTH])
    gutter = str(begin.line)
    before = _width(printable(line[cut : begin.column - 1]))
    length = max(1, min(_width(printable(line[begin.column - 1 : last - 1])), _width(shown) - before))
    yield f"  {gutter} | {shown}"
    yield f"  {' ' * len(gutter)} | {' ' * before}{painted('^' * length, '31', colour)}"


def _width(text: str) -> int:
    """How many terminal cells a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def painted(text: str, code: str, colour: bool = True) -> str:
    """The text in a terminal color (the code of its ``SGR`` sequence)."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
