"""A cursor in a text that is written in another one: a path in a scalar, an expression in a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...record import record
from .model import Completions, Hover, Item
from .outline import Scalar
from .view import view


@record(eq=False)
class Spot:
    """``at`` is the place of the cursor in ``text``. ``place`` gives that of a character in the outermost text.

    ``written`` makes a text one that can be put in there; ``lead`` is what must stand before the whole text.
    """

    text: str
    at: int
    place: Callable[[int], int]
    written: Callable[[str], str]
    lead: str = ""

    def part(self, start: int, end: int) -> Spot:
        """The same cursor in a piece of the text, which it must be in or at the edge of."""
        lead = "" if start else self.lead
        return Spot(
            self.text[start:end], self.at - start, lambda offset: self.place(offset + start), self.written, lead
        )

    def offer(self, items: Iterable[Item], start: int, end: int) -> Completions:
        """Items, as they are written there, in place of some characters."""
        lead = "" if start else self.lead
        made = tuple(Item(one.label, one.kind, lead + self.written(one.insert), one.detail) for one in items)
        return Completions(made, self.place(min(start, self.at)), self.place(max(end, self.at)))

    def say(self, text: str, start: int, end: int) -> Hover:
        """What is to be said about some characters."""
        return Hover(text, self.place(start), self.place(end))


def spot_in(scalar: Scalar, outer: Callable[[int], int]) -> Spot:
    """The cursor in what a marked scalar says. ``outer`` gives the place of a character of the marked text."""
    seen = view(scalar)
    at = seen.text.find(scalar.mark)
    at = at if at >= 0 else 0
    text = seen.text[:at] + seen.text[at + 1 :]
    lead = " " if scalar.source[scalar.start - 1 : scalar.start] == ":" else ""
    return Spot(text, at, lambda offset: outer(seen.place(offset + (offset > at))), seen.written, lead)
