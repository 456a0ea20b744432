"""Completion and hover at an offset of a text: in patch files, in tests, and in ConfigMaps that carry patches."""

from __future__ import annotations

from collections.abc import Callable

from ...document import model
from ...record import record
from . import comments, keys, texts
from .hovers import hover_at
from .model import Completions, Hover, Item
from .outline import Entry, Mapping, Node, Outline, Scalar, read
from .place import Place, Settings
from .slots import ANY, KINDS, Slot, find, is_record_of_keys
from .spot import spot_in
from .texts import declared
from .view import said

_MARKS = tuple(map(chr, range(0xE010, 0xE040)))
_MOST_NESTED = 2  # for example, a text in a ConfigMap in a List
MOST_CHARACTERS = 300_000
"""The largest document with completion; the sidecar accepts no patch file that is larger."""


def complete(text: str, offset: int, settings: Settings = Settings()) -> Completions:  # noqa: B008 (it is frozen)
    """The completions at a character of a text. The number may be anything, and the text does not have to be YAML."""
    at = min(max(offset, 0), len(text))
    if (in_comment := comments.complete(text, at)) is not None:
        return in_comment
    place = locate(text, at, settings)
    found = _completions(place) if place is not None else None
    # editors replace only characters of one line
    if found is None or not found.items or "\n" in text[found.start : found.end]:
        return Completions((), at, at)
    # within an escape, a cursor has no exact place
    return Completions(found.items, min(found.start, at), max(found.end, at))


def hover(text: str, offset: int, settings: Settings = Settings()) -> Hover | None:  # noqa: B008
    """The hover text for a character of a text."""
    if (in_comment := comments.hover(text, min(max(offset, 0), len(text)))) is not None:
        return in_comment
    place = locate(text, offset, settings)
    return hover_at(place) if place is not None else None


def definition(text: str, offset: int) -> tuple[int, int] | None:
    """The start and end of the name where the variable at an offset is declared."""
    place = locate(text, offset, Settings())
    if place is None or place.spot is None or not (place.slot.hint is ANY or keys.is_text(place.slot.hint)):
        return None
    name = texts.TextAt(place.slot, place.spot, None, None).variable()
    node = declared(place.slot, name) if name else None
    return (place.place(node.start), place.place(node.end)) if node is not None else None


def own_line(text: str, offset: int) -> int:
    """The start of the line above which a comment about the place at an offset can be inserted.

    For a text that spans several lines, that is the line in which it begins, because what is inside the text is not a
    comment, unless it is a literal block with a patch.
    """
    at = min(max(offset, 0), len(text))
    known = None
    for nested in range(_MOST_NESTED + 1):
        cursor = _cursor(text, at, lambda place: place, nested)
        marked = cursor.outline.marked if cursor is not None else None
        if cursor is None or not isinstance(marked, Scalar):
            break
        # a block begins in the line before its first one
        at_start = cursor.place(marked.start - 1 if marked.style in ("|", ">") else marked.start)
        if marked.style != "|" or at_start == known:
            at = at_start
            break
        known = at_start
    return text.rfind("\n", 0, at) + 1


@record(eq=False)
class _Cursor:
    """The outline of the document that contains a cursor, and the way from its marked text to the outermost text."""

    outline: Outline
    place: Callable[[int], int]


def locate(text: str, offset: int, settings: Settings) -> Place | None:
    """What is at an offset; None if the language has nothing there."""
    cursor = _cursor(text, min(max(offset, 0), len(text)), lambda place: place, _MOST_NESTED)
    marked = cursor.outline.marked if cursor is not None else None
    if cursor is None or marked is None:
        return None
    slot = _slot(cursor.outline, marked)
    if slot is None:
        return None
    spot = spot_in(marked, cursor.place) if isinstance(marked, Scalar) else None
    return Place(slot, settings, cursor.place(marked.start), cursor.place(marked.end), spot, cursor.place)


def _cursor(text: str, offset: int, outer: Callable[[int], int], nested: int) -> _Cursor | None:
    start, end = document_around(text, offset)
    mark = next((one for one in _MARKS if text.find(one, start, end) < 0), None)
    if mark is None or end - start > MOST_CHARACTERS:
        return None
    at = offset - start
    outline = read(text[start:offset] + mark + text[offset:end], mark)

    def place(marked_offset: int) -> int:
        return outer(start + marked_offset - (marked_offset > at))

    root, marked = outline.root, outline.marked
    if nested and isinstance(root, Mapping) and isinstance(marked, Scalar) and _carries_patch(root, marked):
        inner = spot_in(marked, place)
        return _cursor(inner.text, inner.at, inner.place, nested - 1)
    return _Cursor(outline, place)


def document_around(text: str, offset: int) -> tuple[int, int]:
    """The start and end of the YAML document that contains an offset; lines of ``---`` separate documents."""
    start = 0
    before = text.rfind("\n---", 0, offset)
    while before >= 0:
        if _ends_mark(text, before + 4) and before + 4 <= offset:
            start = before + 1
            break
        before = text.rfind("\n---", 0, before + 3)
    end = text.find("\n---", max(offset, start + 1) - 1)
    while end >= 0 and not (_ends_mark(text, end + 4) and end >= start):
        end = text.find("\n---", end + 1)
    return start, len(text) if end < 0 else end + 1


def _ends_mark(text: str, at: int) -> bool:
    return at >= len(text) or text[at] in " \t\r\n"


def _slot(outline: Outline, marked: Entry | Scalar) -> Slot | None:
    root = outline.root
    if isinstance(root, Mapping):
        kind = said(root.get("kind"))
        version = said(root.get("apiVersion"))
        if kind not in KINDS and version and not version.startswith("patchlang"):
            return None
        return find(root, marked, kind if kind in KINDS else "Patch")
    if marked is root and isinstance(marked, Scalar):
        # the first word of a document
        empty = Mapping(marked.start, marked.end)
        return Slot(empty, "Patch", model.Patch, model.Patch, "", (), (), empty, marked)
    return None


def _carries_patch(root: Mapping, marked: Scalar) -> bool:
    """Whether a scalar is the value of a ConfigMap's key, and the key or the value looks like a patch file."""
    entry, holder = marked.entry, marked.owner
    if entry is None or not isinstance(holder, Mapping) or holder.entry is None or holder.entry.key != "data":
        return False
    owner: Node | None = holder.entry.owner
    is_config_map = isinstance(owner, Mapping) and said(owner.get("kind")) == "ConfigMap"
    return is_config_map and (entry.key.endswith((".yaml", ".yml")) or "patchlang" in said(marked))


def _completions(place: Place) -> Completions:
    slot, spot = place.slot, place.spot
    if slot.mapping is not None and slot.hint is ANY:
        return Completions(tuple(texts.keys_below(slot)), place.start, place.end)
    if slot.mapping is not None or is_record_of_keys(slot.hint) or slot.hint in model.OPS:
        marked = slot.marked
        has_colon = isinstance(marked, Entry) and marked.colon
        found = [_without_colon(one) if has_colon else one for one in keys.keys(slot)]
        return Completions(tuple(found), place.start, place.end)
    if spot is None:
        return Completions((), place.start, place.end)
    if slot.hint is ANY or keys.is_text(slot.hint):
        of_text = texts.TextAt(slot, spot, place.settings.libvirt, place.settings.kubevirt).complete()
        if of_text.items:
            return of_text
        if texts.may_be_key(slot):
            return Completions(tuple(texts.keys_below(slot)), place.start, place.end)
    return spot.offer(keys.words(slot), 0, len(spot.text.rstrip()))


def _without_colon(item: Item) -> Item:
    return Item(item.label, item.kind, item.insert.partition(":")[0], item.detail)
