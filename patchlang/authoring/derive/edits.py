"""Changes to the edits that make them, the way that reads best first."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, TypeAlias

from lxml import etree

from ...libvirt_lists import MERGE_KEYS
from ...record import field, record
from .changes import END, Change, Kind, Place
from .facts import Facts, literal
from .paths import Namespaces, Step, Steps, Wanted, path_of
from .telling import common, families, guard, key_texts, lines, telling, texts_in
from .templates import is_computed, seen_from
from .trees import Element, elements, is_element, values_at

Edit: TypeAlias = dict[str, Any]
"""An edit of a domain as a patch has it; an element of lxml's stands for a fragment, its texts are templates."""

_DEVICES: Steps = (Step("domain"), Step("devices"))
_ROOT: Steps = _DEVICES[:1]


@record(frozen=False, eq=False)
class Group:
    """Changes that belong together, below one element; ``ways`` are edits that make them, the best first."""

    root: Steps
    changes: list[Change]
    when: str | None = None
    loose: bool = False
    apart: bool = False
    whole: Element | None = None
    ways: list[list[Edit]] = field(default_factory=list)
    way: int = 0

    @property
    def edits(self) -> list[Edit]:
        return self.ways[self.way]


def grouped(changes: Iterable[Change], facts: Facts) -> list[Group]:
    """Changes by the part of the domain that they are about, in the order of the first of each.

    Those that depend on the same fields of the VMI are together.
    """
    groups: dict[tuple[object, ...], Group] = {}
    for change in changes:
        root = _root_of(change)
        place = change.place if change.kind is Kind.PUT and len(root) < 3 else None
        key = (path_of(root), place, _presence(change), *facts.needed(texts_in(change.value)))
        groups.setdefault(key, Group(root, [])).changes.append(change)
    return list(groups.values())


def _presence(change: Change) -> tuple[int, ...]:
    return tuple(sorted(change.values))


def _root_of(change: Change) -> Steps:
    steps = change.steps
    depth = 3 if steps[: len(_DEVICES)] == _DEVICES else 2
    return steps[:depth]


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


class Editing:
    """Makes the ways of groups."""

    def __init__(self, namespaces: Namespaces, facts: Facts) -> None:
        self._namespaces = namespaces
        self._facts = facts
        self._loose = False

    def ways(self, group: Group) -> list[list[Edit]]:
        """Lists of edits that may make the changes of a group, each complete, the one that reads best first."""
        self._loose = group.loose
        found: list[list[Edit]] = []
        if (edit := self._qemu_args(group)) is not None:
            return [[self._finished(edit, group)]]
        if any(change.kind in (Kind.SWAP, Kind.MOVE) for change in group.changes):
            ways = [self._apart(group)]
        else:
            ways = [self._merged(group), self._apart(group)]
        found += [way for way in ways if way is not None]
        if group.whole is not None and len(group.root) > 1 and path_of(group.root) != path_of(_DEVICES):
            replaced = [self._marked({"op": "replace", "path": path_of(group.root), "xml": [group.whole]}, group.root)]
            short = bool(found) and min((lines(way) for way in found), default=1000) > lines(replaced) + 1
            found.insert(0 if short else len(found), replaced)
        return [[self._finished(edit, group) for edit in self._inside(way, group)] for way in found if way]

    def _marked(self, edit: Edit, steps: Steps) -> Edit:
        """The edit with a mark that it is for several nodes; what it reads of these starts where the edit does."""
        at = max((number for number, step in enumerate(steps) if step.several), default=None)
        if at is None:
            return edit
        start = next((n for n in range(at, len(steps)) if path_of(steps[:n]) == edit.get("in")), len(steps))
        if edit["op"] == "add" and edit["path"] != path_of(steps):
            start += 1  # beside a child
        return {**{key: _seen_from(value, start - at - 1) for key, value in edit.items()}, "several": True}

    # -- the finish ----------------------------------------------------------------------------------------------------

    def _finished(self, edit: Edit, group: Group) -> Edit:
        if edit.pop("several", False):
            edit["expect"] = "0+" if group.loose else "1+"
        elif group.loose and (edit["op"] in ("set", "merge", "add", "replace", "within") or "in" in edit):
            edit["expect"] = "0..1"
        self._guard(edit, group.when)
        order = ["op", "in", "from", "path", "expect", "when", "unless", "keys", "position", "at", "value", "xml"]
        return {key: edit[key] for key in sorted(edit, key=lambda key: order.index(key) if key in order else 99)}

    def _guard(self, edit: Edit, when: str | None) -> None:
        """Give an edit its condition: what holds for all of its group, and that the fields it reads are there."""
        needed = self._facts.needed(texts_in(edit))
        inner = edit.get("edits", [])
        if any(self._facts.needed(texts_in(one)) != needed for one in inner):
            needed = []
            for one in inner:
                self._guard(one, None)
        conditions = [when, *(one for one in needed if one != when), edit.get("when")]
        if any(conditions):
            edit["when"] = " && ".join(one for one in conditions if one)

    def _inside(self, edits: list[Edit], group: Group) -> list[Edit]:
        """Edits of one node below its path, where that is shorter."""
        base = path_of(group.root)
        if len(edits) < 3 or len(group.root) < 2 or base == path_of(_DEVICES):
            return edits
        inner = []
        several = any(step.several for step in group.root)
        for edit in edits:
            key = "in" if "in" in edit else "from" if "from" in edit else "path"
            path = edit[key]
            if edit["op"] == "qemuArgs" or not (path == base or path.startswith(base + "/")):
                return edits
            inner.append({**edit, key: path[len(base) + 1 :] or "."})
            if several:
                inner[-1].pop("several", None)
        return [{"op": "within", "path": base, "edits": inner, **({"several": True} if several else {})}]

    # -- qemuArgs ------------------------------------------------------------------------------------------------------

    def _qemu_args(self, group: Group) -> Edit | None:
        if not all(change.kind in (Kind.ARGS, Kind.ENV) for change in group.changes):
            return None
        args = next((change.value for change in group.changes if change.kind is Kind.ARGS), None)
        env = {change.name: change.value for change in group.changes if change.kind is Kind.ENV}
        return {"op": "qemuArgs", **({"args": args} if args else {}), **({"env": env} if env else {})}

    # -- one merge -----------------------------------------------------------------------------------------------------

    def _merged(self, group: Group) -> list[Edit] | None:
        """What goes, then what comes in one edit; None where `merge` cannot."""
        gone, made = self._sorted(group)
        if not made:
            return gone
        if len(made) == 1 and (single := self._ensured(made[0])) is not None:
            return [*gone, self._marked(single, made[0].steps)]
        places = {change.place for change in made if change.kind is Kind.PUT}
        places = {place for place in places if place != END} or {END}
        if len(places) > 1:
            return None
        base = common([change.steps for change in made])
        top: dict[str, Element] = {}
        fragment: list[Element] = []
        keys: dict[str, str] = {}
        for change in made:
            if any(not step.built for step in change.steps[len(base) :]):
                return None
            target = self._made_in(fragment, top, change.steps[len(base) :])
            if change.kind is Kind.ATTRIBUTE:
                if target is None:
                    return self._attributes_of_base(gone, made, base)
                target.set(self._clark(change.name[1:]), change.value)
            elif change.kind is Kind.TEXT:
                if target is None or change.value == "":
                    return None
                target.text = change.value
            elif target is None:
                fragment.append(deepcopy(change.value))
            else:
                target.append(deepcopy(change.value))
        if not self._can_merge(base, fragment, keys):
            return None
        edit: Edit = {"op": "merge", "path": path_of(base), "xml": fragment}
        if keys:
            edit["keys"] = keys
        self._place(edit, next(iter(places)))
        return [*gone, self._marked(edit, base)]

    def _attributes_of_base(self, gone: list[Edit], made: list[Change], base: Steps) -> list[Edit] | None:
        """A fragment has no place for the attributes of the element it merges into: merge a step further up."""
        if len(base) < 2 or not base[-1].built or base[-1].several:
            return None
        root = self._element(base[-1])
        for change in made:
            target = root
            for step in change.steps[len(base) :]:
                if not step.built:
                    return None
                target = self._child(target, step)
            if change.kind is Kind.ATTRIBUTE:
                target.set(self._clark(change.name[1:]), change.value)
            elif change.kind is Kind.TEXT and change.value:
                target.text = change.value
            elif change.kind is Kind.PUT and change.place == END:
                target.append(deepcopy(change.value))
            else:
                return None
        if not self._can_merge(base[:-1], [root], {}):
            return None
        return [*gone, {"op": "merge", "path": path_of(base[:-1]), "xml": [root]}]

    def _made_in(self, fragment: list[Element], top: dict[str, Element], steps: Steps) -> Element | None:
        if not steps:
            return None
        first = str(steps[0])
        if first not in top:
            top[first] = self._element(steps[0])
            fragment.append(top[first])
        node = top[first]
        for step in steps[1:]:
            node = self._child(node, step)
        return node

    def _child(self, parent: Element, step: Step) -> Element:
        tag = self._clark(step.name)
        for child in elements(parent):
            if child.tag == tag and all(text in values_at(child, path) for path, text in step.wanted):
                return child
        child = self._element(step)
        parent.append(child)
        return child

    def _element(self, step: Step) -> Element:
        node: Element = etree.Element(self._clark(step.name))
        for path, text in step.wanted:
            *names, last = path.split("/")
            inner = node
            for name in names:
                found = inner.find(self._clark(name))
                inner = etree.SubElement(inner, self._clark(name)) if found is None else found
            if last.startswith("@"):
                inner.set(self._clark(last[1:]), text)
            else:
                etree.SubElement(inner, self._clark(last)).text = text
        return node

    def _can_merge(self, base: Steps, fragment: list[Element], keys: dict[str, str]) -> bool:
        """Whether the elements of a fragment can be told from their like; ``keys`` is given what that needs."""
        parent = base[-1].name if base else ""
        for siblings, name in families(fragment, parent):
            of_a_kind: dict[str, list[Element]] = {}
            for node in siblings:
                of_a_kind.setdefault(node.tag, []).append(node)
            for tag, nodes in of_a_kind.items():
                known = MERGE_KEYS.get(f"{name}/{tag}") or MERGE_KEYS.get(tag)
                if known is not None:
                    if not all(any(all(values_at(n, p) for p in key) for key in known) for n in nodes):
                        return False
                    if len(nodes) > 1 and any(is_computed(text) for n in nodes for text in key_texts(n, known)):
                        continue
                elif len(nodes) > 1:
                    if (told := telling(nodes)) is None:
                        return False
                    keys[self._namespaces.of(tag, None)] = told
        return True

    # -- edit by edit --------------------------------------------------------------------------------------------------

    def _apart(self, group: Group) -> list[Edit] | None:
        gone, made = self._sorted(group)
        found = list(gone)
        for change in made:
            edit = self._single(change)
            if edit is None:
                return None
            found.append(self._marked(edit, change.steps))
        return found

    def _sorted(self, group: Group) -> tuple[list[Edit], list[Change]]:
        """Edits that remove, and the changes that make."""
        gone: list[Edit] = []
        made: list[Change] = []
        for change in group.changes:
            path = path_of(change.steps)
            if change.kind is Kind.DROP:
                gone.append(self._marked({"op": "remove", "path": path}, change.steps))
            elif change.kind is Kind.ATTRIBUTE and change.value is None:
                gone.append(self._marked({"op": "remove", "path": f"{path}/{change.name}"}, change.steps))
            else:
                made.append(change)
        return gone, made

    def _single(self, change: Change) -> Edit | None:
        path = path_of(change.steps)
        match change.kind:
            case Kind.SWAP:
                return {"op": "replace", "path": path, "xml": [change.value]}
            case Kind.MOVE:
                return self._moved(change)
            case Kind.PUT:
                return self._ensured(change) or self._added(change)
            case _:
                return self._ensured(change) or self._set(change)

    def _set(self, change: Change) -> Edit:
        suffix = f"/{change.name}" if change.kind is Kind.ATTRIBUTE else ""
        return {"op": "set", "path": path_of(change.steps) + suffix, "value": change.value}

    def _moved(self, change: Change) -> Edit:
        parent = path_of(change.steps[:-1])
        edit = {"op": "move", "from": path_of(change.steps), "path": parent}
        if change.place == END:
            return edit
        if change.place.position == "prepend":
            return {**edit, "position": "prepend"}
        last = "[last()]" if change.place.position == "after" else "[1]"
        at = change.place.at or ""
        name = change.steps[-1].name
        if at == name:
            own = str(change.steps[-1])[len(name) + 1 : -1]
            at = f"{at}[not({own})]"
        return {**edit, "path": f"{parent}/{at}{last}", "position": change.place.position}

    def _ensured(self, change: Change) -> Edit | None:
        """`ensure`, where the path can be built and there is one value at most."""
        if any(step.several for step in change.steps):
            at = max(number for number, step in enumerate(change.steps) if step.several) + 1
        else:
            at = next((n for n, step in enumerate(change.steps) if not step.is_constructive or not step.built), -1) + 1
        if self._loose and change.steps != _ROOT:
            at = len(change.steps)  # `ensure` would make what is not in every domain
        start, rest = change.steps[:at], change.steps[at:]
        if any(not step.is_constructive or not step.built for step in rest):
            return None
        tail, value = "", change.value
        if change.kind is Kind.ATTRIBUTE:
            tail = change.name
        elif change.kind is Kind.PUT:
            if change.steps == _DEVICES:
                return None  # a device is a fragment, whatever it has
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
        if change.kind is Kind.PUT:
            self._place(edit, change.place)
        return edit

    def _chain(self, node: Element, parent: str) -> tuple[str, str | None] | None:
        """The path that builds an element that has one value at most beside what identifies it, and that value."""
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
        """`add`, not done where what it adds is there."""
        told = guard(change.value, self._namespaces)
        if told is None:
            return None
        parent = path_of(change.steps)
        name, text = told
        edit: Edit = {"op": "add", "path": parent, "xml": [change.value]}
        if text is None:
            edit["unless"] = name
        else:
            edit["when"] = f"!({text} in xpath({literal(f'{parent}/{name}')}))"
        if change.place == END:
            return edit
        if change.place.position == "prepend":
            return {**edit, "position": "prepend"}
        last = "[last()]" if change.place.position == "after" else "[1]"
        at = change.place.at or ""
        at = at if at.endswith("]") else at + last
        edit |= {"path": f"{parent}/{at}", "position": change.place.position}
        if "unless" in edit:
            edit["unless"] = f"../{name}"
        return edit

    def _place(self, edit: Edit, place: Place) -> None:
        if place.position:
            edit["position"] = place.position
        if place.at:
            edit["at"] = place.at

    def _clark(self, name: str) -> str:
        return self._namespaces.clark(name)
