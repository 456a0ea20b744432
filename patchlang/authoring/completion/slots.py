"""What the model has at a place of an outline: the keys or the kind of value that it may have."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from ...document import model
from ...document.keys import model_fields
from ...patchtest.model import PatchTest
from ...record import is_record, record
from ...schema import options
from ...source import Text
from .outline import Entry, Mapping, Node, Scalar
from .view import said

KINDS: dict[str, type] = {"Patch": model.Patch, "PatchTest": PatchTest}
TOP = ("apiVersion", "kind")
OP = "op"
BASES: dict[Any, type] = {model.DomainEdit: model.DomainBase, model.CloudInitEdit: model.CloudInitBase}
ANY = object()
"""Stands for a type: a value of cloud-init data."""


@record(eq=False)
class Edit:
    """An incomplete edit: its map, the union of the ops that it may have, and the class of its own op."""

    node: Mapping
    union: Any
    cls: Any = None


@record(eq=False)
class Slot:
    """The place of a cursor in a document of ``kind``, an entry of :data:`KINDS`.

    ``hint`` is the type of the model for the place, :data:`ANY`, or one of ``op``, ``apiVersion`` and ``kind``. ``cls``
    and ``key`` name the field that it belongs to, and ``keys`` the way from there through maps with free names.
    ``edits`` are the enclosing edits, the outermost first. ``mapping`` is the map whose key is being written, if any.
    """

    root: Mapping
    kind: str
    hint: Any
    cls: Any
    key: str
    keys: tuple[str, ...]
    edits: tuple[Edit, ...]
    mapping: Mapping | None
    marked: Entry | Scalar


def find(root: Mapping, marked: Entry | Scalar, kind: str) -> Slot | None:
    """What the model has for the marked key or scalar; None if it has nothing."""
    walker = _Walker(KINDS[kind])
    mapping = None
    chain = _chain(marked)
    if not chain or chain[0][0] is not root:
        return None
    for holder, entry in chain:
        if not isinstance(holder, Mapping):
            if not walker.item():
                return None
            continue
        walker.enter(holder)
        if entry is marked:
            mapping = holder
        elif entry is None or not walker.step(entry.key):
            return None
    if mapping is None:
        walker.settle()
    edits = tuple(walker.edits)
    return Slot(root, kind, walker.hint, walker.cls, walker.key, tuple(walker.keys), edits, mapping, marked)


def _chain(marked: Entry | Scalar) -> list[tuple[Node, Entry | None]]:
    """The collections around a node, the document first, each with the entry that leads to the next one."""
    found: list[tuple[Node, Entry | None]] = []
    node: Node | None
    entry: Entry | None
    node, entry = (marked.owner, marked) if isinstance(marked, Entry) else (marked.owner, marked.entry)
    while node is not None:
        found.append((node, entry))
        entry = node.entry
        node = node.owner
    return found[::-1]


class _Walker:
    """Descend in the model along the keys of a document."""

    def __init__(self, cls: type) -> None:
        self.hint: Any = cls
        self.cls: Any = cls
        self.key = ""
        self.keys: list[str] = []
        self.edits: list[Edit] = []

    def enter(self, node: Mapping) -> None:
        """Descend into a map; if a value may have several types, choose one that is written as a map."""
        if self.hint is ANY or isinstance(self.hint, str):
            return
        if self.hint in model.OPS:
            union = self.hint
            cls = model.OPS[union].get(said(node.get(OP)))
            self.hint = cls or union
            self.edits.append(Edit(node, union, cls))
            return
        choices = options(self.hint)
        records = [one for one in choices if is_record_of_keys(one)]
        if model.MapValue in choices:
            self.hint = ANY
        elif records:
            written = set(node.keys)
            self.hint = max(records, key=lambda cls: len(written & model_fields(cls).keys()))
        else:
            self.hint = next((one for one in choices if value_of_map(one) is not None), self.hint)

    def step(self, key: str) -> bool:
        """Descend to the value of a key; returns whether there is such a key."""
        if self.hint is ANY:
            self.keys.append(key)
            return True
        if (value := value_of_map(self.hint)) is not None:
            self.keys.append(key)
            self.hint = value
            return True
        edit = self.edits[-1] if self.edits else None
        if edit is not None and self.hint in (edit.cls, edit.union) and key == OP:
            self.cls, self.key, self.hint = self.hint, key, OP
            return True
        if self.hint in model.OPS:
            # its op is not written yet: use an op that has such a key
            classes = (BASES[self.hint], *model.OPS[self.hint].values())
            self.hint = next((cls for cls in classes if key in model_fields(cls)), None)
        if not is_record_of_keys(self.hint):
            return False
        known = model_fields(self.hint)
        self.cls, self.key = self.hint, key
        self.keys.clear()
        if key in TOP and self.cls in KINDS.values():
            self.hint = key
        elif key in known:
            self.hint = known[key][1]
        else:
            return False
        return True

    def item(self) -> bool:
        """Descend to an entry of a list; returns whether there may be one."""
        if isinstance(self.hint, str):
            return False
        if self.hint is ANY or model.ListValue in options(self.hint):
            self.hint = ANY
            self.keys.append("-")
            return True
        entries = self._entries()
        if entries:
            self.hint = entries[0]
        return bool(entries)

    def _entries(self) -> list[Any]:
        lists = [one for one in options(self.hint) if get_origin(one) is tuple and value_of_map(one) is None]
        return [get_args(one)[0] for one in lists]

    def settle(self) -> None:
        """A text is written: if a value may have several types, choose a text, or a map that begins like this."""
        if self.hint is ANY or isinstance(self.hint, str) or self.hint in model.OPS:
            return
        choices = options(self.hint)
        if model.Constant in choices:
            self.hint = ANY
            return
        texts = [one for one in choices if get_origin(one) is not tuple and not is_record_of_keys(one)]
        records = [one for one in choices if is_record_of_keys(one)]
        self.hint = next(iter([*texts, *self._entries(), *records]), self.hint)


def value_of_map(hint: Any) -> Any:
    """The type of the values in a map with free names; None for anything else."""
    item = get_args(hint)[0] if get_origin(hint) is tuple and get_args(hint) else None
    is_pair = get_origin(item) is tuple and get_args(item)[-1] is not Ellipsis
    return get_args(item)[1] if is_pair else None


def is_record_of_keys(hint: Any) -> bool:
    """Whether a type of the model is written as a map with known keys."""
    return isinstance(hint, type) and is_record(hint) and hint is not model.Expect and not issubclass(hint, Text)
