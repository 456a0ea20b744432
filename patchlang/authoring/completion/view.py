"""The value of a scalar, with the place of each piece in the source text."""

from __future__ import annotations

from bisect import bisect_right

from ...patterns import pattern
from ...record import record
from .outline import Node, Scalar

_FOLD = pattern(r"[ \t\r]*\n\s*")
_ESCAPE = pattern(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r?\n[ \t]*|[\s\S])")
# YAML 1.2, section 5.7; other escaped characters stand for themselves
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b", "a": "\a", "b": "\b", "v": "\v", "f": "\f"}


@record(slots=False)
class View:
    """``text`` is the value. Its pieces begin at ``starts``, and are at ``places`` of the outer text."""

    text: str
    starts: tuple[int, ...]
    places: tuple[int, ...]
    style: str

    def place(self, offset: int) -> int:
        """The place of a character of the view, or of its end, in the outer text."""
        piece = max(0, bisect_right(self.starts, offset) - 1)
        return self.places[piece] + offset - self.starts[piece]

    def written(self, text: str) -> str:
        """A text in the form in which a scalar of this style contains it."""
        if self.style == "'":
            return text.replace("'", "''")
        if self.style == '"':
            return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return text


def said(node: Node | None) -> str:
    """The value of a scalar without the mark; empty for anything else."""
    return view(node).text.replace(node.mark, "").strip() if isinstance(node, Scalar) else ""


def view(scalar: Scalar) -> View:
    """The value of a scalar, with the mark if it contains one."""
    pieces, text = _Pieces(), scalar.source
    if scalar.style in ("|", ">"):
        _block(text, scalar, pieces)
    else:
        quotes = len(scalar.style)
        closed = quotes and scalar.end - scalar.start > 1 and text[scalar.end - 1] == scalar.style
        start, end = scalar.start + quotes, scalar.end - (1 if closed else 0)
        _flow(text, start, end, scalar.style, pieces)
    return View(
        "".join(pieces.texts), tuple(pieces.starts) or (0,), tuple(pieces.places) or (scalar.start,), scalar.style
    )


class _Pieces:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.starts: list[int] = []
        self.places: list[int] = []
        self.length = 0

    def add(self, text: str, place: int) -> None:
        self.texts.append(text)
        self.starts.append(self.length)
        self.places.append(place)
        self.length += len(text)


def _block(text: str, scalar: Scalar, pieces: _Pieces) -> None:
    at = scalar.start
    while at < scalar.end:
        end = text.find("\n", at, scalar.end)
        end = scalar.end if end < 0 else end + 1
        begin = at
        while begin < end and begin - at < scalar.indent and text[begin] == " ":
            begin += 1
        pieces.add(text[begin:end], begin)
        at = end


def _flow(text: str, start: int, end: int, style: str, pieces: _Pieces) -> None:
    at = start
    while at < end:
        stop = _next(text, at, end, style)
        if stop > at:
            pieces.add(text[at:stop], at)
        if stop >= end:
            return
        if style == "'" and text[stop] == "'":
            pieces.add("'", stop + 1)
            at = stop + 2
        elif style == '"' and text[stop] == "\\" and (found := _ESCAPE.match(text, stop, end)):
            pieces.add(_meant(found.group()), stop)
            at = found.end()
        elif folded := _FOLD.match(text, stop, end):
            pieces.add(" ", stop)
            at = folded.end()
        else:
            pieces.add(text[stop], stop)
            at = stop + 1


def _next(text: str, at: int, end: int, style: str) -> int:
    """The next place where the value differs from the source."""
    while at < end and text[at] != "\n" and not (text[at] == "'" == style) and not (text[at] == "\\" and style == '"'):
        at += 1
    return at


def _meant(escape: str) -> str:
    code = escape[1:]
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    return "" if code[0] in "\r\n" else _ESCAPED.get(code, code)
