"""What the completion core returns: plain data, for any editor."""

from __future__ import annotations

from enum import Enum

from ...record import record


class Kind(Enum):
    """The kind of an item, so that an editor can show a symbol for it."""

    KEY = "key"
    OP = "op"
    VALUE = "value"
    ELEMENT = "element"
    ATTRIBUTE = "attribute"
    AXIS = "axis"
    FIELD = "field"
    VARIABLE = "variable"
    FUNCTION = "function"
    METHOD = "method"
    RULE = "rule"


@record
class Item:
    """A completion. ``insert`` is the text to insert; ``detail`` is a short description."""

    label: str
    kind: Kind
    insert: str
    detail: str = ""


@record
class Completions:
    """``items`` in a useful order; each replaces the characters ``start`` to ``end`` of the text."""

    items: tuple[Item, ...]
    start: int
    end: int


@record
class Hover:
    """The hover text (Markdown) for the characters ``start`` to ``end`` of the text."""

    text: str
    start: int
    end: int
