"""Completion and hover in patches, for an editor in a browser."""

from __future__ import annotations

from ..completion.core import complete, hover
from .offsets import characters_of_utf16, utf16_of_characters
from .request import Json, RequestError, item

MOST_ITEMS = 1000
LONGEST_TEXT = 1 << 20


def completions(asked: Json) -> Json:
    """The completions at ``offset`` of ``text``: ``items``, each of which replaces ``from`` to ``to``."""
    text, at = _place(asked)
    found = complete(text, at)
    offsets = utf16_of_characters(text, (found.start, found.end))
    items = [
        {"label": one.label, "kind": one.kind.value, "insert": one.insert, "detail": one.detail}
        for one in found.items[:MOST_ITEMS]
    ]
    return {"items": items, "from": offsets[found.start], "to": offsets[found.end]}


def hovered(asked: Json) -> Json:
    """The hover text (Markdown) at ``offset`` of ``text``; the answer's ``text`` is null if there is none."""
    text, at = _place(asked)
    found = hover(text, at)
    if found is None:
        return {"text": None}
    offsets = utf16_of_characters(text, (found.start, found.end))
    return {"text": found.text, "from": offsets[found.start], "to": offsets[found.end]}


def _place(asked: Json) -> tuple[str, int]:
    text = item(asked, "text", str)
    if len(text) > LONGEST_TEXT:
        raise RequestError("the text is too long for completion")
    return text, characters_of_utf16(text, item(asked, "offset", int))
