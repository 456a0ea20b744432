"""Hover texts."""

from __future__ import annotations

from ... import handbook
from ...document.field_help import field_help
from . import keys
from .comments import rule_page
from .model import Hover, Kind
from .outline import Entry
from .place import Place
from .slots import ANY, OP
from .texts import TextAt, key_below


def hover_at(place: Place) -> Hover | None:
    """The hover text for a key or a value."""
    slot, spot = place.slot, place.spot
    if slot.mapping is not None and isinstance(slot.marked, Entry):
        key = slot.marked.key
        help = key_below(slot, key) if slot.hint is ANY else keys.about(slot, key)
        return Hover(f"`{key}`: {help}", place.start, place.end) if help else None
    if spot is None:
        return None
    if slot.hint == OP and spot.text.strip() in handbook.ops():
        return Hover(handbook.op_page(spot.text.strip()), place.start, place.end)
    if slot.hint is ANY or keys.is_text(slot.hint):
        of_text = TextAt(slot, spot, place.settings.libvirt, place.settings.kubevirt).hover()
        if of_text is not None:
            return of_text
    return _word(place, spot.text.strip())


def _word(place: Place, word: str) -> Hover | None:
    """The hover text for a value that is one of a list of words."""
    item = next((one for one in keys.words(place.slot) if one.label == word), None)
    if item is None:
        return None
    if item.kind is Kind.RULE:
        return rule_page(word, place.start, place.end)
    what = item.detail or field_help(place.slot.cls, place.slot.key)
    return Hover(f"`{word}`: {what}", place.start, place.end) if what else None
