"""Nodes that a path selected, and their names for messages."""

from __future__ import annotations

from typing import Any, NamedTuple

from lxml import etree


class Match(NamedTuple):
    """A node that a path selected: an element; with ``attribute`` (Clark name) that attribute of it; with ``text``
    the text before its first child (``text``) or after it (``tail``)."""

    element: etree._Element
    attribute: str | None = None
    text: str | None = None

    @property
    def is_element(self) -> bool:
        return self.attribute is None and self.text is None

    @property
    def context(self) -> etree._Element:
        """Where ``unless`` and ``xpath()`` start: the element itself, or the one that holds the attribute or text."""
        if self.text == "tail":
            parent = self.element.getparent()
            return self.element if parent is None else parent
        return self.element


def local_name(name: object) -> str:
    """A name in Clark notation without its namespace."""
    return str(name).rsplit("}", 1)[-1]


def string_value(node: Any) -> str:
    """The string value of a node (XPath 1.0 section 5)."""
    if isinstance(node, etree._Element):
        if isinstance(node.tag, str):
            return "".join(map(str, node.itertext(etree.Element)))
        return node.text or ""
    return str(node)


def node_path(element: etree._Element) -> str:
    """The path of an element for messages: ``/domain/devices/disk[2]``, with known prefixes."""
    path = element.getroottree().getpath(element)
    if "*" not in path:  # which libxml2 writes for names in a default namespace
        return path
    steps: list[str] = []
    node: etree._Element | None = element
    while node is not None:
        tag = node.tag
        if isinstance(tag, str):
            name = etree.QName(node).localname if tag.startswith("{") else tag
            shown = f"{node.prefix}:{name}" if tag.startswith("{") and node.prefix else name
            before = sum(1 for _ in node.itersiblings(tag, preceding=True))
            alone = before == 0 and next(node.itersiblings(tag), None) is None
            steps.append(shown if alone else f"{shown}[{before + 1}]")
        node = node.getparent()
    return "/" + "/".join(reversed(steps))


def match_path(match: Match) -> str:
    """As :func:`node_path`, for any match."""
    path = node_path(match.context if match.text else match.element)
    if match.attribute is not None:
        return f"{path}/@{match.attribute.rsplit('}', 1)[-1]}"
    return f"{path}/text()" if match.text else path
