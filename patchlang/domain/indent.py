"""How the elements of a domain are indented, and hence how to indent new ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from ..markup import trailing_indent
from .index import Content, Element

_XML_SPACE = " \t\r\n"


class Indentation:
    """The indentation of the tree under ``root``; ``contents`` has the input content of touched elements.

    ``drafts`` are elements without a final place yet, each with its indentation there.
    """

    def __init__(
        self, root: Element, contents: Mapping[Element, Content], drafts: Mapping[Element, str | None]
    ) -> None:
        self._root = root
        self._contents = contents
        self._drafts = drafts
        self._element_only: dict[Element, bool] = {}

    def forget(self, element: Element | None = None) -> None:
        """Records that the text of this element, or of any element, changed."""
        if element is None:
            self._element_only.clear()
        else:
            self._element_only.pop(element, None)

    def within(self, parent: Element) -> str | None:
        """Line break and indentation of the children of ``parent``; None if white space would be content."""
        if not self.is_element_only(parent):
            return None
        first = edge_child(parent, first=True)
        if first is None:
            own = self._own_indent(parent)
            return None if own is None else own + self.unit
        if "\n" not in (parent.text or "") and first.getnext() is not None:
            return trailing_indent(first.tail)  # a comment, say, is after the start tag
        return trailing_indent(parent.text)

    def _own_indent(self, element: Element) -> str | None:
        parent = element.getparent()
        if element in self._drafts:
            return self._drafts[element]
        if parent is None:
            return "\n" if "\n" in self._root_text() else None
        previous = element.getprevious()
        return trailing_indent(parent.text if previous is None else previous.tail)

    @cached_property
    def unit(self) -> str:
        """One level of indentation: how the root's children are indented in the input."""
        return (trailing_indent(self._root_text()) or "").lstrip("\n")

    def _root_text(self) -> str:
        """The text before the root's first child, in the input."""
        text = self._contents.get(self._root, [self._root.text or ""])[0]
        return text if isinstance(text, str) else ""

    def lay_out(self, node: Element, indent: str) -> None:
        """Lay out the inside of a new element; text content stays as it is."""
        if not isinstance(node.tag, str) or edge_child(node, first=True) is None:
            return
        if _has_text(node):
            return
        inner = indent + self.unit
        node.text = inner
        for child in node:
            self.lay_out(child, inner)
            child.tail = inner
        node[-1].tail = indent

    def is_element_only(self, parent: Element) -> bool:
        """Whether its children have only white space between them."""
        known = self._element_only.get(parent)
        if known is None:
            known = not _has_text(parent)
            self._element_only[parent] = known
        return known


def _has_text(element: Element) -> bool:
    """Whether there is more than white space between its children."""
    return bool("".join([element.text or "", *[child.tail or "" for child in element]]).strip(_XML_SPACE))


def edge_child(parent: Element, *, first: bool) -> Element | None:
    """The first or last child; ``len(parent)`` would count them all."""
    return next(parent.iterchildren(reversed=not first), None)
