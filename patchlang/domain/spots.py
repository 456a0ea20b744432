"""The places of matched nodes in the bytes of the input, for callers that show them there."""

from __future__ import annotations

from ..markup import attribute_spans
from ..result import Spot
from ..xpath.match import Match, local_name
from .index import Index


def spot(index: Index, match: Match) -> Spot:
    """The offsets of a node of the input, the second exclusive.

    For an attribute that edits have made, the offsets of the start tag; for a text after a node, those of that node.
    """
    element = match.element
    if match.text == "text":
        return index.content(element)
    if match.attribute is None:
        return index.start(element), index.end(element)
    start, tag = index.start(element), index.start_tag(element)
    local = local_name(match.attribute)
    for name, (begin, end) in attribute_spans(tag):
        if name.rpartition(":")[2] == local:
            return start + begin, start + end
    return start, start + len(tag)
