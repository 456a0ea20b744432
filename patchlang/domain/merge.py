"""The op ``merge``: elements of a fragment merged into what is there, list entries told apart by keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from lxml import etree

from .. import rules
from ..diagnostics import fail
from ..document.model import Position
from ..libvirt_lists import MERGE_KEYS, Key
from ..record import record
from ..run_scope import Scope
from ..xpath.explain import ambiguous
from ..xpath.match import Match, local_name, string_value
from .guarded import Editor
from .ops import FragmentOp
from .placement import Placement


@record
class MergeOp(FragmentOp):
    """``keys`` override the built-in table, by element name (Clark notation) or ``parent/name``."""

    keys: Mapping[str, tuple[Key, ...]]
    namespaces: tuple[tuple[str, str], ...]
    place: Placement
    name = "merge"

    def values(self, matches: list[Match], scope: Scope) -> Iterable[tuple[Match, Any]]:
        return [(match, (nodes, scope)) for match, nodes in FragmentOp.values(self, matches, scope)]

    def change(self, edit: Editor, match: Match, value: tuple[list[etree._Element], Scope]) -> bool:
        nodes, scope = value
        self.check(match.element, nodes)
        return self._merge_all(edit, match.element, nodes, scope)

    def _merge_all(self, edit: Editor, parent: etree._Element, nodes: Iterable[etree._Element], scope: Scope) -> bool:
        changed = False
        last: etree._Element | None = None
        for node in nodes:
            if not isinstance(node.tag, str):
                continue
            target = self._counterpart(edit, parent, node)
            if target is not None:
                changed |= self._merge(edit, target, node, scope)
                continue
            anchor, position = (last, Position.AFTER) if last is not None else self.place.find(edit.tree, scope, parent)
            last = deepcopy(node)
            last.tail = None
            edit.insert([last], anchor, position)
            changed = True
        return changed

    def check(self, parent: etree._Element | None, siblings: list[etree._Element]) -> None:
        """Siblings of one name in the fragment must be told apart, else the next run could not tell them apart either.

        Raises PatchError (PL408).
        """
        seen: set[tuple[str, tuple[str | None, ...]]] = set()
        for node in siblings:
            if not isinstance(node.tag, str):
                continue
            key = self._key(parent, node)
            identity = (node.tag, tuple(self._value(node, path) for path in key))
            if identity in seen:
                told = f" with this {' and '.join(f'`{path}`' for path in key)}" if key else ""
                message = f"`{local_name(node.tag)}`{told} stands twice in the fragment"
                help = f"say with `keys: {{{local_name(node.tag)}: …}}` what tells them apart, or use `add`"
                raise fail(rules.AMBIGUOUS, message, self.fragment.source.span(), help)
            seen.add(identity)
            self.check(node, list(node))

    def _key(self, parent: etree._Element | None, node: etree._Element) -> Key:
        """The paths that tell the node apart from its like; empty where there is only one of its name."""
        keys = self._keys(parent, str(node.tag))
        if keys is None:
            return ()
        key = next((k for k in keys if all(self._value(node, path) is not None for path in k)), None)
        if key is None:
            names = " or ".join(" and ".join(f"`{path}`" for path in k) for k in keys)
            message = f"`{local_name(node.tag)}` in the fragment lacks the key that tells its like apart: {names}"
            help = "add it, or say with `keys` what tells them apart"
            raise fail(rules.AMBIGUOUS, message, self.fragment.source.span(), help)
        return key

    def _merge(self, edit: Editor, target: etree._Element, fragment: etree._Element, scope: Scope) -> bool:
        changed = False
        place = self.fragment.source.span
        for name, value in fragment.attrib.items():
            changed |= edit.set_attribute(target, str(name), str(value), place)
        children = [c for c in fragment if isinstance(c.tag, str)]
        if not children and (fragment.text or "").strip():
            changed |= edit.set_text(target, fragment.text or "", place)
        return self._merge_all(edit, target, children, scope) or changed

    def _counterpart(self, edit: Editor, parent: etree._Element, fragment: etree._Element) -> etree._Element | None:
        """The child of ``parent`` that the fragment element stands for; None where there is none."""
        tag = str(fragment.tag)
        key = self._key(parent, fragment)
        wanted = [self._value(fragment, path) for path in key]
        found = [c for c in parent.iterchildren(tag) if [self._value(c, path) for path in key] == wanted]
        if len(found) > 1:
            raise fail(
                rules.AMBIGUOUS,
                ambiguous(local_name(tag), found, edit.tree.provenance),
                edit.span,
                f"say with `keys: {{{local_name(tag)}: …}}` what tells them apart",
            )
        return found[0] if found else None

    def _keys(self, parent: etree._Element | None, tag: str) -> tuple[Key, ...] | None:
        names = [tag] if parent is None else [f"{local_name(parent.tag)}/{tag}", tag]
        for table in (self.keys, MERGE_KEYS):
            for name in names:
                if name in table:
                    return table[name]
        return None

    def _value(self, element: etree._Element, path: str) -> str | None:
        found = _evaluator(path, self.namespaces)(element)
        if isinstance(found, list):
            return string_value(found[0]) if found else None
        return str(found)


@lru_cache(maxsize=256)
def _evaluator(path: str, namespaces: tuple[tuple[str, str], ...]) -> etree.XPath:
    return etree.XPath(path, namespaces=dict(namespaces), regexp=False)
