"""One change as one edit."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from ...libvirt_lists import MERGE_KEYS
from .changes import Change, Kind, Place
from .facts import literal
from .groups import DEVICES, ROOT, Edit
from .paths import Namespaces, Step, Steps, Wanted, path_of
from .telling import guard
from .templates import is_computed, seen_from
from .trees import Element, is_element


class Singles:
    """Makes the edits of single changes; ``loose``: what they change is not in every domain."""

    def __init__(self, namespaces: Namespaces, *, loose: bool) -> None:
        self._namespaces = namespaces
        self._loose = loose

    def edits(self, changes: Sequence[Change]) -> list[Edit] | None:
        """An edit for each change; None if there is none for one of them."""
        found, made = self.split(changes)
        for change in made:
            edit = self._edit(change)
            if edit is None:
                return None
            found.append(marked(edit, change.steps))
        return found

    def split(self, changes: Sequence[Change]) -> tuple[list[Edit], list[Change]]:
        """Edits that remove nodes, and the changes that they make."""
        gone: list[Edit] = []
        made: list[Change] = []
        for change in changes:
            path = path_of(change.steps)
            if change.kind is Kind.DROP:
                gone.append(marked({"op": "remove", "path": path}, change.steps))
            elif change.kind is Kind.ATTRIBUTE and change.value is None:
                gone.append(marked({"op": "remove", "path": f"{path}/{change.name}"}, change.steps))
            else:
                made.append(change)
        return gone, made

    def _edit(self, change: Change) -> Edit | None:
        path = path_of(change.steps)
        match change.kind:
            case Kind.SWAP:
                return {"op": "replace", "path": path, "xml": [change.value]}
            case Kind.MOVE:
                return self._moved(change)
            case Kind.PUT:
                return self.ensured(change) or self._added(change)
            case _:
                return self.ensured(change) or self._set(change)

    def _set(self, change: Change) -> Edit:
        suffix = f"/{change.name}" if change.kind is Kind.ATTRIBUTE else ""
        return {"op": "set", "path": path_of(change.steps) + suffix, "value": change.value}

    def _moved(self, change: Change) -> Edit:
        *parent, moved = change.steps
        return {"op": "move", "from": path_of(change.steps), **_beside(path_of(parent), change.place, moved)}

    def ensured(self, change: Change) -> Edit | None:
        """`ensure`, if it can build the path and there is at most one value."""
        if any(step.several for step in change.steps):
            at = max(number for number, step in enumerate(change.steps) if step.several) + 1
        else:
            at = next((n for n, step in enumerate(change.steps) if not step.is_constructive or not step.built), -1) + 1
        if self._loose and change.steps != ROOT:
            at = len(change.steps)  # `ensure` would create what not every domain has
        start, rest = change.steps[:at], change.steps[at:]
        if any(not step.is_constructive or not step.built for step in rest):
            return None
        tail, value = "", change.value
        if change.kind is Kind.ATTRIBUTE:
            tail = change.name
        elif change.kind is Kind.PUT:
            if change.steps == DEVICES:
                return None  # a device is always a fragment
            built = self._chain(change.value, change.steps[-1].name)
            if built is None:
                return None
            tail, value = built
        path = "/".join([*map(str, rest), *([tail] if tail else [])])
        if not path:
            return None
        edit: Edit = {"op": "ensure", "path": path if start else f"/{path}"}
        if start:
            edit["in"] = path_of(start)
        if value is not None:
            edit["value"] = value
        return placed(edit, change.place) if change.kind is Kind.PUT else edit

    def _chain(self, node: Element, parent: str) -> tuple[str, str | None] | None:
        """The path that builds an element with at most one value besides its identification, and that value."""
        if not is_element(node) or any(not is_element(child) for child in node) or len(node) > 1:
            return None
        known = MERGE_KEYS.get(f"{parent}/{node.tag}") or MERGE_KEYS.get(node.tag)
        wanted: Wanted = ()
        rest = dict(node.attrib)
        if known is not None:
            key = next((k for k in known if k and all(p.startswith("@") and p[1:] in rest for p in k)), None)
            if key is None:
                return None
            wanted = tuple((path, rest.pop(path[1:])) for path in key)
        values = [(f"@{self._namespaces.of(name, None)}", text) for name, text in rest.items()]
        if any("'" in text or is_computed(text) for _, text in wanted):
            return None
        step = str(Step(self._namespaces.name(node), wanted))
        if len(node):
            inner = self._chain(node[0], node.tag)
            return None if inner is None or values or node.text else (f"{step}/{inner[0]}", inner[1])
        if node.text:
            return None if values else (step, node.text)
        if len(values) > 1:
            return None
        return (f"{step}/{values[0][0]}", values[0][1]) if values else (step, None)

    def _added(self, change: Change) -> Edit | None:
        """`add`, guarded by the element that it adds."""
        told = guard(change.value, self._namespaces)
        if told is None:
            return None
        parent = path_of(change.steps)
        name, text = told
        edit: Edit = {"op": "add", **_beside(parent, change.place), "xml": [change.value]}
        if text is None:
            edit["unless"] = name if edit["path"] == parent else f"../{name}"
        else:
            edit["when"] = f"!({text} in xpath({literal(f'{parent}/{name}')}))"
        return edit


def placed(edit: Edit, place: Place) -> Edit:
    """The edit with the place of what it makes, as `ensure` and `merge` have it."""
    return {**edit, **{key: value for key, value in (("position", place.position), ("at", place.at)) if value}}


def _beside(parent: str, place: Place, moved: Step | None = None) -> Edit:
    """The path and position of a node that is put into a parent, as `add` and `move` write them."""
    if place.at is None:
        return {"path": parent, **({"position": place.position} if place.position else {})}
    at, only = place.at, "[last()]" if place.position == "after" else "[1]"
    if moved is not None and at == moved.name:
        at += f"[not({str(moved)[len(at) + 1 : -1]})]{only}"
    elif not at.endswith("]"):
        at += only
    return {"path": f"{parent}/{at}", "position": place.position}


def marked(edit: Edit, steps: Steps) -> Edit:
    """The edit, marked as one for several nodes; what it reads from these nodes starts where the edit does."""
    at = max((number for number, step in enumerate(steps) if step.several), default=None)
    if at is None:
        return edit
    start = next((n for n in range(at, len(steps)) if path_of(steps[:n]) == edit.get("in")), len(steps))
    if edit["op"] == "add" and edit["path"] != path_of(steps):
        start += 1  # next to a child
    return {**{key: _seen_from(value, start - at - 1) for key, value in edit.items()}, "several": True}


def _seen_from(value: Any, depth: int) -> Any:
    """A part of an edit in which what starts at a node starts so many levels below it."""
    if isinstance(value, str):
        return seen_from(value, depth)
    if not isinstance(value, list):
        return value
    found = deepcopy(value)
    for node in (inner for one in found for inner in one.iter("*")):
        node.attrib.update({name: seen_from(text, depth) for name, text in node.attrib.items()})
        node.text = node.text and seen_from(node.text, depth)
    return found
