"""Combine the same change of several nodes into one change with a wider path."""

from __future__ import annotations

from collections.abc import Sequence

from .changes import Change, Differences, Kind
from .paths import Steps, path_of, widened
from .trees import form

NARROW = frozenset({Kind.ATTRIBUTE, Kind.TEXT, Kind.PUT, Kind.DROP})


def widen(changes: Sequence[Change], of: Differences) -> list[Change]:
    """The changes, with equal changes of siblings combined if one path selects only these siblings."""
    found = list(changes)
    depth = max((len(change.steps) for change in found), default=0)
    for level in range(depth - 1, 0, -1):
        found = _at(level, found, of)
    return found


def _at(level: int, changes: list[Change], of: Differences) -> list[Change]:
    """The changes, with the step of one level widened if that fits."""
    alike: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        if not (change.kind in NARROW and len(change.steps) > level and is_narrow(change.steps[: level + 1])):
            continue
        if path_of(change.steps[: level + 1]) in of.nodes:  # a replaced node has its own path
            alike.setdefault(_apart_from(level, change), []).append(change)
    made: dict[int, Change | None] = {}
    for group in alike.values():
        if len(group) < 2 or len({path_of(change.steps) for change in group}) != len(group):
            continue
        first = group[0]
        chosen = [of.nodes[path_of(change.steps[: level + 1])] for change in group]
        step = widened(chosen, first.steps[level], of.pairs, of.namespaces)
        if step is None:
            continue
        steps: Steps = (*first.steps[:level], step, *first.steps[level + 1 :])
        made |= {id(change): None for change in group[1:]}
        values = dict.fromkeys(first.values, first.shared)
        made[id(first)] = Change(first.kind, steps, first.name, values, first.place, first.made)
    kept = (made.get(id(change), change) for change in changes)
    return [change for change in kept if change is not None]


def is_narrow(steps: Steps) -> bool:
    return not any(step.several for step in steps)


def _apart_from(level: int, change: Change) -> tuple[object, ...]:
    before, step, behind = change.steps[:level], change.steps[level], change.steps[level + 1 :]
    value = change.shared
    said = value if value is None or isinstance(value, str) else repr(form(value))
    return path_of(before), step.name, path_of(behind), change.kind, change.name, change.place, said
