"""Advice on devices that KubeVirt cannot read, and on aliases that libvirt does not keep.

KubeVirt reads the alias of every disk, interface and hostdev, and the MAC address of every interface, without asking
whether there is one. libvirt keeps the aliases that :data:`USER_ALIAS` describes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from .. import rules
from ..diagnostics import Diagnostic
from ..document import model
from ..document.model import Role
from ..libvirt_lists import MERGE_KEYS
from ..lint.fragments import FragmentNode, read
from ..lint.reading import advice, filled, locations_of, names
from ..lint.roles import anchors, has, is_beside, texts
from ..patterns import pattern
from ..source import Text
from ..xpath.tree import Binary, Expr, Literal, Path

USER_ALIAS = pattern(r"ua-[A-Za-z0-9_-]*")

# stands for each character of what is computed
_COMPUTED = "\ue000"
# an alias as far as it is written: what is computed may be anything
_MAY_BE_USERS = pattern(rf"(?:ua-|ua{_COMPUTED}|u{_COMPUTED}|{_COMPUTED})[A-Za-z0-9_{_COMPUTED}-]*")
_READ = {
    "disk": (("alias", "name"),),
    "hostdev": (("alias", "name"),),
    "interface": (("alias", "name"), ("mac", "address")),
}
_DEVICES = ("domain", "devices")
_WHAT = {"alias": "the alias", "mac": "the MAC address"}
_WRITE = {"alias": '<alias name="ua-…"/>', "mac": '<mac address="…"/>'}


class _Made(NamedTuple):
    """A device that an edit makes or writes to, as it is written in a fragment."""

    text: Text
    node: FragmentNode
    whole: bool


def unreadable(patch: model.Patch) -> Iterator[Diagnostic]:
    """A disk, interface or hostdev that is made without the alias or the MAC address that KubeVirt reads.

    What ``merge`` writes is taken for a device of its own where it has a ``source``: else one that is there is changed.
    Where another edit of the patch makes one, that is taken for the missing one.
    """
    written = [set(_written(edit)) for edit in patch.spec.domain]
    times = Counter(name for names in written for name in names)
    for edit, own in zip(patch.spec.domain, written, strict=True):
        others = {name for name in times if times[name] > (name in own)}
        for text, node, whole in _devices(edit):
            if not whole and not any(child.name == "source" for child in node.nodes):
                continue
            for child, attribute in _READ.get(node.name, ()):
                if child not in others and not _has(node, child, attribute):
                    message = f"KubeVirt reads {_WHAT[child]} of every {node.name}, and crashes on one without"
                    span = text.span(node.start, node.start + len(node.name))
                    yield advice(patch, rules.UNREADABLE_DEVICE, message, span, f"write `{_WRITE[child]}` into it")


def dropped_alias(patch: model.Patch) -> Iterator[Diagnostic]:
    """An alias of a device that libvirt drops, so that run 2 of a boot does not find the device by it."""
    for edit in patch.spec.domain:
        for text, start, end in _aliases(edit):
            written = _text(text)[start:end]
            if written and not _MAY_BE_USERS.fullmatch(written):
                shown = text.text[start:end]
                message = f"libvirt drops the alias `{shown}`: run 2 of a boot does not find the device by it"
                help = "an alias that stays begins with `ua-` and has letters, digits, `-` and `_` only"
                yield advice(patch, rules.DROPPED_ALIAS, message, text.span(start, end), help)


def _text(text: Text) -> str:
    return filled(text, lambda piece: _COMPUTED * (piece.end - piece.at))


def _has(node: FragmentNode, name: str, attribute: str) -> bool:
    return any(child.name == name and any(one[0] == attribute for one in child.attributes) for child in node.nodes)


def _places(edit: model.DomainEdit) -> Iterator[tuple[str, ...] | None]:
    """The elements into which an edit's fragments go, by their names; None where nobody can tell."""
    for text in anchors(edit):
        for path in locations_of(text):
            steps = path.steps[:-1] if is_beside(edit) else path.steps
            place = names(steps)
            last = path.steps[-1].test if path.steps else ""
            if place is None and is_beside(edit) and f"devices/{last}" in MERGE_KEYS:
                place = _DEVICES  # `//disk` stands there
            yield place


def _devices(edit: model.DomainEdit) -> Iterator[_Made]:
    """The devices in an edit's fragments; ``whole``: none that is there is merged with it."""
    whole = not has(edit, Role.MERGES)
    into = set(_places(edit))
    for text in texts(edit, model.Fragment, Role.INSERTS, Role.MERGES):
        for node in read(_text(text)):
            if into == {_DEVICES}:
                yield _Made(text, node, whole)
            elif into == {_DEVICES[:1]} and node.name == "devices":
                yield from (_Made(text, child, whole) for child in node.nodes)


def _aliases(edit: model.DomainEdit) -> Iterator[tuple[Text, int, int]]:
    """The names of aliases that an edit writes: in which text, and where in it."""
    for text, node, _ in _devices(edit):
        yield from _names_in(text, [child for child in node.nodes if child.name == "alias"])
    if any(place is not None and place[:2] == _DEVICES and len(place) == 3 for place in _places(edit)):
        for text in texts(edit, model.Fragment, Role.INSERTS, Role.MERGES):
            yield from _names_in(text, [node for node in read(_text(text)) if node.name == "alias"])
    made = texts(edit, model.ConstructivePath, Role.MAKES)
    changed = texts(edit, model.XPath, Role.CHANGES)
    around = [names(location.steps) for path in changed for location in locations_of(path)] if made else []
    for path in (*made, *([] if made else changed)):
        for location in locations_of(path):
            steps = names(location.steps) or ()
            ways = [steps] if location.absolute or not around else [(*above, *steps) for above in around if above]
            if not ways or any(way[:2] != _DEVICES or way[3:4] != ("alias",) for way in ways):
                continue
            if steps[-1] == "@name":
                for value in texts(edit, model.Template, Role.VALUE):
                    yield value, 0, len(value.text)
            elif made:
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


def _written(edit: model.DomainEdit) -> Iterator[str]:
    """Whether an edit writes aliases or MAC addresses of devices that are there: the names of these."""
    for path in texts(edit, model.ConstructivePath, Role.MAKES):
        for location in locations_of(path):
            yield from (name for name in names(location.steps) or () if name in _WHAT)
    if any(place != _DEVICES for place in _places(edit)):
        for text in texts(edit, model.Fragment, Role.INSERTS, Role.MERGES):
            yield from (node.name for node in read(_text(text)) if node.name in _WHAT)
