"""Combine the changes of several samples into common changes, with values from the VMI where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from lxml import etree

from .changes import Change, Differences, Kind
from .conditions import condition
from .facts import Facts
from .fragments import WHEN
from .paths import path_of
from .trees import Element, form, is_element
from .values import optional_of, text_of, texts_of


def unified(changes: Sequence[Sequence[Change]], facts: Facts, of: Sequence[Differences]) -> list[Change]:
    """One list of the changes of all samples; if nothing in the VMI gives a value, one change for each value."""
    rows: dict[tuple[object, ...], list[Change]] = {}
    for of_sample in changes:
        for change in of_sample:
            rows.setdefault(change.key, []).append(change)
    _take_up(rows, of)
    return [made for row in rows.values() for made in _one(row, facts)]


def _take_up(rows: dict[tuple[object, ...], list[Change]], of: Sequence[Differences]) -> None:
    """A node that is new in one sample and has another text in a second is one change: `ensure` does both."""
    for row in rows.values():
        if not row or row[0].kind is not Kind.PUT or row[0].made is None:
            continue
        first = row[0]
        path = path_of((*first.steps, row[0].made))
        there = {number for change in row for number in change.values}
        taken: set[int] = set()
        for other in rows.values():
            if not other or other[0].kind not in (Kind.TEXT, Kind.ATTRIBUTE) or path_of(other[0].steps) != path:
                continue
            if other[0].kind is Kind.ATTRIBUTE and other[0].name[1:] not in first.value.attrib:
                continue
            for change in [one for one in other if one.value is not None and not there & one.values.keys()]:
                made = {number: _like(first.value, of[number], path) for number in change.values}
                if None in made.values():
                    continue
                for number in made.keys() - taken:
                    row.append(
                        Change(Kind.PUT, first.steps, first.name, {number: made[number]}, first.place, first.made)
                    )
                taken |= made.keys()
                other.remove(change)
    for key in [key for key, row in rows.items() if not row]:
        del rows[key]


def _like(node: Element, of: Differences, path: str) -> Element | None:
    """What is at a path after the hook, as far as it has what an element has; None if it lacks some of that."""
    after = of.pairs.after.get(of.nodes.get(path))
    if after is None or any(after.get(name) is None for name in node.attrib):
        return None
    if [form(child) for child in node] != [form(child) for child in after]:
        return None
    made = deepcopy(node)
    made.text = after.text
    made.attrib.update({name: after.get(name) for name in node.attrib})
    return made


def _one(row: Sequence[Change], facts: Facts) -> Iterable[Change]:
    first = row[0]
    values: dict[int, Any] = {number: value for change in row for number, value in change.values.items()}
    if first.kind in (Kind.DROP, Kind.MOVE) or all(value is None for value in values.values()):
        return [_with(first, values, first.value)]
    made = computed_of(values, facts)
    if made is not None:
        return [_with(first, values, made)]
    apart: dict[str, dict[int, Any]] = {}
    for number, value in values.items():
        apart.setdefault(said(value), {})[number] = value
    return [_with(first, same, next(iter(same.values()))) for same in apart.values()]


def _with(change: Change, values: Mapping[int, Any], value: Any) -> Change:
    return Change(change.kind, change.steps, change.name, dict.fromkeys(values, value), change.place, change.made)


def said(value: Any) -> str:
    """A value of a change, for comparison."""
    return repr(value if value is None or isinstance(value, (str, list)) else form(value))


def computed_of(values: Mapping[int, Any], facts: Facts) -> Any:
    """One value for several samples, computed from the VMI where it differs; None if there is none."""
    if None in values.values():
        return None
    if all(isinstance(value, str) for value in values.values()):
        return text_of(facts, values)
    if all(isinstance(value, list) for value in values.values()):
        return texts_of(facts, values)
    return element(values, facts)


def element(nodes: Mapping[int, Element], facts: Facts) -> Element | None:
    """One element for all samples; None if their structures differ, or if a text cannot be computed."""
    first = next(iter(nodes.values()))
    if len({node.tag for node in nodes.values()}) > 1:
        return None
    if not is_element(first):
        return deepcopy(first) if len({said(node) for node in nodes.values()}) == 1 else None
    made: Element = etree.Element(first.tag, nsmap=first.nsmap)
    for name in dict.fromkeys(name for node in nodes.values() for name in node.attrib):
        having = {number: text for number, node in nodes.items() if (text := node.get(name)) is not None}
        if len(having) < len(nodes):
            text = optional_of(facts, having, [number for number in nodes if number not in having])
        else:
            text = text_of(facts, having)
        if text is None:
            return None
        made.set(name, text)
    texts = {number: node.text or "" for number, node in nodes.items()}
    if any(texts.values()):
        text = text_of(facts, texts)
        if text is None:
            return None
        made.text = text
    if not _children(made, nodes, facts):
        return None
    return made


def _children(made: Element, nodes: Mapping[int, Element], facts: Facts) -> bool:
    """Put the children of elements into the common one; False if they cannot be combined."""
    rows = _rows(nodes)
    if rows is None:
        return False
    for row in rows:
        child = element(row, facts)
        if child is None or len({node.tail for node in row.values()}) > 1:
            return False
        child.tail = next(iter(row.values())).tail
        if len(row) < len(nodes):
            lacking = [number for number in nodes if number not in row]
            when = condition(facts, [*row], lacking, facts.used)
            if when is None or not is_element(child):
                return False
            child.set(WHEN, when)
        made.append(child)
    return True


def _rows(nodes: Mapping[int, Element]) -> list[dict[int, Element]] | None:
    """The children that correspond, in order: all of them by position, or else by name."""
    if len({tuple(child.tag for child in node) for node in nodes.values()}) == 1:
        length = len(next(iter(nodes.values())))
        return [{number: node[at] for number, node in nodes.items()} for at in range(length)]
    if any(len({child.tag for child in node}) != len(node) for node in nodes.values()):
        return None
    longest = max(nodes.values(), key=len)
    names = [child.tag for child in longest]
    if any(child.tag not in names for node in nodes.values() for child in node):
        return None
    for node in nodes.values():
        if [name for name in names if any(child.tag == name for child in node)] != [child.tag for child in node]:
            return None
    return [{number: child for number, node in nodes.items() for child in node if child.tag == name} for name in names]
