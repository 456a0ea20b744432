"""What the grammar does not know, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import rules
from ..diagnostics import Rule, Severity, closest
from ..record import record
from .places import Place

_SHOWN = 20
_PATHS = 3


@record
class Finding:
    """Something at the characters ``start`` to ``end`` of a text."""

    rule: Rule
    message: str
    start: int
    end: int
    help: str | None = None
    severity: Severity = Severity.ERROR


def unknown_element(version: str, name: str, places: Sequence[Place], start: int, end: int, *, below: bool) -> Finding:
    """An element that stands in none of the places; with ``below`` nowhere below them either."""
    where = f"below {_where(places)}" if below else f"in {_where(places)}"
    message = f"libvirt {version} knows no element `{name}` {where}"
    if any(name in place.attributes for place in places):
        help = f"it is an attribute: write `@{name}`"
    else:
        found = [p for place in places for p in (place.below if below else place.elements.values())]
        help = _instead(
            name, {p.name for p in found if not _is_extra(p)}, _elsewhere(name, places, "element"), "elements"
        )
    return Finding(rules.UNKNOWN_ELEMENT, message, start, end, help)


def unknown_attribute(version: str, name: str, places: Sequence[Place], start: int, end: int) -> Finding:
    """An attribute that an element in none of the places may have."""
    message = f"libvirt {version} knows no attribute `{name}` of {_where(places)}"
    if any(name in place.elements for place in places):
        help = f"it is an element: write `{name}`"
    else:
        names = {n for place in places for n in place.type.attributes}
        help = _instead(name, names, _elsewhere(name, places, "attribute"), "attributes")
    return Finding(rules.UNKNOWN_ATTRIBUTE, message, start, end, help)


def unknown_value(version: str, value: str, places: Sequence[Place], start: int, end: int) -> Finding:
    """A text that none of the places may have."""
    allowed = list(dict.fromkeys(v for place in places for v in place.values or ()))
    near = closest(value, allowed)
    hint = f"did you mean `{near}`? " if near is not None else ""
    message = f"libvirt {version} does not take `{value}` as {_where(places)}"
    return Finding(rules.UNKNOWN_VALUE, message, start, end, f"{hint}allowed: {_listed(allowed)}")


def no_text(version: str, places: Sequence[Place], start: int, end: int) -> Finding:
    """Text in elements that hold none."""
    message = f"{_where(places)} holds no text, by the grammar of libvirt {version}"
    elements = [name for place in places for name in place.type.elements]
    attributes = [f"@{name}" for place in places for name in place.type.attributes]
    names = list(dict.fromkeys([*attributes, *elements]))
    help = f"it has {_listed(names)}" if names else "it stands for itself, empty"
    return Finding(rules.MISPLACED_TEXT, message, start, end, help)


def nothing_there(message: str, start: int, end: int, help: str | None = None) -> Finding:
    """A step that cannot lead anywhere."""
    return Finding(rules.IMPOSSIBLE_STEP, message, start, end, help)


def _where(places: Sequence[Place]) -> str:
    """The places in words."""
    paths = list(dict.fromkeys(place.path or "the document" for place in places))
    if len(paths) <= 2:
        return " or ".join(path if path == "the document" else f"`{path}`" for path in paths)
    names = {("@" if place.kind == "attribute" else "") + place.name for place in places}
    return f"any `{names.pop()}`" if len(names) == 1 else f"any of {len(paths)} places"


def _instead(name: str, known: Iterable[str], elsewhere: str | None, what: str) -> str:
    names = sorted(known)
    near = closest(name, names)
    if elsewhere is not None and (near is None or near.lower() != name.lower()):
        is_slip = near is not None and near.lower().rstrip("s") == name.lower().rstrip("s")
        return f"did you mean `{near}`? {elsewhere}" if is_slip else elsewhere
    if near is not None:
        return f"did you mean `{near}`?"
    return f"there are: {_listed(names)}" if names else f"it has no {what}"


def _elsewhere(name: str, places: Sequence[Place], kind: str) -> str | None:
    """Where something of this very name stands near by: below the places or beside them, else the one place it has."""

    def has(place: Place) -> bool:
        return name in (place.attributes if kind == "attribute" else place.elements)

    parents = [place.parent for place in places if place.parent is not None]
    beside = [inner for parent in parents for inner in parent.elements.values()]
    below = [inner for place in places for inner in place.elements.values()]
    found = [place for place in (*below, *parents, *beside) if has(place)]
    written = f"@{name}" if kind == "attribute" else name
    if not found and len(holders := places[0].unfolding.holders(written)) == 1:
        found = holders
    paths = list(dict.fromkeys(f"`{place.path}`" for place in found))
    more = ", …" if len(paths) > _PATHS else ""
    return f"`{written}` stands in {', '.join(paths[:_PATHS])}{more}" if paths else None


def _is_extra(place: Place) -> bool:
    return place.parent is not None and place.name not in place.parent.type.elements


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
