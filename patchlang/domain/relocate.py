"""The ops ``move`` and ``copy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from .. import rules
from ..diagnostics import fail
from ..document.model import Position
from ..record import record
from ..result import Effect
from ..xpath.match import Match
from .guarded import Editor
from .ops import Targets, only_elements
from .within import Edits, run_inside

if TYPE_CHECKING:
    from ..run_scope import Scope
    from .tree import DomainTree


@record
class RelocateOp:
    """``move`` and, with ``copies``, ``copy``, which runs ``edits`` in each copy before it is put in place.

    Without a destination each goes right after its original.
    """

    source: Targets
    destination: Targets | None
    position: Position
    copies: bool
    edits: Edits

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        op = "copy" if self.copies else "move"
        traces = scope.inner
        effect, edit = Effect(), Editor(tree, (self.destination or self.source).selector.source.span)
        nodes = only_elements(self.source.find(tree, scope, effect), self.source.selector.source, op)
        if not nodes:
            return effect
        anchor = self._anchor(tree, scope, op)
        for node in nodes:
            inside = self.position in (Position.APPEND, Position.PREPEND)
            if (
                anchor is not None
                and not self.copies
                and (node in anchor.iterancestors() or (inside and node is anchor))
            ):
                where = tree.provenance.path(Match(node))
                raise fail(rules.WRONG_NODE, f"an element cannot be moved into itself: {where}", edit.span)
        position = self.position
        from_source = Editor(tree, self.source.selector.source.span)
        for index, node in enumerate(nodes):
            if node is anchor and not self.copies:
                position = Position.AFTER
                continue
            place = (node, Position.AFTER) if anchor is None else (anchor, position)
            if not self.copies:
                placed = node
                from_source.remove(node)
            elif not self.edits:
                placed = tree.copy(node)
            else:
                placed = tree.draft(node, *place)
                scope.inner = traces
                run_inside(self.edits, placed, index, tree, scope)
                if not edit.is_attached(place[0]) or placed in (place[0], *place[0].iterancestors()):
                    message = "an edit in the copy removes the copy's destination"
                    raise fail(rules.WRONG_NODE, message, edit.span, "remove that in a separate edit after this one")
            edit.insert([placed], *place)
            if anchor is not None:
                anchor, position = placed, Position.AFTER
            effect.changed += 1
        return effect

    def _anchor(self, tree: DomainTree, scope: Scope, op: str) -> etree._Element | None:
        if self.destination is None:
            return None
        [anchor] = only_elements(self.destination.find(tree, scope, Effect()), self.destination.selector.source, op)
        return anchor
