"""The op ``merge``: merges elements of a fragment into existing ones; keys distinguish list entries."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from lxml import etree

from .. import rules
from ..diagnostics import fail
from ..document.model import Position
from ..record import record
from ..xpath.match import Match, local_name
from .guarded import Editor
from .mergekeys import Keys, check_built
from .ops import FragmentOp
from .placement import Placement

if TYPE_CHECKING:
    from ..run_scope import Scope


@record
class MergeOp(FragmentOp):
    keys: Keys
    place: Placement
    name = "merge"

    def values(self, matches: list[Match], scope: Scope) -> Iterable[tuple[Match, Any]]:
        return [(match, (nodes, scope)) for match, nodes in FragmentOp.values(self, matches, scope)]

    def change(self, edit: Editor, match: Match, value: tuple[list[etree._Element], Scope]) -> bool:
        nodes, scope = value
        check_built(self.keys, local_name(match.element.tag), nodes, self.fragment.source.span)
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
            if edit.tree.origins is not None:
                edit.tree.origins.built_as(node, last)
            edit.insert([last], anchor, position)
            changed = True
        return changed

    def _merge(self, edit: Editor, target: etree._Element, fragment: etree._Element, scope: Scope) -> bool:
        changed = False
        place = self.fragment.source.span
        for name, value in fragment.attrib.items():
            if edit.tree.origins is not None:
                edit.tree.origins.handed_on(fragment, str(name), target)
            changed |= edit.set_attribute(target, str(name), str(value), place)
        children = [c for c in fragment if isinstance(c.tag, str)]
        if not children and (fragment.text or "").strip():
            if edit.tree.origins is not None:
                edit.tree.origins.handed_on(fragment, None, target)
            changed |= edit.set_text(target, fragment.text or "", place)
        return self._merge_all(edit, target, children, scope) or changed

    def _counterpart(self, edit: Editor, parent: etree._Element, fragment: etree._Element) -> etree._Element | None:
        """The child of ``parent`` that the fragment element corresponds to; None if there is none."""
        tag = str(fragment.tag)
        key = self.keys.key(local_name(parent.tag), fragment, self.fragment.source.span)
        wanted = self.keys.values(fragment, key)
        found = [c for c in parent.iterchildren(tag) if self.keys.values(c, key) == wanted]
        if len(found) > 1:
            from ..xpath.explain import ambiguous

            raise fail(
                rules.AMBIGUOUS,
                ambiguous(local_name(tag), found, edit.tree.provenance),
                edit.span,
                f"set `keys: {{{local_name(tag)}: …}}` to distinguish them",
            )
        return found[0] if found else None
