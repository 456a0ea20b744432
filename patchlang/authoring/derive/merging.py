"""Several changes as one `merge`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

from lxml import etree

from ...libvirt_lists import MERGE_KEYS
from .changes import END, Change, Kind
from .groups import Edit
from .paths import Namespaces, Step, Steps, path_of
from .singles import Singles, marked, placed
from .telling import common, families, key_texts, telling
from .templates import is_computed
from .trees import Element, elements, values_at


class Merging:
    """Makes one edit of several changes."""

    def __init__(self, namespaces: Namespaces, singles: Singles) -> None:
        self._namespaces = namespaces
        self._singles = singles

    def edits(self, changes: Sequence[Change]) -> list[Edit] | None:
        """An edit for what is removed, then one for all that is created; None if `merge` cannot do it."""
        gone, made = self._singles.split(changes)
        if not made:
            return gone
        if len(made) == 1 and (single := self._singles.ensured(made[0])) is not None:
            return [*gone, marked(single, made[0].steps)]
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
                if not _set(target, {self._clark(change.name[1:]): change.value}):
                    return None
            elif change.kind is Kind.TEXT:
                if target is None or change.value == "":
                    return None
                target.text = change.value
            elif target is None and (known := top.get(str(change.made))) is not None:
                if len(known) or len(change.value) or known.text or not _set(known, change.value.attrib):
                    return None
                known.text = change.value.text
            elif target is None:
                fragment.append(deepcopy(change.value))
                if change.made is not None:
                    top[str(change.made)] = fragment[-1]
            else:
                target.append(deepcopy(change.value))
        if not self._can_merge(base, fragment, keys):
            return None
        edit: Edit = {"op": "merge", "path": path_of(base), "xml": fragment}
        if keys:
            edit["keys"] = keys
        return [*gone, marked(placed(edit, next(iter(places))), base)]

    def _attributes_of_base(self, gone: list[Edit], made: list[Change], base: Steps) -> list[Edit] | None:
        """A fragment cannot hold attributes of the element that it merges into: merge one level further up."""
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
        """Whether the elements of a fragment are distinguishable; adds what is needed for that to ``keys``."""
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

    def _clark(self, name: str) -> str:
        return self._namespaces.clark(name)


def _set(node: Element, attributes: Mapping[str, str]) -> bool:
    """Give an element attributes; False where it has one with another value."""
    if any(node.get(name, text) != text for name, text in attributes.items()):
        return False
    node.attrib.update(attributes)
    return True
