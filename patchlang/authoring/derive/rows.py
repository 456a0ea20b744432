"""Changes that differ only in one node of their paths and in their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...record import record
from .changes import Change
from .paths import Namespaces, path_of
from .trees import Element, elements
from .widen import NARROW, is_narrow


@record
class Row:
    """Changes that differ only in the node at ``level`` of their paths and in their values, by sample."""

    level: int
    changes: dict[int, list[Change]]

    @property
    def first(self) -> Change:
        return next(iter(self.changes.values()))[0]


def rows_of(changes: Sequence[Sequence[Change]], level: int, nodes: Sequence[Mapping[str, Element]]) -> list[Row]:
    rows: dict[tuple[object, ...], Row] = {}
    for number, of_sample in enumerate(changes):
        for change in of_sample:
            if not (change.kind in NARROW and len(change.steps) > level and is_narrow(change.steps[: level + 1])):
                continue
            if path_of(change.steps[: level + 1]) in nodes[number]:
                before, step, behind = change.steps[:level], change.steps[level], change.steps[level + 1 :]
                key = (path_of(before), step.name, path_of(behind), change.kind, change.name, change.place)
                rows.setdefault(key, Row(level, {})).changes.setdefault(number, []).append(change)
    return list(rows.values())


def texts_in_node(node: Element, namespaces: Namespaces) -> Iterator[tuple[str, str, str]]:
    """The attributes of an element and of its children: a path, the same in Clark notation, and the text."""
    for name, text in node.attrib.items():
        yield f"@{namespaces.of(name, None)}", f"@{name}", text
    for child in elements(node):
        for name, text in child.attrib.items():
            yield f"{namespaces.name(child)}/@{namespaces.of(name, None)}", f"{child.tag}/@{name}", text
