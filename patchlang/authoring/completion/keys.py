"""Completion of keys, and of values that must be one of some words."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_origin

from ...document import model
from ...document.decode import NOT_TAKEN
from ...document.field_help import field_help
from ...document.keys import model_fields
from ...patchtest.model import Case, Refusal
from ...record import is_record
from ...schema import first_paragraph, options
from ...source import Text
from .comments import rule_item
from .model import Item, Kind
from .slots import BASES, KINDS, OP, TOP, Slot, is_record_of_keys

_TOP_HELP = {"apiVersion": "The version of the language.", "kind": "The kind of the document."}
_OP_HELP = "What the edit does."
_COUNTS = {
    "0..1": "none or one", "0+": "any number", "1+": "one or more", "1": "exactly one", "0": "none",
}  # fmt: skip


def keys(slot: Slot) -> Iterator[Item]:
    """The keys that are missing: those of the op before those of every edit, required ones first."""
    written = {one.key for one in slot.mapping.entries if one is not slot.marked} if slot.mapping else set()
    if slot.hint in model.OPS:
        if OP not in written:
            yield from ops(slot.hint, "op: ")
        yield from _of_record(BASES[slot.hint], written)
        return
    if not is_record_of_keys(slot.hint):
        return
    if slot.hint in KINDS.values():
        for key in TOP:
            if key not in written:
                yield _key(key, "", _TOP_HELP[key])
    elif slot.edits and slot.edits[-1].cls is slot.hint and OP not in written:
        yield _key(OP, "", _OP_HELP)
    yield from _of_record(slot.hint, written)


def about(slot: Slot, key: str) -> str:
    """The purpose of a key; empty if it is unknown."""
    if key in TOP and slot.hint in KINDS.values():
        return _TOP_HELP[key]
    if key == OP and slot.edits and slot.hint in (slot.edits[-1].cls, slot.edits[-1].union):
        return _OP_HELP
    return (field_help(slot.hint, key) if isinstance(slot.hint, type) else None) or ""


def _of_record(cls: type, written: set[str]) -> Iterator[Item]:
    known = {key: value for key, value in model_fields(cls).items() if key not in NOT_TAKEN.get(cls, ())}
    inherited = {key for base in cls.__mro__[1:-1] if is_record(base) for key in model_fields(base)}
    for key in sorted(known, key=lambda key: (key in inherited, not known[key][0].is_required)):
        if key not in written:
            yield _key(key, known[key][1], field_help(cls, key) or "")


def _key(key: str, hint: Any, help: str) -> Item:
    holds = any(get_origin(one) is tuple or is_record_of_keys(one) for one in options(hint))
    return Item(key, Kind.KEY, f"{key}:" if holds else f"{key}: ", help)


def ops(union: Any, lead: str = "") -> Iterator[Item]:
    """The ops of a kind of edit."""
    for name, cls in model.OPS[union].items():
        yield Item(f"{lead}{name}", Kind.OP, f"{lead}{name}", first_paragraph(cls))


def words(slot: Slot) -> Iterator[Item]:
    """The words that a value may be, if the language lists them."""
    hint = slot.hint
    if hint == OP:
        yield from ops(slot.edits[-1].union)
    elif hint == "apiVersion":
        yield Item(model.API_VERSION, Kind.VALUE, model.API_VERSION, _TOP_HELP["apiVersion"])
    elif hint == "kind":
        for kind, cls in KINDS.items():
            yield Item(kind, Kind.VALUE, kind, first_paragraph(cls).replace("`", ""))
    elif hint is bool:
        for word in ("true", "false"):
            yield Item(word, Kind.VALUE, word)
    elif hint is model.Expect:
        for word, meaning in _COUNTS.items():
            yield Item(word, Kind.VALUE, word, meaning)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        for member in hint:
            yield Item(str(member.value), Kind.VALUE, str(member.value))
    elif (slot.cls, slot.key) in ((Case, "error"), (Refusal, "rule")):
        from ... import handbook

        yield from map(rule_item, handbook.all_rules())


def is_text(hint: Any) -> bool:
    """Whether a type of the model is a notation."""
    return isinstance(hint, type) and issubclass(hint, Text)
