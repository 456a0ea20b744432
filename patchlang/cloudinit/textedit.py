"""Structured text as nodes that know their place, and the rewriting of flow collections (JSON, and YAML's ``[ ]``).

A writer gets the old text as nodes, the old value and the new value; it renders a node anew only where the values
differ. Everything else is copied from the old text.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from enum import Enum
from typing import Any

from ..record import field, record
from ..values import freeze, identical


class Kind(Enum):
    SCALAR = "scalar"
    LIST = "list"
    MAP = "map"
    ALIAS = "alias"


@record(frozen=False, eq=False)
class Child:
    """A list element, or a map entry: its whole extent, key (None in a list), the key's value, and its value."""

    start: int
    end: int
    key: Node | None
    name: Any
    value: Node


@record(frozen=False, eq=False)
class Node:
    """A value in the text. ``style`` is a scalar's quote or block mark; ``target`` what an alias stands for."""

    kind: Kind
    start: int
    end: int
    flow: bool = True
    style: str | None = None
    children: list[Child] = field(default_factory=list)
    target: Node | None = None

    def below(self) -> Iterator[Node]:
        """The node and all below it, in order."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            for child in reversed(node.children):
                pending.append(child.value)
                if child.key is not None:
                    pending.append(child.key)


class InPlaceError(Exception):
    """A node that cannot be changed in place; it is written anew."""


_MUCH = 100_000

KEEP = object()
MERGE = object()


@record(frozen=False)
class Step:
    """One entry of the new collection: an old child to keep or change, or a new one (``child`` is None)."""

    child: int | None
    name: Any
    value: Any


def plan(node: Node, old: Any, new: Any) -> list[Step]:
    """How the children of a collection become the new value's; children that are in no step go."""
    return _plan_map(node, old, new) if node.kind is Kind.MAP else _plan_list(old, new)


def _plan_list(old: list[Any], new: list[Any]) -> list[Step]:
    before, after = [freeze(item) for item in old], [freeze(item) for item in new]
    steps: list[Step] = []
    for tag, i, i_end, j, j_end in _differences(before, after):
        if tag == "equal" or (tag == "replace" and (i_end - i == j_end - j or (i_end - i) * (j_end - j) > _MUCH)):
            steps += (Step(i + n if i + n < i_end else None, None, new[j + n]) for n in range(j_end - j))
        elif tag == "replace":
            rest = list(range(i, i_end))
            for n in range(j, j_end):
                akin = next((k for k in rest if _akin(old[k], new[n])), None)
                rest = rest if akin is None else [k for k in rest if k > akin]
                steps.append(Step(akin, None, new[n]))
        else:
            steps += (Step(None, None, new[n]) for n in range(j, j_end))
    return steps


def _differences(before: list[Any], after: list[Any]) -> Iterator[tuple[str, int, int, int, int]]:
    """Opcodes as :mod:`difflib` gives them; it sees only what lies between the equal ends, since it takes time."""
    short = min(len(before), len(after))
    head = next((n for n in range(short) if before[n] != after[n]), short)
    tail = next((n for n in range(short - head) if before[-1 - n] != after[-1 - n]), short - head)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    yield "equal", 0, head, 0, head
    if len(old) * len(new) > _MUCH:
        yield "replace", head, head + len(old), head, head + len(new)
    else:
        for tag, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            yield tag, head + i, head + i_end, head + j, head + j_end
    yield "equal", len(before) - tail, len(before), len(after) - tail, len(after)


def _akin(a: Any, b: Any) -> bool:
    """Whether one collection looks like the edited other: maps that share a member, lists with the same beginning."""
    if isinstance(a, list) and isinstance(b, list):
        return bool(a and b) and identical(a[0], b[0])
    if isinstance(a, dict) and isinstance(b, dict):
        return any(key in b and identical(value, b[key]) for key, value in a.items())
    return False


def _plan_map(node: Node, old: dict[Any, Any], new: dict[Any, Any]) -> list[Step]:
    """Old entries keep their order. A new key that stands where one with the same value went is that entry, renamed."""
    own = {child.name: i for i, child in enumerate(node.children) if child.name is not MERGE}
    inherited = old.keys() - own.keys()
    if any(key not in new for key in inherited):
        raise InPlaceError
    added = _runs(new, lambda key: key in own, lambda key: key not in inherited or not identical(old[key], new[key]))
    gone = _runs({child.name: None for child in node.children}, lambda key: key in new, lambda key: key is not MERGE)
    steps: list[Step] = []

    def insert_after(anchor: Any) -> None:
        lost = list(gone.get(anchor, []))
        for key in added.get(anchor, []):
            same = next((n for n, k in enumerate(lost) if identical(old[k], new[key])), None)
            steps.append(Step(None if same is None else own[lost.pop(same)], key, new[key]))

    insert_after(_FIRST)
    for i, child in enumerate(node.children):
        if child.name is MERGE:
            steps.append(Step(i, MERGE, KEEP))
        elif child.name in new and own[child.name] != i:
            steps.append(Step(i, child.name, KEEP))
        elif child.name in new:
            steps.append(Step(i, child.name, new[child.name]))
            insert_after(child.name)
    return steps


_FIRST = object()


def _runs(keys: dict[Any, Any], stays: Any, counts: Any) -> dict[Any, list[Any]]:
    """The keys that do not stay, listed by the one that stays before them."""
    runs: dict[Any, list[Any]] = {}
    anchor: Any = _FIRST
    for key in keys:
        if key is not MERGE and stays(key):
            anchor = key
        elif counts(key):
            runs.setdefault(anchor, []).append(key)
    return runs


class FlowWriter(ABC):
    """Renders nodes of one text for a new value. A subclass says how values are written.

    ``expand`` are aliases that must be written out; ``dropped`` collects the spans whose old text is gone.
    """

    separator = ", "

    def __init__(self, text: str, expand: Iterable[Node] = ()) -> None:
        self.text = text
        self.break_ = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
        self.dropped: list[tuple[int, int]] = []
        self.expand = sorted(node.start for node in expand)

    @abstractmethod
    def written(self, value: Any, indent: str | None, like: Node | None = None) -> str:
        """A value as flow text; over several lines, the later ones at ``indent``, where that is not None."""

    @abstractmethod
    def written_key(self, key: Any) -> str:
        """A map's key and the colon behind it, up to the value."""

    def render(self, node: Node, old: Any, new: Any) -> str:
        """The text of the node for the new value."""
        if identical(old, new) and not self.touched(node):
            return self.text[node.start : node.end]
        if node.flow and self.same_collection(node, old, new) and node.children and new:
            try:
                return self.flow(node, old, new)
            except InPlaceError:
                pass
        return self.anew(node, new)

    def anew(self, node: Node, new: Any) -> str:
        self.dropped.append((node.start, node.end))
        return self.written(new, self.line_indent(node.start), node)

    def touched(self, node: Node) -> bool:
        """Whether an alias inside of the node must be written out."""
        first = bisect_left(self.expand, node.start)
        return first < len(self.expand) and self.expand[first] < node.end

    @staticmethod
    def same_collection(node: Node, old: Any, new: Any) -> bool:
        return type(old) is type(new) and isinstance(new, {Kind.MAP: dict, Kind.LIST: list}.get(node.kind, ()))

    def line_indent(self, at: int) -> str:
        """The blanks at the start of the line of a place."""
        start = self.text.rfind("\n", 0, at) + 1
        match = re.compile(r"[ \t]*").match(self.text, start, at)
        return match[0] if match else ""

    def flow(self, node: Node, old: Any, new: Any) -> str:
        """A flow collection with some of its entries changed, added or removed, separated as they are."""
        kids = node.children
        if self.text[node.start : node.start + 1] not in ("[", "{"):
            raise InPlaceError
        gap, steps = self.gap(node), plan(node, old, new)
        result = [self.text[node.start : kids[0].start]]
        for n, step in enumerate(steps):
            if n > 0:
                result.append(self.between(node, steps[n - 1], step, gap))
            if step.child is None:
                key = self.written_key(step.name) if node.kind is Kind.MAP else ""
                result.append(key + self.written(step.value, gap.rpartition("\n")[2] if "\n" in gap else None))
            else:
                result.append(self.flow_child(kids[step.child], old, step))
        self.drop(node, steps)
        return "".join(result) + self.text[kids[-1].end : node.end]

    def drop(self, node: Node, steps: list[Step]) -> None:
        """Notes the children that are in no step."""
        kept = {step.child for step in steps}
        self.dropped += ((kid.start, kid.end) for i, kid in enumerate(node.children) if i not in kept)

    def flow_child(self, child: Child, old: Any, step: Step) -> str:
        if step.value is KEEP:
            if self.touched(child.value):
                raise InPlaceError
            return self.text[child.start : child.end]
        if child.key is None:
            return self.render(child.value, old[step.child], step.value)
        before = old[child.name]
        value, between = child.value, self.text[child.key.end : child.value.start]
        renamed = not identical(step.name, child.name)
        if not renamed and identical(before, step.value) and not self.touched(value):
            return self.text[child.start : child.end]
        if value.start == value.end or ":" not in between:
            return self.written_key(step.name) + self.anew(value, step.value)
        written = self.written_key(step.name).rstrip().removesuffix(":")
        key = written if renamed else self.text[child.start : child.key.end]
        return key + between + self.render(value, before, step.value)

    def gap(self, node: Node) -> str:
        """The separator for a new neighbour: as between the first two entries, without a comment."""
        kids = node.children
        seen = self.text[kids[0].end : kids[1].start] if len(kids) > 1 else self.text[node.start + 1 : kids[0].start]
        if "\n" in seen:
            indent = seen.rpartition("\n")[2]
            return "," + self.break_ + (indent if not indent.strip() else self.line_indent(kids[0].start))
        if len(kids) > 1:
            return ", " if seen.strip(",") else ","
        return self.separator

    def between(self, node: Node, left: Step, right: Step, gap: str) -> str:
        """The old separator where the neighbours are old, else a new one."""
        kids = node.children
        if left.child is not None and left.child + 1 < len(kids):
            return self.text[kids[left.child].end : kids[left.child + 1].start]
        old = self.text[kids[right.child - 1].end : kids[right.child].start] if right.child else "#"
        return gap if left.child is not None or "#" in old else old
