"""Where matched nodes stand in the bytes of the input, for who shows them there."""

from __future__ import annotations

from ..markup import attribute_spans
from ..result import Spot
from ..xpath.match import Match, local_name
from .index import Index


def spot(index: Index, match: Match) -> Spot:
    """The offsets of a node that stood in the input, the second exclusive.

    Of an attribute that edits have made, they are those of the start tag, of a text behind a node those of that node.
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
