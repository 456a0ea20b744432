"""Hover texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import handbook
from ...document.field_help import field_help
from .keys import is_text
from .model import Hover
from .outline import Entry
from .slots import ANY, OP
from .texts import TextAt

if TYPE_CHECKING:
    from .core import Place


def hover_at(place: Place) -> Hover | None:
    """The hover text for a key or a value."""
    slot = place.slot
    if slot.mapping is not None and isinstance(slot.marked, Entry):
        key = slot.marked.key
        cls = slot.hint if isinstance(slot.hint, type) else None
        help = field_help(cls, key) if cls is not None else None
        return Hover(f"`{key}`: {help}", place.start, place.end) if help else None
    if slot.hint == OP and place.spot is not None:
        op = place.spot.text.strip()
        if op in handbook.ops():
            return Hover(handbook.op_page(op), place.start, place.end)
    if place.spot is not None and (slot.hint is ANY or is_text(slot.hint)):
        return TextAt(slot, place.spot, place.settings.libvirt, place.settings.kubevirt).hover()
    return None
