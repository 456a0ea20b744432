"""A cursor in a text that is part of another text: a path in a scalar, an expression in a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...record import record
from .model import Completions, Hover, Item
from .outline import Scalar
from .view import view


@record(eq=False)
class Spot:
    """``at`` is the place of the cursor in ``text``.

    ``place`` gives the place of a character in the outermost text. ``written`` turns a text into one that can be
    inserted there; ``lead`` is what must be inserted before the whole text.
    """

    text: str
    at: int
    place: Callable[[int], int]
    written: Callable[[str], str]
    lead: str = ""

    def part(self, start: int, end: int) -> Spot:
        """The same cursor in a piece of the text; it must be inside the piece or at its edge."""
        lead = "" if start else self.lead
        return Spot(
            self.text[start:end], self.at - start, lambda offset: self.place(offset + start), self.written, lead
        )

    def offer(self, items: Iterable[Item], start: int, end: int) -> Completions:
        """Completions that replace some characters, in the form in which they are written there."""
        lead = "" if start else self.lead
        made = tuple(Item(one.label, one.kind, lead + self.written(one.insert), one.detail) for one in items)
        return Completions(made, self.place(min(start, self.at)), self.place(max(end, self.at)))

    def say(self, text: str, start: int, end: int) -> Hover:
        """The hover text for some characters."""
        return Hover(text, self.place(start), self.place(end))


def spot_in(scalar: Scalar, outer: Callable[[int], int]) -> Spot:
    """The cursor in the value of a marked scalar. ``outer`` gives the place of a character of the marked text."""
    seen = view(scalar)
    at = seen.text.find(scalar.mark)
    at = at if at >= 0 else 0
    text = seen.text[:at] + seen.text[at + 1 :]
    lead = " " if scalar.source[scalar.start - 1 : scalar.start] == ":" else ""
    return Spot(text, at, lambda offset: outer(seen.place(offset + (offset > at))), seen.written, lead)
