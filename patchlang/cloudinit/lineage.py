"""Where the entries of edited data come from, so that their text can move with them.

Unchanged data is plain dicts and lists. What an edit changed is a TracedMap or a TracedList: the same to
its readers, but it knows the origin of each entry in the data that was opened.
"""

from __future__ import annotations

from typing import Any

# a container as it was opened, and a key or an index in it
Origin = tuple[Any, Any]


class TracedMap(dict[Any, Any]):
    """``moved`` has the origin of each entry that is not under the same key in ``source``; None for a new entry."""

    __slots__ = ("moved", "source")
    source: Any
    moved: dict[Any, Origin | None]


class TracedList(list[Any]):
    """``origins`` has the origin of each element; None for a new one."""

    __slots__ = ("origins", "source")
    source: Any
    origins: list[Origin | None]


def origin(container: Any, at: Any) -> Origin | None:
    """Where the entry at a key or an index comes from; None if an edit created it."""
    if isinstance(container, TracedMap):
        return container.moved.get(at, (container.source, at))
    return container.origins[at] if isinstance(container, TracedList) else (container, at)


def follow(before: Any, changed: Any, op: str, at: Any, come_from: Origin | None = None) -> Any:
    """``changed``, which is ``before`` after ``add``, ``remove`` or ``replace`` at one key or index, as traced data."""
    source = before.source if isinstance(before, (TracedMap, TracedList)) else before
    if isinstance(changed, dict):
        moved = dict(before.moved) if isinstance(before, TracedMap) else {}
        if op == "remove":
            moved[at] = None
        elif come_from is not None or at not in before:
            moved[at] = come_from
        return traced_map(changed, source, moved)
    result = TracedList(changed)
    result.source = source
    result.origins = [*before.origins] if isinstance(before, TracedList) else [(before, i) for i in range(len(before))]
    if op == "remove":
        del result.origins[at]
    elif op == "add":
        result.origins.insert(at, come_from)
    return result


def with_others(before: dict[Any, Any], changed: dict[Any, Any], keys: list[Any]) -> TracedMap:
    """``changed``, which is ``before`` with other values and with these keys added or removed, as traced data."""
    source, moved = (before.source, before.moved) if isinstance(before, TracedMap) else (before, {})
    return traced_map(changed, source, {**moved, **dict.fromkeys(keys)})


def renamed(before: dict[Any, Any], old: Any, new: str) -> dict[Any, Any]:
    """The map with an entry renamed in place; an existing entry with that key is removed."""
    changed = {new if key == old else key: value for key, value in before.items() if key == old or key != new}
    moved = dict(before.moved) if isinstance(before, TracedMap) else {}
    moved |= {old: None, new: origin(before, old)}
    return traced_map(changed, before.source if isinstance(before, TracedMap) else before, moved)


def traced_map(value: dict[Any, Any], source: Any, moved: dict[Any, Origin | None]) -> TracedMap:
    result = TracedMap(value)
    result.source, result.moved = source, moved
    return result


def fresh(value: Any) -> Any:
    """The same data as new data without origins."""
    if isinstance(value, dict):
        return {key: fresh(item) for key, item in value.items()}
    return [fresh(item) for item in value] if isinstance(value, list) else value
