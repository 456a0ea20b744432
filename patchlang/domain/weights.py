"""What elements use of a run's budget, before they are made."""

from __future__ import annotations

from lxml import etree

from .. import budget
from ..values import text_size


def of_built(root: etree._Element) -> int:
    """Building elements like these, outside any tree."""
    size = 0
    for node in root.iter():
        size += budget.BUILT * (1 + len(node.attrib)) + _texts(node)
    return size


def of_new(root: etree._Element) -> int:
    """Putting new elements into the domain."""
    size = 0
    for node in root.iter():
        size += budget.ELEMENT + budget.WRITTEN * _texts(node)
    return size


def _texts(node: etree._Element) -> int:
    size = 0
    for text in (node.text, node.tail, *node.attrib.values()):
        if text:
            size += text_size(str(text))
    return size
