"""Edits of a tree that keep what must stay: the root, what names the domain, and KubeVirt's own aliases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lxml import etree

from .. import rules
from ..diagnostics import PatchError, fail
from ..document.model import Position
from ..markup import unusable_character
from ..record import record
from ..source import Span
from ..xpath.match import node_path
from .tree import DomainTree

LazySpan = Callable[[], Span]

_NAMES = ("name", "uuid")
_WHY_NAMES = "KubeVirt finds the domain by its name and uuid"
_WHY_ALIASES = "KubeVirt finds its devices by their `ua-` aliases"


@record(frozen=False)
class Editor:
    """Changes ``tree`` for the edit at ``place``. Every method raises PatchError (PL402, PL405, PL406, PL407).

    Places are computed when an error needs them: a span inside a scalar is a walk over its text.
    """

    tree: DomainTree
    place: LazySpan
    allow_protected: bool

    @property
    def span(self) -> Span:
        return self.place()

    def check_text(self, text: str, place: LazySpan) -> None:
        if bad := unusable_character(text):
            raise fail(rules.UNUSABLE_TEXT, f"the value holds {bad}, which XML cannot carry", place())

    def set_attribute(self, element: etree._Element, name: str, value: str, place: LazySpan) -> bool:
        self.check_text(value, place)
        if element.get(name) != value:
            self._keep_alias(element, name)
        return self.tree.set_attribute(element, name, value)

    def remove_attribute(self, element: etree._Element, name: str) -> bool:
        self._keep_alias(element, name)
        return self.tree.remove_attribute(element, name)

    def rename_attribute(self, element: etree._Element, name: str, to: str) -> bool:
        if name == to:
            return False
        if to in element.attrib:
            raise fail(
                rules.AMBIGUOUS,
                f"{node_path(element)} has both attributes, `{name}` and `{to}`",
                self.span,
                "remove one of them first",
            )
        self._keep_alias(element, name)
        return self.tree.rename_attribute(element, name, to)

    def rename(self, element: etree._Element, tag: str) -> bool:
        if element.tag == tag:
            return False
        if element is self.tree.root:
            raise fail(rules.WRONG_NODE, "the root stays `domain`", self.span)
        self._keep_alias(element, "name")
        self._keep_names(element)
        if tag in _NAMES and element.getparent() is self.tree.root:
            self._keep_single(tag)
        return self.tree.rename(element, tag)

    def set_text(self, element: etree._Element, text: str, place: LazySpan) -> bool:
        self.check_text(text, place)
        if any(isinstance(child.tag, str) for child in element):
            raise fail(
                rules.NOT_TEXT,
                f"{node_path(element)} has element children, its text is not set",
                self.span,
                "select the element whose text is meant, or use `replace`",
            )
        if (element.text or "") != text:
            self._keep_names(element)
        return self.tree.set_text(element, text)

    def remove_text(self, owner: etree._Element, tail: bool) -> bool:
        self._keep_names(owner.getparent() if tail else owner)
        return self.tree.remove_text(owner, tail)

    def insert(self, nodes: Sequence[etree._Element], anchor: etree._Element, position: Position) -> None:
        parent = anchor if position in (Position.APPEND, Position.PREPEND) else anchor.getparent()
        if parent is None:
            raise fail(
                rules.WRONG_NODE, "nothing can stand beside the root", self.span, "use `position: append` or `prepend`"
            )
        self._keep_names(parent)
        if parent is self.tree.root:
            for node in nodes:
                if node.tag in _NAMES:
                    self._keep_single(str(node.tag))
        self.tree.insert(nodes, anchor, position)

    def remove(self, element: etree._Element) -> None:
        self._keep_in_place(element)
        self.tree.remove(element)

    def replace(self, element: etree._Element, nodes: Sequence[etree._Element]) -> None:
        same_alias = any(n.tag == "alias" and n.get("name") == element.get("name") for n in nodes)
        if element is self.tree.root or not (element.tag == "alias" and same_alias):
            self._keep_in_place(element)
        self.tree.replace(element, nodes)

    def is_attached(self, element: etree._Element) -> bool:
        """False for an element that an earlier change of the same edit took out with what is around it."""
        return element is self.tree.root or any(a is self.tree.root for a in element.iterancestors())

    def _keep_in_place(self, element: etree._Element) -> None:
        if element is self.tree.root:
            raise fail(rules.WRONG_NODE, "the root stays", self.span)
        self._keep_alias(element, "name")
        self._keep_names(element)

    def _keep_alias(self, element: etree._Element, attribute: str) -> None:
        if self.allow_protected or element.tag != "alias" or attribute != "name":
            return
        if (element.get("name") or "").startswith("ua-"):
            raise self._protected(f"{node_path(element)} names a device of KubeVirt's", _WHY_ALIASES)

    def _keep_names(self, element: etree._Element | None) -> None:
        if self.allow_protected or element is None or element.tag not in _NAMES:
            return
        if element.getparent() is self.tree.root:
            raise self._protected(f"{node_path(element)} is protected", _WHY_NAMES)

    def _keep_single(self, tag: str) -> None:
        if not self.allow_protected and self.tree.root.find(tag) is not None:
            raise self._protected(f"a second `{tag}` cannot be put into the domain", _WHY_NAMES)

    def _protected(self, message: str, why: str) -> PatchError:
        return fail(
            rules.PROTECTED, f"{message}; {why}", self.span, "if you are sure, add `allowProtected: true` to the edit"
        )
