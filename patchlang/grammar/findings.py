"""What the grammar does not know, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

from .. import rules
from ..diagnostics import Rule, Severity, closest
from ..patterns import pattern
from ..record import record
from .index import Texts
from .places import Place
from .texts import TRUE_OR_FALSE, described, fits

_SHOWN = 20
_LONGEST = 60
_PAIRS = (("yes", "no"), ("on", "off"))
_YES, _NO = ("yes", "on"), ("no", "off")
_BOOLEANS = {"true": _YES, "yes": _YES, "on": _YES, "false": _NO, "no": _NO, "off": _NO}
_WITH_UNIT = pattern(r"([0-9]+) ?([A-Za-z]{1,5}|%)")
_PATHS = 3


@record
class Finding:
    """A finding at the characters ``start`` to ``end`` of a text."""

    rule: Rule
    message: str
    start: int
    end: int
    help: str | None = None
    severity: Severity = Severity.ERROR


def unknown_element(version: str, name: str, places: Sequence[Place], start: int, end: int, *, below: bool) -> Finding:
    """An element that none of the places may contain; with ``below``, not even deeper."""
    where = f"below {_where(places)}" if below else f"in {_where(places)}"
    message = f"libvirt {version} has no element `{name}` {where}"
    known = {name for place in places for name in (place.names_below if below else place.type.elements)}
    if not below and any(place.name == name for place in places):
        help = f"this is already in `{name}`: leave it out, and write what goes into it"
    elif any(name in place.attributes for place in places):
        help = f"it is an attribute: write `@{name}`"
    elif dotted := _dotted(name, places):
        help = f"steps are separated by `/`: `{dotted}`"
    elif prefixed := _prefixed(name, known):
        help = f"did you mean `{prefixed}`?{_BY_OP.get(prefixed, '')}"
    else:
        help = _instead(name, known, _elsewhere(name, places, "element"), "elements")
    return Finding(rules.UNKNOWN_ELEMENT, message, start, end, help)


def _dotted(name: str, places: Sequence[Place]) -> str | None:
    """A name such as ``target.dev`` as steps, if its first part exists."""
    first, *others = name.split(".")
    inner = [place.elements[first] for place in places if first in place.elements] if others else []
    for other in others[:-1]:
        inner = [place.elements[other] for place in inner if other in place.elements]
    if not inner:
        return None
    last = others[-1]
    is_attribute = not any(last in place.elements for place in inner) and any(last in p.attributes for p in inner)
    return "/".join([first, *others[:-1], f"@{last}" if is_attribute else last])


_BY_OP = {"qemu:commandline": " the op `qemuArgs` creates it without a path"}


def _prefixed(name: str, known: set[str]) -> str | None:
    """The element of that name in a namespace, preferably QEMU's: KubeVirt's VMs use QEMU."""
    found = sorted(one for one in known if one.rpartition(":")[2] == name.rpartition(":")[2] and ":" in one)
    return next((one for one in found if one.startswith("qemu:")), found[0] if found else None)


def unknown_attribute(version: str, name: str, places: Sequence[Place], start: int, end: int) -> Finding:
    """An attribute that none of the elements may have."""
    message = f"libvirt {version} has no attribute `{name}` on {_where(places)}"
    if any(name in place.elements for place in places):
        help = f"it is an element: write `{name}`"
    else:
        names = {n for place in places for n in place.type.attributes}
        help = _instead(name, names, _elsewhere(name, places, "attribute"), "attributes")
    return Finding(rules.UNKNOWN_ATTRIBUTE, message, start, end, help)


def unknown_value(version: str, value: str, places: Sequence[Place], start: int, end: int) -> Finding:
    """A text that none of the places allow."""
    allowed = reduce(Texts.__or__, (place.values for place in places if place.values is not None), Texts())
    hint = _hint(value, allowed, places)
    what = f"`{_short(value)}`" if value else "empty text"
    message = f"libvirt {version} does not accept {what} as {_where(places)}"
    help = f"{hint}{' ' if hint else ''}allowed: {described(allowed, _SHOWN)}"
    return Finding(rules.UNKNOWN_VALUE, message, start, end, help)


def _hint(value: str, allowed: Texts, places: Sequence[Place]) -> str:
    """The probable intention, if it can be guessed."""
    if value == TRUE_OR_FALSE.name and (pair := next((p for p in _PAIRS if {*p} <= {*allowed.words}), None)):
        return f"write `… ? '{pair[0]}' : '{pair[1]}'`;"
    near = next((word for word in _BOOLEANS.get(value.strip().lower(), ()) if word in allowed.words), None)
    near = near or closest(value, [word for word in allowed.words if word not in _opposites(value.strip().lower())])
    near = near or next((f"{value}{more}" for more in ("B", "iB") if _is_unit(value, allowed, more)), None)
    if near is not None:
        return f"did you mean `{near}`?"
    number = _WITH_UNIT.fullmatch(value.strip())
    if number and any(one.number for one in allowed.datatypes):
        owners = [place.parent if place.kind in ("attribute", "text") else place for place in places]
        if number[2] and any(owner is not None and "unit" in owner.attributes for owner in owners):
            return f"write `{number[1]}`, and `{_unit(number[2])}` in `@unit`;"
        return f"write just the number, without `{number[2]}`;"
    return ""


def _opposites(value: str) -> Iterator[str]:
    """Words that look alike but mean the opposite."""
    for one, other in (("enable", "disable"), ("allow", "disallow"), ("secure", "insecure"), ("lock", "unlock")):
        for end in ("", "d", "ed"):
            yield from {one + end: [other, other + "d"], other + end: [one, one + "d"]}.get(value, [])


def _is_unit(value: str, allowed: Texts, more: str) -> bool:
    """Whether additional letters turn a Kubernetes unit into libvirt's: for `Gi` but not for `G`."""
    of_units = any(one.name == "unit" for one in allowed.datatypes)
    return of_units and value.isalpha() and fits(allowed, (value + more,))


def _unit(written: str) -> str:
    """A Kubernetes unit in libvirt's spelling: `Gi` is `GiB`."""
    return f"{written}B" if len(written) == 2 and written.endswith("i") else written


def no_text(version: str, places: Sequence[Place], start: int, end: int) -> Finding:
    """Text in elements that cannot contain any."""
    message = f"{_where(places)} cannot contain text according to libvirt {version}"
    elements = [name for place in places for name in place.type.elements]
    attributes = [f"@{name}" for place in places for name in place.type.attributes]
    names = list(dict.fromkeys([*attributes, *elements]))
    help = f"it has {_listed(names)}" if names else "leave it empty"
    return Finding(rules.MISPLACED_TEXT, message, start, end, help)


def nothing_there(message: str, start: int, end: int, help: str | None = None) -> Finding:
    """A step that cannot match anything."""
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
    return f"available: {_listed(names)}" if names else f"it has no {what}"


def _elsewhere(name: str, places: Sequence[Place], kind: str) -> str | None:
    """Where this very name is valid nearby: below the places or next to them, otherwise its only place."""

    def has(place: Place) -> bool:
        return name in (place.attributes if kind == "attribute" else place.elements)

    parents = [place.parent for place in places if place.parent is not None]
    beside = [inner for parent in parents for inner in parent.elements.values()]
    below = [inner for place in places for inner in place.elements.values()]
    found = [place for place in (*below, *parents, *beside) if has(place)]
    written = f"@{name}" if kind == "attribute" else name
    if not found and len(holders := places[0].unfolding.holders(written)) == 1:
        found = holders
    paths = list(dict.fromkeys(f"`{place.path}`" if place.path else "the document" for place in found))
    more = ", …" if len(paths) > _PATHS else ""
    return f"`{written}` belongs in {', '.join(paths[:_PATHS])}{more}" if paths else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
