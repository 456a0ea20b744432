"""Where ``ensure`` and ``merge`` put what they create."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from .. import rules
from ..diagnostics import fail
from ..document.model import Position
from ..record import record
from ..xpath.match import Match
from ..xpath.query import Selector

if TYPE_CHECKING:
    from ..run_scope import Scope
    from .tree import DomainTree


@record
class Placement:
    """An edge of the parent, or with ``at`` the place before the first, or after the last, of those children."""

    position: Position
    at: Selector | None

    def find(self, tree: DomainTree, scope: Scope, parent: etree._Element) -> tuple[etree._Element, Position]:
        """The anchor and the position relative to it, for new children of an element. Raises PatchError (PL402)."""
        if self.at is None:
            return parent, self.position
        found = self.at.select(tree.document, scope, parent)
        for match in found:
            if not match.is_element or match.element.getparent() is not parent:
                shown = tree.provenance.path
                message = f"`at` selects {shown(match)}, which is not a child of {shown(Match(parent))}"
                help = "`at` starts at the parent of the new element, and must select its children"
                raise fail(rules.WRONG_NODE, message, self.at.source.span(), help)
        if not found:
            return parent, Position.APPEND
        return found[0 if self.position is Position.BEFORE else -1].element, self.position
