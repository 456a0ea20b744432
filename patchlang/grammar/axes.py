"""XPath's axes: from the places of the grammar to others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .places import OPEN, Place

Places = tuple[Place, ...]

SEARCHES = ("descendant", "descendant-or-self")
BEYOND = ("following", "preceding")
SIBLINGS = ("following-sibling", "preceding-sibling")


def origins(places: Places, axis: str) -> Sequence[Place]:
    """Some of the places, from which an axis reaches everything that it reaches from all of them."""
    if axis in BEYOND:
        # from any node except the root: everything
        return [place for place in places if place.parent or place is OPEN][:1]
    if axis in SEARCHES and len(places) > 1:
        among = set(places)
        return [place for place in places if not any(above in among for above in place.ancestors)]
    return places


def along(place: Place, axis: str) -> Iterable[Place]:
    """The nodes on an axis."""
    if place is OPEN:
        return (OPEN,)
    match axis:
        case "child":
            return (OPEN,) if place.is_open else _inside_of(place)
        case "attribute":
            return (OPEN,) if place.is_open else place.attributes.values()
        case "self":
            return (place,)
        case "parent":
            parent = place.parent
            return () if parent is None else (parent, OPEN) if parent.may_stand_deeper else (parent,)
        case "ancestor" | "ancestor-or-self":
            above = list(place.ancestors)
            deeper = [OPEN] if any(one.may_stand_deeper for one in above) else []
            return (*([place] if axis == "ancestor-or-self" else ()), *above, *deeper)
        case "descendant":
            return _below(place)
        case "descendant-or-self":
            return (place, *_below(place))
        case "following-sibling" | "preceding-sibling":
            return _inside_of(place.parent) if place.parent and place.kind != "attribute" else ()
        case _:
            return (*_below(list(place.ancestors)[-1]), OPEN) if place.parent else ()


def _inside_of(place: Place) -> list[Place]:
    return [*place.elements.values(), *([place.text] if place.kind == "element" and place.text else [])]


def _below(place: Place) -> Iterator[Place]:
    for one in (place, *place.below):
        if one.is_open:
            yield OPEN
        yield from (p for p in _inside_of(one) if p.kind == "text")
        if one is not place:
            yield one


def unique(places: Iterable[Place]) -> Places:
    return tuple(dict.fromkeys(places))


def parents_of(places: Places) -> Places:
    """The parent elements of the places."""
    return tuple(dict.fromkeys(p.parent or p for p in places if p is OPEN or p.parent))


def ancestors_of(places: Places) -> Places:
    """All ancestor elements of the places."""
    found: dict[Place, None] = {}
    for place in places:
        above = place.parent
        while above is not None and above not in found:
            found[above] = None
            above = above.parent
    return tuple(found)


def owners_of(places: Places) -> Places:
    """Elements, and those of attributes and text: where `unless` and `xpath()` start."""
    return tuple(dict.fromkeys(p.parent if p.kind in ("attribute", "text") and p.parent else p for p in places))
