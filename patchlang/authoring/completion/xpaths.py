"""Completion and hover in XPaths, by libvirt's grammar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...grammar.axes import Places, along, parents_of
from ...grammar.index import Texts
from ...grammar.places import OPEN, Place
from ...grammar.xpaths import Dialect
from ...xpath.parser import AXES
from ...xpath.tree import FUNCTIONS
from .ground import Ground
from .model import Completions, Hover, Item, Kind
from .since import short_since, since, values_of
from .spot import Spot
from .steps import Literal, Step, Variable, at_cursor

Names = Mapping[str, str]
"""The variables that XPath may use, each with a description."""


def complete_name(spot: Spot, places: Places, ground: Ground) -> Completions:
    """The completions of a new name for one of these places, which are all elements or all attributes."""
    kind = "attribute" if places and places[0].kind == "attribute" else "child"
    nodes = tuple(node for parent in parents_of(places) for node in along(parent, kind))
    return spot.offer(_named(Step(0, 0, kind, nodes), ground), 0, len(spot.text.rstrip()))


def complete(spot: Spot, text: str, context: Places, ground: Ground, names: Names) -> Completions:
    """The completions in a path that starts at the places ``context``.

    ``text`` is the spot's text with computed parts filled. Raises SpentError if the path leads to too many places.
    """
    match at_cursor(text, spot.at, context, ground):
        case Step() as step:
            return spot.offer(_steps(step, ground), step.start, step.end)
        case Literal(start, end, places):
            return spot.offer(words(places), start, end)
        case Variable(start, end):
            items = [Item(name, Kind.VARIABLE, name, what) for name, what in names.items()]
            return spot.offer(items, start, end)
        case None:
            return spot.offer((), spot.at, spot.at)


def hover(spot: Spot, text: str, context: Places, ground: Ground, names: Names) -> Hover | None:
    """The hover text for the name or the value at the cursor; parameters as in :func:`complete`."""
    match at_cursor(text, end_of_word(text, spot.at), context, ground):
        case Step(start, end, axis, nodes):
            written = text[start:end]
            name = ground.dialect.name(written)
            found = [one for one in nodes if one.name == name and one.kind == _KINDS.get(axis, "element")]
            return spot.say(about(found), start, end) if found else None
        case Literal(start, end, places) if places and OPEN not in places:
            return spot.say(about(places), start, end)
        case Variable(start, end) if (what := names.get(text[start:end])) is not None:
            return spot.say(f"`${text[start:end]}`: {what}", start, end)
        case _:
            return None


def variable_at(spot: Spot, text: str, ground: Ground) -> str | None:
    """The name of the variable at the cursor."""
    match at_cursor(text, end_of_word(text, spot.at), ground.document, ground):
        case Variable(start, end):
            return text[start:end].partition(".")[0]
        case _:
            return None


_KINDS = {"attribute": "attribute"}
# without those that mean nothing in a domain
_FUNCTIONS = sorted(FUNCTIONS.keys() - {"id", "lang", "namespace-uri"})
_AXES = sorted(AXES - {"namespace"})


def end_of_word(text: str, at: int) -> int:
    """Where the name at a cursor ends."""
    while at < len(text) and (text[at].isalnum() or text[at] in "_-."):
        at += 1
    return at


def _named(step: Step, ground: Ground) -> Iterator[Item]:
    by_name: dict[str, list[Place]] = {}
    wanted = _KINDS.get(step.axis, "element")
    for node in step.nodes:
        if node is not OPEN and node.kind == wanted and (name := spelled(node.name, ground.dialect)) is not None:
            by_name.setdefault(name, []).append(node)
    kind = Kind.ATTRIBUTE if wanted == "attribute" else Kind.ELEMENT
    yield from (Item(name, kind, name, detail(places[0])) for name, places in by_name.items())


def _steps(step: Step, ground: Ground) -> Iterator[Item]:
    yield from _named(step, ground)
    if step.axis != "attribute" and any(node.kind == "text" for node in step.nodes):
        yield Item("text()", Kind.FUNCTION, "text()", "the text of the element")
    yield from _attributes(step, ground)
    if step.begins == ground.document and not step.inner:
        yield Item("/domain", Kind.ELEMENT, "/domain", "the domain")
    if step.begins and step.inner:
        yield from (Item(f"{name}()", Kind.FUNCTION, f"{name}(", "a function of XPath") for name in _FUNCTIONS)
        yield from (Item(f"{name}::", Kind.AXIS, f"{name}::", "an axis of XPath") for name in _AXES)


def _attributes(step: Step, ground: Ground) -> Iterator[Item]:
    """The attributes of the nodes at which an expression begins, each with `@`."""
    seen = set()
    for place in step.begins:
        for name, attribute in place.attributes.items():
            if (written := spelled(name, ground.dialect)) is not None and written not in seen:
                seen.add(written)
                yield Item(f"@{written}", Kind.ATTRIBUTE, f"@{written}", detail(attribute))


def spelled(name: str, dialect: Dialect) -> str | None:
    """A name of libvirt's grammar with the patch's own prefix; None if the patch declares no prefix for it."""
    prefix, colon, local = name.rpartition(":")
    if not colon:
        return name
    uris = {known: uri for uri, known in dialect.unfolding.index.prefixes.items()}
    own = next((one for one, uri in dialect.namespaces if uri == uris.get(prefix)), None)
    return f"{own}:{local}" if own else None


def detail(place: Place) -> str:
    """A short description of a place."""
    return "; ".join(filter(None, (values_of(place), short_since(place))))


def words(places: Iterable[Place]) -> Iterator[Item]:
    """The words that the texts of the places may be, if the grammar lists them."""
    seen: set[str] = set()
    for place in places:
        values = place.values
        if place is OPEN or not isinstance(values, Texts):
            continue
        for word in values.words:
            if word and word not in seen:
                seen.add(word)
                yield Item(word, Kind.VALUE, word, f"a value of {place.path}")


def about(places: Iterable[Place]) -> str:
    """A description of places of the grammar: paths, since which version, and possible values (Markdown)."""
    lines = []
    several = list(places)
    for place in several[:_MOST]:
        what = {"attribute": "an attribute", "text": "a text"}.get(place.kind, "an element")
        line = f"`{place.path}`: {what}; {since(place)}"
        if values := values_of(place):
            line += f"\n\nIts text is one of: {values}"
        lines.append(line)
    if len(several) > _MOST:
        lines.append(f"and {len(several) - _MOST} more places")
    return "\n\n".join(lines)


_MOST = 5
