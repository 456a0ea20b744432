"""Changes that belong together, below one element of the domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from ...record import field, record
from .changes import END, Change, Kind
from .facts import Facts
from .paths import Step, Steps, path_of
from .telling import texts_in
from .trees import Element

Edit: TypeAlias = dict[str, Any]
"""A domain edit as a patch has it; an lxml element stands for a fragment, whose texts are templates."""

ROOT: Steps = (Step("domain"),)
DEVICES: Steps = (*ROOT, Step("devices"))


@record(frozen=False, eq=False)
class Group:
    """Changes that belong together, below one element; ``ways`` are edits that make them, the best first."""

    root: Steps
    changes: list[Change]
    when: str | None = None
    loose: bool = False
    apart: bool = False
    whole: Element | None = None
    ways: list[list[Edit]] = field(default_factory=list)
    way: int = 0

    @property
    def edits(self) -> list[Edit]:
        return self.ways[self.way]


def grouped(changes: Iterable[Change], facts: Facts) -> list[Group]:
    """Changes by the part of the domain that they affect, in the order of the first change of each part.

    Changes that depend on the same fields of the VMI are together.
    """
    groups: dict[tuple[object, ...], Group] = {}
    for change in changes:
        root = _root_of(change)
        place = change.place if change.kind is Kind.PUT and len(root) < 3 else END
        key = (path_of(root), place, _presence(change), *facts.needed(texts_in(change.value)))
        groups.setdefault(key, Group(root, [])).changes.append(change)
    return list(groups.values())


def _presence(change: Change) -> tuple[int, ...]:
    return tuple(sorted(change.values))


def _root_of(change: Change) -> Steps:
    steps = change.steps
    depth = 3 if steps[: len(DEVICES)] == DEVICES else 2
    return steps[:depth]
