"""How the entries of a text become those of other data: which stay, move, or are new.

Data changed by edits knows where its entries come from (:mod:`patchlang.cloudinit.lineage`). Data that replaced other
data as a whole does not: there, entries with the same key are the same, and so are equal list elements.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from ..record import record
from ..values import freeze, identical
from .lineage import Origin, TracedList, TracedMap, origin
from .textnode import MERGE, Child, InPlaceError, Kind, Node

_MUCH = 100_000

KEEP = object()


@record(frozen=True, eq=False)
class Place:
    """An entry of the text: its collection, its index among the children, and its value there."""

    node: Node
    index: int
    value: Any

    @property
    def child(self) -> Child:
        return self.node.children[self.index]


@record(frozen=False)
class Step:
    """One entry of the new collection: an old entry to keep or change, or a new one (``place`` is None)."""

    place: Place | None
    name: Any
    value: Any


class Places:
    """The entries of a text by their origin; ``old`` is what the text means, ``new`` what it is to mean."""

    def __init__(self, root: Node, old: Any, new: Any) -> None:
        self._root, self._old, self._new = root, old, new
        self._names: dict[int, dict[Any, int]] = {}

    @cached_property
    def _collections(self) -> dict[int, tuple[Node, Any]]:
        """The collections by the identity of their value, which an alias shares with its target."""
        found: dict[int, tuple[Node, Any]] = {}
        pending = [(self._root, self._old)]
        while pending:
            node, value = pending.pop()
            if node.kind is Kind.MAP and isinstance(value, dict):
                below = [(node.children[i].value, value[name]) for name, i in self.names(node).items()]
            elif node.kind is Kind.LIST and isinstance(value, list):
                below = [(child.value, item) for child, item in zip(node.children, value, strict=True)]
            else:
                continue
            found.setdefault(id(value), (node, value))
            pending += [pair for pair in below if isinstance(pair[1], (dict, list))]
        return found

    @cached_property
    def _moved(self) -> set[tuple[Node, int]]:
        """The entries that edits moved or renamed."""
        found: set[tuple[Node, int]] = set()
        pending = [self._new]
        while pending:
            value = pending.pop()
            if isinstance(value, TracedMap):
                origins = [value.moved.get(name) for name in value]
                pending += value.values()
            elif isinstance(value, TracedList):
                origins = value.origins
                pending += value
            else:
                continue
            found |= {(place.node, place.index) for place in map(self._place, origins) if place}
        return found

    @cached_property
    def _claims(self) -> dict[tuple[int, Any], tuple[int, Any]]:
        """Which entry of the new data gets the text of an old one, if aliases turn it into several.

        One that is still in its place comes first, then moved ones in the order of the new data.
        """
        claims: dict[tuple[int, Any], tuple[int, Any]] = {}
        placed = [(self._root, self._new)]
        while placed:
            node, value = placed.pop()
            source = value.source if isinstance(value, (TracedMap, TracedList)) else value
            if self._collections.get(id(source), (None,))[0] is not node:
                continue
            for name in value if isinstance(value, dict) else range(len(value)):
                come_from = origin(value, name)
                if come_from is None or come_from[0] is not source or (at := self._index(node, come_from[1])) is None:
                    continue
                claims.setdefault((id(source), come_from[1]), (id(value), name))
                placed.append((node.children[at].value, value[name]))
        pending = [self._new]
        while pending:
            value = pending.pop()
            if not isinstance(value, (TracedMap, TracedList)):
                continue
            for name in value if isinstance(value, dict) else range(len(value)):
                if (come_from := origin(value, name)) is not None:
                    claims.setdefault((id(come_from[0]), come_from[1]), (id(value), name))
            pending += reversed(value.values() if isinstance(value, dict) else value)
        return claims

    def _index(self, node: Node, at: Any) -> int | None:
        return self.names(node).get(at) if node.kind is Kind.MAP else at

    def names(self, node: Node) -> dict[Any, int]:
        """The children of a map by key; the last of each key counts."""
        if id(node) not in self._names:
            self._names[id(node)] = {child.name: i for i, child in enumerate(node.children) if child.name is not MERGE}
        return self._names[id(node)]

    def has_moved(self, node: Node, index: int) -> bool:
        return (node, index) in self._moved

    @cached_property
    def _moved_spans(self) -> list[tuple[int, int]]:
        """The extent in the text of the entries that may have moved, outermost only."""
        children = sorted(
            (node.children[index] for node, index in self._moved), key=lambda child: (child.start, -child.end)
        )
        spans: list[tuple[int, int]] = []
        for child in children:
            if not spans or child.start >= spans[-1][1]:
                spans.append((child.start, child.end))
        return spans

    def may_move(self, inner: Node) -> bool:
        """Whether a node is in an entry that edits moved, or in a list that they may have reordered."""
        before = bisect_right(self._moved_spans, (inner.start, inner.end)) - 1
        return any(start <= inner.start and inner.end <= end for start, end in self._moved_spans[max(0, before) :][:2])

    def _place(self, come_from: Origin | None) -> Place | None:
        if come_from is None:
            return None
        container, at = come_from
        node, _ = self._collections.get(id(container), (None, None))
        if node is None:
            return None
        index = self._index(node, at)
        return None if index is None else Place(node, index, container[at])

    def steps(self, new: Any) -> Iterator[Step]:
        """The entries of data without text: those in it that come from the text, and new ones."""
        for name, item in new.items() if isinstance(new, dict) else enumerate(new):
            come_from, me = origin(new, name), (id(new), name)
            if come_from is not None and self._claims.get((id(come_from[0]), come_from[1]), me) != me:
                come_from = None
            yield Step(self._place(come_from), name if isinstance(new, dict) else None, item)

    def plan(self, node: Node, old: Any, new: Any) -> list[Step]:
        """How the children of a collection become the new value's; children in no step are removed or move."""
        return self._plan_map(node, old, new) if node.kind is Kind.MAP else self._plan_list(node, old, new)

    def _plan_list(self, node: Node, old: list[Any], new: list[Any]) -> list[Step]:
        steps = list(self.steps(new))
        source = new.source if isinstance(new, TracedList) else new
        if self._collections.get(id(source), (None,))[0] is node or any(step.place for step in steps):
            return steps
        return [Step(None if i is None else Place(node, i, old[i]), None, item) for i, item in _matched(old, new)]

    def _plan_map(self, node: Node, old: dict[Any, Any], new: dict[Any, Any]) -> list[Step]:
        """Old entries keep their order; a new one goes after its predecessor in ``new``."""
        own, kids = self.names(node), node.children
        inherited = old.keys() - own.keys()
        if any(key not in new for key in inherited):
            raise InPlaceError
        here: dict[int, Step] = {}
        added: dict[int, list[Step]] = {}
        before = -1
        for step in self.steps(new):
            if step.name in inherited and identical(old[step.name], step.value):
                continue
            if step.place is None and step.name in own and not self.has_moved(node, own[step.name]):
                step.place = Place(node, own[step.name], old[step.name])
            if step.place is not None and step.place.node is node and step.place.index not in here:
                before = step.place.index
                here[before] = step
            else:
                added.setdefault(before, []).append(step)
        steps = added.get(-1, [])
        for i, child in enumerate(kids):
            if child.name is MERGE or (child.name in new and own[child.name] != i):
                steps.append(Step(Place(node, i, None), child.name, KEEP))
            elif i in here:
                steps.append(here[i])
            steps += added.get(i, [])
        return steps


def _matched(old: list[Any], new: list[Any]) -> Iterator[tuple[int | None, Any]]:
    """The new elements, each with the index of the old one that it is, or derives from."""
    before, after = [freeze(item) for item in old], [freeze(item) for item in new]
    for tag, i, i_end, j, j_end in _differences(before, after):
        if tag == "equal" or (tag == "replace" and (i_end - i == j_end - j or (i_end - i) * (j_end - j) > _MUCH)):
            yield from ((i + n if i + n < i_end else None, new[j + n]) for n in range(j_end - j))
        elif tag == "replace":
            rest = list(range(i, i_end))
            for n in range(j, j_end):
                akin = next((k for k in rest if _akin(old[k], new[n])), None)
                rest = rest if akin is None else [k for k in rest if k > akin]
                yield akin, new[n]
        else:
            yield from ((None, new[n]) for n in range(j, j_end))


def _differences(before: list[Any], after: list[Any]) -> Iterator[tuple[str, int, int, int, int]]:
    """Opcodes as in :mod:`difflib`, which only sees what is between the equal ends, since it is slow."""
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
    """Whether one collection looks like an edit of the other: maps with a common member, lists with the same start."""
    if isinstance(a, list) and isinstance(b, list):
        return bool(a and b) and identical(a[0], b[0])
    if isinstance(a, dict) and isinstance(b, dict):
        return any(key in b and identical(value, b[key]) for key, value in a.items())
    return False
