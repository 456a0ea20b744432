"""The `$[ ]` of a template that may be incomplete."""

from __future__ import annotations

from ...cel.syntax import closing_bracket
from ...grammar.xpaths import FILLER
from ...record import record


@record
class Piece:
    """A computed part: ``start`` and ``end`` are those of its expression, between ``$[`` and ``]``."""

    start: int
    end: int

    def holds(self, at: int) -> bool:
        return self.start <= at <= self.end


def pieces(text: str) -> list[Piece]:
    """The computed parts of a template; a part that is never closed extends to the end."""
    found: list[Piece] = []
    at = text.find("$[")
    while at >= 0:
        if at and text[at - 1] == "$":  # `$$[` is a literal `$[`
            at = text.find("$[", at + 2)
            continue
        close = closing_bracket(text, at + 2)
        if close is None:
            found.append(Piece(at + 2, len(text)))
            break
        found.append(Piece(at + 2, close))
        at = text.find("$[", close + 1)
    return found


def around(text: str, at: int) -> Piece | None:
    """The computed part that contains a cursor."""
    return next((piece for piece in pieces(text) if piece.holds(at)), None)


def filled(text: str) -> str:
    """The text with each computed part replaced by the same number of fillers."""
    result, done = "", 0
    for piece in pieces(text):
        start, end = piece.start - 2, min(len(text), piece.end + 1)
        result += text[done:start] + FILLER * (end - start)
        done = end
    return result + text[done:]
