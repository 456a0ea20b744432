"""Completion in CEL expressions, from the types of the VMI and from what the patch declares."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...cel.functions import SIGNATURES
from ...cel.library import MAX_SOURCE
from ...cel.syntax import MEMBERS as OBJECTS
from ...kubevirt.celtypes import ROOTS, Scope, typed
from ...kubevirt.celwords import Typed
from ...kubevirt.vmitypes import INTEGER, TEXT, VmiField, types, words
from ...lint.reading import cel
from ...record import record
from .celcursor import Bound, InText, Name, at_cursor
from .functions import FUNCTIONS, MEMBERS, OVER, WORDS, of_type
from .model import Completions, Hover, Item, Kind
from .spot import Spot

_WORDS_FOR = {
    "vmi": "the VirtualMachineInstance",
    "variables": "the variables of the patch",
    "facts": "what the patch reads from the pod",
    "item": "the item of the loop",
    "index": "the number of the item, from 0",
    "node": "the matched node",
    "cloudInit": "the cloud-init data",
}
_FACTS = {"env": "environment variables of the pod, by name", "files": "files of the pod, by name"}


@record
class Known:
    """What an expression sees: ``xpath()``, ``variables`` with their expressions, in order, and ``facts``.

    ``facts`` are ``env.NAME`` and ``files.NAME``. ``loop`` is the expression of the list that ``item`` comes from.
    ``names`` are those of :data:`_WORDS_FOR` that are available.
    """

    release: str | None = None
    variables: tuple[tuple[str, str], ...] = ()
    facts: tuple[str, ...] = ()
    loop: str | None = None
    names: frozenset[str] = frozenset({"vmi"})
    xpath: bool = True


def in_text(spot: Spot) -> InText | None:
    """The text in quotes that contains the cursor, such as the path of `xpath('…')`."""
    found = at_cursor(spot.text, spot.at) if len(spot.text) <= MAX_SOURCE else None
    return found if isinstance(found, InText) else None


def complete(spot: Spot, known: Known) -> Completions:
    """The completions in an expression."""
    found = at_cursor(spot.text, spot.at) if len(spot.text) <= MAX_SOURCE else None
    if not isinstance(found, Name):
        return spot.offer((), spot.at, spot.at)
    return spot.offer(_items(spot.text, found, known), found.start, found.end)


def hover(spot: Spot, known: Known) -> Hover | None:
    """The hover text for the name at the cursor."""
    at = spot.at
    while at < len(spot.text) and (spot.text[at].isalnum() or spot.text[at] == "_"):
        at += 1
    found = at_cursor(spot.text, at) if len(spot.text) <= MAX_SOURCE else None
    if not isinstance(found, Name):
        return None
    written = spot.text[found.start : found.end]
    item = next((one for one in _items(spot.text, found, known) if one.label.rstrip("()") == written), None)
    of = spot.text[slice(*found.of)] + "." if found.of else ""
    if item is None or item.detail in ("", f"{of}{written}"):
        return None
    return spot.say(f"`{of}{written}`: {item.detail}", found.start, found.end)


def variable_at(spot: Spot) -> str | None:
    """The name of the variable at the cursor, in `variables.NAME`."""
    at = spot.at
    while at < len(spot.text) and (spot.text[at].isalnum() or spot.text[at] == "_"):
        at += 1
    found = at_cursor(spot.text, at) if len(spot.text) <= MAX_SOURCE else None
    if not isinstance(found, Name):
        return None
    if found.of is not None and spot.text[slice(*found.of)].strip() == "variables":
        return spot.text[found.start : found.end]
    return None


def _items(text: str, name: Name, known: Known) -> Iterator[Item]:
    if name.of is None:
        yield from _names(name.bound, known)
        return
    of = "".join(text[slice(*name.of)].split())
    if of == "variables":
        yield from (Item(one, Kind.VARIABLE, one, written) for one, written in known.variables)
    elif of in ("facts.env", "facts.files"):
        lead = of.removeprefix("facts.") + "."
        declared = [one.removeprefix(lead) for one in known.facts if one.startswith(lead)]
        yield from (Item(one, Kind.FIELD, one, "an optional of text") for one in declared)
    elif of in MEMBERS:
        kind = Kind.FIELD if of == "facts" else Kind.FUNCTION
        for one in MEMBERS[of]:
            what = _FACTS.get(one, "") if of == "facts" else f"{of}.{one}"
            yield Item(one, kind, one if kind is Kind.FIELD else f"{one}(", what)
    elif of in OBJECTS and not of.startswith("vmi"):
        yield from (Item(one, Kind.FIELD, one, f"{of}.{one}") for one in sorted(OBJECTS[of]))
    else:
        yield from _members(text, name, known)


def _names(bound: tuple[Bound, ...], known: Known) -> Iterator[Item]:
    yield from (Item(one.name, Kind.VARIABLE, one.name, "bound by the macro") for one in bound[::-1])
    for name, what in _WORDS_FOR.items():
        if name in known.names:
            yield Item(name, Kind.VARIABLE, name, what)
    for name, what in sorted({**FUNCTIONS, **SIGNATURES}.items()):
        if name == "xpath" and not known.xpath:
            continue
        yield Item(f"{name}()", Kind.FUNCTION, f"{name}(", what)
    for name in ("math", "optional", "regex", "strings", "cel"):
        yield Item(name, Kind.FIELD, f"{name}.", "functions: " + ", ".join(MEMBERS[name]))
    yield from (Item(word, Kind.VALUE, word) for word in WORDS)


def _members(text: str, name: Name, known: Known) -> Iterator[Item]:
    assert name.of is not None
    found = _typed(text[slice(*name.of)], _scope(text, name.bound, known))
    type = found.type
    owner = types(known.release).get(type.removeprefix("?"), {})
    for field_name, one in sorted(owner.items(), key=lambda pair: pair[0]):
        if field_name.isidentifier():
            yield Item(field_name, Kind.FIELD, field_name, _field(one, asks=name.optional or type.startswith("?")))
    if name.optional or (owner and not type.startswith("?")):
        return
    for method, what in of_type(type).items():
        lead = f"{method}(x, " if method in OVER else f"{method}("
        yield Item(f"{method}()", Kind.METHOD, lead, what)


def _field(field: VmiField, *, asks: bool) -> str:
    return words(field.type) + ("" if field.always or asks else "; may be absent")


def _typed(text: str, scope: Scope) -> Typed:
    read = cel(text)
    return typed(read, scope) if read is not None else Typed()


def _scope(text: str, bound: tuple[Bound, ...], known: Known) -> Scope:
    """The types of the names in an expression, as far as they are known."""
    names = dict(ROOTS)
    scope = Scope(types(known.release), names)
    for name, written in known.variables:
        names[f"variables.{name}"] = _typed(written, scope)
    if known.loop is not None:
        names |= {"item": entry(_typed(known.loop, scope)), "index": Typed(INTEGER)}
    of = partial(_typed, scope=scope)
    for one in bound:
        whole = of(text[one.start : one.end])
        names[one.name] = whole if one.itself else entry(whole)
    return scope


def entry(of: Typed) -> Typed:
    """What a macro passes on from a list, a map, or an optional, one by one."""
    if of.type.startswith("["):
        return Typed(of.type[1:-1])
    return Typed(of.type[1:]) if of.type.startswith("?") else Typed(TEXT) if of.type.startswith("{") else Typed()
