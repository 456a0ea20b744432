"""Advice on devices that KubeVirt cannot read, and on aliases that libvirt drops.

KubeVirt reads the alias of every disk, interface and hostdev, and the MAC address of every interface, without checking
that it exists. libvirt keeps the aliases that :data:`USER_ALIAS` describes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from .. import rules
from ..cel.template import ComputedPiece
from ..cel.tree import Call, Node
from ..cel.tree import Literal as CelLiteral
from ..diagnostics import Diagnostic
from ..document import model
from ..document.model import Role
from ..libvirt_lists import MERGE_KEYS
from ..lint.fragments import FragmentNode, read
from ..lint.reading import advice, cel, filled, locations_of, names, template
from ..lint.roles import anchors, has, is_beside, texts
from ..patterns import pattern
from ..source import Span, Text
from ..xpath.tree import Binary, Expr, Literal, Path, walk

USER_ALIAS = pattern(r"ua-[A-Za-z0-9_-]*")

# replaces each computed character
_COMPUTED = "\ue000"
# the written part of an alias: computed parts may be anything
_MAY_BE_USERS = pattern(rf"(?:ua-|ua{_COMPUTED}|u{_COMPUTED}|{_COMPUTED})[A-Za-z0-9_{_COMPUTED}-]*")
_MOST_SPELLINGS = 16
_READ = {
    "disk": (("alias", "name"),),
    "hostdev": (("alias", "name"),),
    "interface": (("alias", "name"), ("mac", "address")),
}
_DEVICES = ("domain", "devices")
_WHAT = {"alias": "the alias", "mac": "the MAC address"}
_WRITE = {"alias": '<alias name="ua-…"/>', "mac": '<mac address="…"/>'}


class _Made(NamedTuple):
    """A device that an edit creates or writes to, as written in a fragment."""

    text: Text
    node: FragmentNode
    whole: bool


class _Lack(NamedTuple):
    """What a device lacks: where in the patch that shows, and what to write."""

    span: Span
    device: str
    child: str
    help: str


def unreadable(patch: model.Patch) -> Iterator[Diagnostic]:
    """A disk, interface or hostdev created without the alias or MAC address that KubeVirt reads, or losing it.

    What ``merge`` and ``ensure`` write counts as a new device if it has a ``source``: otherwise an existing one
    is changed. If another edit of the patch creates the missing part, that counts.
    """
    written = [set(_written(edit)) for edit in patch.spec.domain]
    times = Counter(name for names in written for name in names)
    ensured: set[tuple[str, str]] = set()
    for edit, own in zip(patch.spec.domain, written, strict=True):
        others = {name for name in times if times[name] > (name in own)}
        for lack in (*_in_fragments(patch, edit), *_ensured(edit, ensured), *_renamed(edit), *_taken(edit, own)):
            if not {(lack.device, lack.child), ("", lack.child)} & others:
                message = f"KubeVirt reads {_WHAT[lack.child]} of every {lack.device}, and crashes if one is missing"
                yield advice(patch, rules.UNREADABLE_DEVICE, message, lack.span, lack.help)


def _in_fragments(patch: model.Patch, edit: model.DomainEdit) -> Iterator[_Lack]:
    """Devices that an edit inserts, replaces or merges, or brings from where the patch put them before."""
    for text, node, whole in (*_devices(edit), *_brought(patch, edit)):
        if not whole and not any(child.name == "source" for child in node.nodes):
            continue
        for child, attribute in _READ.get(node.name, ()):
            if not _has(node, child, attribute):
                span = text.span(node.start, node.start + len(node.name))
                yield _Lack(span, node.name, child, f"add `{_WRITE[child]}` to it")


def _brought(patch: model.Patch, edit: model.DomainEdit) -> Iterator[_Made]:
    """The devices that ``move`` and ``copy`` bring from elsewhere in the domain, as the patch's fragments have them."""
    moved = [path for text in texts(edit, model.XPath, Role.MOVES, Role.COPIES) for path in locations_of(text)]
    if not moved or set(_places(edit)) != {_DEVICES}:
        return
    for way in (names(path.steps) for path in moved):
        if not way or way[:-1] == _DEVICES:
            continue
        for other in patch.spec.domain:
            if way[:-1] in _places(other):
                for text in texts(other, model.Fragment, Role.INSERTS, Role.MERGES):
                    yield from (_Made(text, node, True) for node in read(_text(text)) if node.name == way[-1])


def _ensured(edit: model.DomainEdit, seen: set[tuple[str, str]]) -> Iterator[_Lack]:
    """Devices that ``ensure`` creates if they are missing; of several edits of one, the first counts."""
    for path, location, way in _made(edit):
        steps = [step for step in location.steps if step.test != "node()"]
        at = len(_DEVICES) - (len(way) - len(steps))
        if way[:2] != _DEVICES or len(way) < 3 or at < 0 or way[3:4] not in ((), ("source",)):
            continue
        step = steps[at]
        key = way[2], path.text[step.start : step.end]
        if key in seen:
            continue
        seen.add(key)
        for child, _ in _READ.get(way[2], ()):
            help = "create a complete one with `merge`, or select an existing one with `in`"
            yield _Lack(path.span(step.start, step.head_end), way[2], child, help)


def _renamed(edit: model.DomainEdit) -> Iterator[_Lack]:
    """What becomes one of these devices just by its name."""
    for path in texts(edit, model.XPath, Role.RENAMES):
        for location in locations_of(path):
            way = names(location.steps)
            if way is None or way[:-1] != _DEVICES or way[-1] == "*":
                continue
            asked = {name for predicate in location.steps[-1].predicates for name in _names_of(predicate)}
            known = {child for child, _ in _READ.get(way[-1], ())} | asked
            for to in texts(edit, model.QName, Role.NAME):
                for child, _ in _READ.get(to.text, ()):
                    if child not in known:
                        yield _Lack(to.span(), to.text, child, f"add `{_WRITE[child]}` to it in another edit")


def _taken(edit: model.DomainEdit, own: set[tuple[str, str]]) -> Iterator[_Lack]:
    """What is removed from one of these devices."""
    for path in texts(edit, model.XPath, Role.REMOVES, Role.REPLACES, Role.MOVES, Role.RENAMES):
        for location in locations_of(path):
            way = names(location.steps)
            if way is None or way[:2] != _DEVICES or len(way) < 4:
                continue
            for child, attribute in _READ.get(way[2], ()):
                if way[3:] in ((child,), (child, f"@{attribute}")) and (way[2], child) not in own:
                    last = location.steps[-1]
                    help = f"keep it, or replace it: `{_WRITE[child]}`"
                    yield _Lack(path.span(last.start, last.head_end), way[2], child, help)


def _names_of(predicate: Expr) -> Iterator[str]:
    """The children that a predicate asks for."""
    for part in walk(predicate):
        if isinstance(part, Path) and part.base is None and part.steps:
            yield part.steps[0].test


def _made(edit: model.DomainEdit) -> Iterator[tuple[model.ConstructivePath, Path, tuple[str, ...]]]:
    """The paths that ``ensure`` creates, and the names on the way to each from the root."""
    selected = [path for text in texts(edit, model.XPath, Role.CHANGES) for path in locations_of(text)]
    around = [names(path.steps) for path in selected] if has(edit, Role.CHANGES) else [()]
    for text in texts(edit, model.ConstructivePath, Role.MAKES):
        for location in locations_of(text):
            way = names(location.steps)
            for above in around if not location.absolute else [()]:
                if way is not None and above is not None:
                    yield text, location, (*above, *way)


def dropped_alias(patch: model.Patch) -> Iterator[Diagnostic]:
    """A device alias that libvirt drops, so that run 2 of a boot cannot find the device by it."""
    for edit in patch.spec.domain:
        for text, start, end in _aliases(edit):
            dropped = (one for one in _spellings(text, start, end) if not _MAY_BE_USERS.fullmatch(one))
            if (written := next(dropped, None)) is not None:
                shown = written.replace(_COMPUTED, "…")
                message = f"libvirt drops the alias `{shown}`, so run 2 of a boot cannot find the device by it"
                help = "libvirt keeps an alias that begins with `ua-` and has only letters, digits, `-` and `_`"
                yield advice(patch, rules.DROPPED_ALIAS, message, text.span(start, end), help)


def _text(text: Text) -> str:
    return filled(text, lambda piece: _COMPUTED * (piece.end - piece.at))


def _spellings(text: Text, start: int, end: int) -> list[str]:
    """The possible values of part of a text, with :data:`_COMPUTED` for the unknown; none if it is empty."""
    found, at = [""], start
    for piece in template(text):
        if isinstance(piece, ComputedPiece) and start <= piece.at and piece.end <= end:
            read = cel(piece.expression.text)
            known = _of_expression(read) if read is not None else [_COMPUTED]
            found = [before + text.text[at : piece.at] + more for before in found for more in known][:_MOST_SPELLINGS]
            at = piece.end
    return [one for one in (before + text.text[at:end] for before in found) if one]


def _of_expression(node: Node) -> list[str]:
    """The possible text of an expression, as far as literals tell."""
    match node:
        case CelLiteral("string", str(value)):
            return [value]
        case Call("_+_", children=(left, right)):
            return [a + b for a in _of_expression(left) for b in _of_expression(right)][:_MOST_SPELLINGS]
        case Call("_?_:_", children=(_, one, other)) | Call("orValue", True, children=(one, other)):
            return [*_of_expression(one), *_of_expression(other)][:_MOST_SPELLINGS]
        case _:
            return [_COMPUTED]


def _has(node: FragmentNode, name: str, attribute: str) -> bool:
    return any(child.name == name and any(one[0] == attribute for one in child.attributes) for child in node.nodes)


def _places(edit: model.DomainEdit) -> Iterator[tuple[str, ...] | None]:
    """The destination elements of an edit's fragments, by name; None if unknown."""
    for text in anchors(edit):
        for path in locations_of(text):
            steps = path.steps[:-1] if is_beside(edit) else path.steps
            place = names(steps)
            last = path.steps[-1].test if path.steps else ""
            if place is None and is_beside(edit) and f"devices/{last}" in MERGE_KEYS:
                place = _DEVICES  # `//disk` is there
            yield place


def _devices(edit: model.DomainEdit) -> Iterator[_Made]:
    """The devices in an edit's fragments; ``whole``: no existing one is merged with them."""
    whole = not has(edit, Role.MERGES)
    into = set(_places(edit))
    for text in texts(edit, model.Fragment, Role.INSERTS, Role.MERGES):
        for node in read(_text(text)):
            if into == {_DEVICES}:
                yield _Made(text, node, whole)
            elif into == {_DEVICES[:1]} and node.name == "devices":
                yield from (_Made(text, child, whole) for child in node.nodes)


def _aliases(edit: model.DomainEdit) -> Iterator[tuple[Text, int, int]]:
    """The alias names that an edit writes: in which text, and where in it."""
    for text, node, _ in _devices(edit):
        yield from _names_in(text, [child for child in node.nodes if child.name == "alias"])
    if any(place is not None and place[:2] == _DEVICES and len(place) == 3 for place in _places(edit)):
        for text in texts(edit, model.Fragment, Role.INSERTS, Role.MERGES):
            yield from _names_in(text, [node for node in read(_text(text)) if node.name == "alias"])
    ways: list[tuple[Text, Path, tuple[str, ...]]] = [*_made(edit)]
    if not has(edit, Role.MAKES):
        for changed in texts(edit, model.XPath, Role.CHANGES):
            ways += [(changed, one, names(one.steps) or ()) for one in locations_of(changed)]
    for path, location, way in ways:
        if way[:2] != _DEVICES or way[3:4] != ("alias",):
            continue
        if way[-1] == "@name":
            for value in texts(edit, model.Template, Role.VALUE):
                yield value, 0, len(value.text)
        elif has(edit, Role.MAKES):
            for predicate in location.steps[-1].predicates:
                yield from ((path, *place) for place in _compared(predicate))


def _names_in(text: Text, aliases: list[FragmentNode]) -> Iterator[tuple[Text, int, int]]:
    for alias in aliases:
        for name, value, _, at in alias.attributes:
            if name == "name":
                yield text, at, at + len(value)


def _compared(predicate: Expr) -> Iterator[tuple[int, int]]:
    """The text that ``[@name='…']`` makes."""
    match predicate:
        case Binary(operator="=", left=Path() as path, right=Literal() as literal) if names(path.steps) == ("@name",):
            yield literal.start + 1, literal.end - 1


def _written(edit: model.DomainEdit) -> Iterator[tuple[str, str]]:
    """The aliases and MAC addresses that an edit gives to existing devices: to which (or any), and what."""
    for _, _, way in _made(edit):
        device = way[2] if way[:2] == _DEVICES and len(way) > 2 else ""
        yield from ((device, name) for name in way if name in _WHAT)
    for place in _places(edit):
        if place != _DEVICES:
            device = place[2] if place is not None and place[:2] == _DEVICES and len(place) == 3 else ""
            for text in texts(edit, model.Fragment, Role.INSERTS, Role.MERGES):
                yield from ((device, node.name) for node in read(_text(text)) if node.name in _WHAT)
