"""Find out what the cursor is on in an XML fragment that may be incomplete, and complete it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...grammar.axes import Places
from ...grammar.places import OPEN, Place
from ...patterns import pattern
from ...record import record
from .ground import Ground
from .model import Completions, Hover, Item, Kind
from .spot import Spot
from .xpaths import about, detail, end_of_word, spelled, words

_MARKUP = pattern(r"<!--[\s\S]*?(?:-->|\Z)|<!\[CDATA\[[\s\S]*?(?:\]\]>|\Z)|<(/?)([^\s<>/=\"']*)")
_ATTRIBUTE = pattern(r"\s+([^\s<>/=\"']*)(?:\s*=\s*(?:\"([^\"<]*)(\"|\Z)?|'([^'<]*)('|\Z)?)?)?")
_OTHER_VALUE = pattern(r"[<>=\n]")
_OTHER_TAG = pattern(r"[<\n]|[^=!<>]=(?!=)")  # CEL has comparisons
_DIRECTIVES = {
    "patch:when": "CEL, a boolean: false leaves the element out",
    "patch:forEach": "CEL, a list: the element once for each of its items",
}


@record
class Here:
    """The part of a fragment that contains a cursor.

    ``kind`` is ``element``, ``attribute``, ``value``, ``text`` or ``end`` (an end tag). ``open`` has the names of the
    enclosing elements, the outermost first; ``tag`` is the element whose tag contains the cursor.
    """

    kind: str
    start: int
    end: int
    open: tuple[str, ...]
    tag: str = ""
    attribute: str = ""
    attributes: tuple[str, ...] = ()


def find(text: str, at: int) -> Here | None:
    """The part of a fragment that contains a cursor; None in a comment or CDATA."""
    before = text[:at]
    open: list[str] = []
    done = 0
    for found in _MARKUP.finditer(before):
        if found.start() < done:
            continue
        done = found.end()
        if found[2] is None:
            if done == at and not found.group().endswith(("-->", "]]>")):
                return None
            continue
        closing, name = found[1], found[2]
        start = found.start(2)
        if done == at:
            end = end_of_word(text, at)
            return Here("end" if closing else "element", start, end, tuple(open))
        if closing:
            if name in open:
                del open[len(open) - open[::-1].index(name) - 1 :]
            continue
        here, done = _in_tag(text, before, done, name, tuple(open))
        if here is not None:
            return here
        if before[done : done + 1] == ">":
            open.append(name)
    start = at
    while start > 0 and text[start - 1] not in ">\n \t":
        start -= 1
    return Here("text", start, end_of_word(text, at), tuple(open))


def _in_tag(text: str, before: str, at: int, name: str, open: tuple[str, ...]) -> tuple[Here | None, int]:
    """The part of a start tag that contains a cursor; otherwise, the offset after its attributes."""
    attributes: list[str] = []
    while found := _ATTRIBUTE.match(before, at):
        attribute = found[1]
        quote_end = found[3] if found[2] is not None else found[5]
        value = found.start(2) if found[2] is not None else found.start(4)
        if value >= 0 and not quote_end:
            if found.end() < len(before):
                break  # a quote that is not closed before another tag
            end = _end_of_value(text, value, len(before), _OTHER_TAG if attribute in _DIRECTIVES else _OTHER_VALUE)
            return Here("value", value, end, open, name, attribute, tuple(attributes)), at
        if found.end() == len(before) and value < 0 and "=" not in found.group():
            start = found.start(1)
            end = end_of_word(text, len(before))
            return Here("attribute", start, end, open, name, attribute, tuple(attributes)), at
        if found.end() == at or not attribute:
            at = found.end()
            break
        attributes.append(attribute)
        at = found.end()
    while at < len(before) and before[at] in " \t\r\n":
        at += 1
    return None, at


def _end_of_value(text: str, start: int, at: int, other: re.Pattern[str]) -> int:
    """Where a value ends: at its quote, unless ``other`` before it shows that the quote belongs to another value."""
    close = text.find(text[start - 1], at)
    return close if close >= 0 and other.search(text, at, close) is None else at


def complete(spot: Spot, text: str, parents: Places, ground: Ground) -> Completions:
    """The completions in a fragment whose elements become children of ``parents``.

    ``text`` is the spot's text, with computed parts filled as for XPath.
    """
    here = find(text, spot.at)
    if here is None:
        return spot.offer((), spot.at, spot.at)
    return spot.offer(_items(here, parents, ground), here.start, here.end)


def _items(here: Here, parents: Places, ground: Ground) -> Iterator[Item]:
    around = within(here.open, parents, ground)
    match here.kind:
        case "end":
            if here.open:
                yield Item(here.open[-1], Kind.ELEMENT, f"{here.open[-1]}>", "the element that is open")
        case "element":
            yield from _children(around, ground)
        case "attribute":
            yield from _attributes(here, step(around, here.tag, ground), ground)
        case "value":
            yield from words(attributes(step(around, here.tag, ground), here.attribute, ground))
        case _:
            yield from words(around if here.open else ())


def within(open: tuple[str, ...], parents: Places, ground: Ground) -> Places:
    """The places of the innermost of nested elements."""
    for name in open:
        parents = step(parents, name, ground)
    return parents


def step(parents: Places, name: str, ground: Ground) -> Places:
    """The children with a name."""
    known = ground.dialect.name(name)
    return tuple(place.elements[known] for place in parents if known is not None and known in place.elements)


def attributes(places: Places, name: str, ground: Ground) -> Places:
    """The attributes with a name."""
    known = ground.dialect.name(name)
    return tuple(place.attributes[known] for place in places if known is not None and known in place.attributes)


def _children(parents: Places, ground: Ground) -> Iterator[Item]:
    found: dict[str, Place] = {}
    for parent in parents:
        if parent is not OPEN and not parent.is_open:
            for name, place in parent.elements.items():
                if (written := spelled(name, ground.dialect)) is not None:
                    found.setdefault(written, place)
    yield from (Item(name, Kind.ELEMENT, name, detail(place)) for name, place in found.items())


def _attributes(here: Here, places: Places, ground: Ground) -> Iterator[Item]:
    found: dict[str, Place] = {}
    for place in places:
        for name, attribute in place.attributes.items():
            if (written := spelled(name, ground.dialect)) is not None and written not in here.attributes:
                found.setdefault(written, attribute)
    yield from (Item(name, Kind.ATTRIBUTE, f'{name}="', detail(place)) for name, place in found.items())
    for name, what in _DIRECTIVES.items():
        if name not in here.attributes:
            yield Item(name, Kind.ATTRIBUTE, f'{name}="', what)


def hover(spot: Spot, text: str, parents: Places, ground: Ground) -> Hover | None:
    """The hover text for the name or value at the cursor."""
    here = find(text, end_of_word(text, spot.at))
    if here is None:
        return None
    around = within(here.open, parents, ground)
    written = text[here.start : here.end]
    match here.kind:
        case "element":
            found = step(around, written, ground)
        case "end":
            found = around if here.open[-1:] == (written,) else ()
        case "attribute":
            if written in _DIRECTIVES:
                return spot.say(f"`{written}`: {_DIRECTIVES[written]}", here.start, here.end)
            found = attributes(step(around, here.tag, ground), written, ground)
        case "value":
            found = attributes(step(around, here.tag, ground), here.attribute, ground)
        case _:
            found = ()
    found = tuple(place for place in found if not place.is_open)
    return spot.say(about(found), here.start, here.end) if found else None
