"""Values that come from the nodes themselves, such as a serial number from the disk's own target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from .changes import Change, Differences, Kind
from .facts import Fact, Facts
from .paths import Namespaces, path_of
from .rows import Row, rows_of, texts_in_node
from .templates import own
from .trees import Element, elements
from .unify import computed_of, said

_FEW = 3
"""From this many nodes on, a number is unlikely to follow their order by chance."""


def find_own(changes: Sequence[Sequence[Change]], of: Sequence[Differences]) -> None:
    """Give changes of several nodes the value that they have in common, read from the node itself."""
    nodes = [one.nodes for one in of]
    depth = max((len(change.steps) for one in changes for change in one), default=0)
    for level in range(depth - 1, 0, -1):
        for row in rows_of(changes, level, nodes):
            if row.first.kind is not Kind.DROP and _differ_in_one_sample(row):
                _give(row, level, of)


def _differ_in_one_sample(row: Row) -> bool:
    return any(len({said(change.value) for change in its}) > 1 for its in row.changes.values())


def _give(row: Row, level: int, of: Sequence[Differences]) -> None:
    changes = [(number, at, change) for number, its in row.changes.items() for at, change in enumerate(its)]
    owners = [(of[number], of[number].nodes[path_of(change.steps[: level + 1])]) for number, _, change in changes]
    found = computed_of(
        {turn: change.value for turn, (*_, change) in enumerate(changes)},
        _OwnFacts([_texts(one, node) for one, node in owners], [at for _, at, _ in changes]),
    )
    for *_, change in changes:
        change.own = found


class _OwnFacts(Facts):
    """What nodes say, and their turn, as if each was a sample."""

    def __init__(self, texts: Sequence[Mapping[str, str]], turns: Sequence[int]) -> None:
        super().__init__([{} for _ in texts])
        self._texts = texts
        self._turns = turns

    @cached_property
    def all(self) -> list[Fact]:
        shared = [path for path in self._texts[0] if all(path in one for one in self._texts)]
        found = [Fact(own(path), {turn: one[path] for turn, one in enumerate(self._texts)}) for path in shared]
        if len(set(self._turns)) >= _FEW:
            found.append(Fact("node.index", dict(enumerate(self._turns))))
        return found


def _texts(of: Differences, node: Element) -> dict[str, str]:
    """What a node says before the hook and after it, by the path from the node."""
    after = of.pairs.after.get(node)
    later = {} if after is None else _said_by(after, of.namespaces)
    return {path: text for path, text in _said_by(node, of.namespaces).items() if later.get(path) == text}


def _said_by(node: Element, namespaces: Namespaces) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, _, text in texts_in_node(node, namespaces):
        found.setdefault(path, text)
    for child in elements(node):
        found.setdefault(namespaces.name(child), "" if len(child) else child.text or "")
    return found
