"""What the completion core answers with: plain data, for any editor."""

from __future__ import annotations

from enum import Enum

from ...record import record


class Kind(Enum):
    """What an item is, so that an editor can show it as such."""

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
    """Something that may be written. ``insert`` is the text to put in; ``detail`` says in a few words what it is."""

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
    """What is to be said (Markdown) about the characters ``start`` to ``end`` of the text."""

    text: str
    start: int
    end: int
