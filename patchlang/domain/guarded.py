"""Edits of a tree that keep it a valid domain: the root stays, and text is valid XML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lxml import etree

from .. import rules
from ..diagnostics import fail
from ..document.model import Position
from ..markup import unusable_character
from ..record import record
from ..source import Span
from ..xpath.match import Match

if TYPE_CHECKING:
    from .tree import DomainTree

LazySpan = Callable[[], Span]


@record(frozen=False)
class Editor:
    """Changes ``tree`` for the edit at ``place``. Every method raises PatchError (PL402, PL406, PL407, PL408).

    Places are computed only for errors: a span inside a scalar is a walk over its text.
    """

    tree: DomainTree
    place: LazySpan

    @property
    def span(self) -> Span:
        return self.place()

    def check_text(self, text: str, place: LazySpan) -> None:
        if bad := unusable_character(text):
            raise fail(rules.UNUSABLE_TEXT, f"the value holds {bad}, which is not allowed in XML", place())

    def set_attribute(self, element: etree._Element, name: str, value: str, place: LazySpan) -> bool:
        self.check_text(value, place)
        return self.tree.set_attribute(element, name, value)

    def remove_attribute(self, element: etree._Element, name: str) -> bool:
        return self.tree.remove_attribute(element, name)

    def rename_attribute(self, element: etree._Element, name: str, to: str) -> bool:
        if name == to:
            return False
        if to in element.attrib:
            shown = self.tree.provenance.name(element, name) or "…"
            message = f"{self._path(element)} has both attributes, `{shown}` and `{to}`"
            raise fail(rules.AMBIGUOUS, message, self.span, "remove one of them first")
        return self.tree.rename_attribute(element, name, to)

    def rename(self, element: etree._Element, tag: str) -> bool:
        if element.tag == tag:
            return False
        if element is self.tree.root:
            raise fail(rules.WRONG_NODE, "the root element must remain `domain`", self.span)
        return self.tree.rename(element, tag)

    def set_text(self, element: etree._Element, text: str, place: LazySpan) -> bool:
        self.check_text(text, place)
        if next(element.iterchildren("*"), None) is not None:
            raise fail(
                rules.NOT_TEXT,
                f"{self._path(element)} has child elements, so its text cannot be set",
                self.span,
                "select the element whose text you mean, or use `replace`",
            )
        return self.tree.set_text(element, text)

    def remove_text(self, owner: etree._Element, tail: bool) -> bool:
        return self.tree.remove_text(owner, tail)

    def insert(self, nodes: Sequence[etree._Element], anchor: etree._Element, position: Position) -> None:
        parent = anchor if position in (Position.APPEND, Position.PREPEND) else anchor.getparent()
        if parent is None:
            inside = "use `position: append` or `prepend`"
            if anchor is self.tree.root:
                raise fail(rules.WRONG_NODE, "nothing can be inserted next to the root", self.span, inside)
            message = "nothing can be inserted next to a copy before the copy is in place"
            raise fail(rules.WRONG_NODE, message, self.span, f"{inside}, or an edit after the `copy`")
        self.tree.insert(nodes, anchor, position)

    def remove(self, element: etree._Element) -> None:
        self._keep_root(element)
        self.tree.remove(element)

    def replace(self, element: etree._Element, nodes: Sequence[etree._Element]) -> None:
        self._keep_root(element)
        self.tree.replace(element, nodes)

    def is_attached(self, element: etree._Element) -> bool:
        """False for an element that an earlier change of the same edit removed along with its surroundings."""
        return self.tree.holds(element)

    def _keep_root(self, element: etree._Element) -> None:
        if element is self.tree.root:
            raise fail(rules.WRONG_NODE, "the root cannot be removed", self.span)
        if element.getparent() is None:
            message = "the copy is not in place yet: its own edits cannot remove it"
            raise fail(rules.WRONG_NODE, message, self.span, "remove the edit, or skip the whole `copy` with `unless`")

    def _path(self, element: etree._Element) -> str:
        return self.tree.provenance.path(Match(element))
