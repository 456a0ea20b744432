"""Combine the same change in several samples into one change, with a predicate that fits the nodes of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from .changes import Change, Differences, Kind
from .conditions import Source, condition
from .facts import Facts
from .paths import Namespaces, Step, Steps, Wanted, path_of, texts_at
from .rows import Row, rows_of, texts_in_node
from .trees import Element, elements, form
from .unify import computed_of, said

_MOST_PARTS = 16
"""The values of one change, distinguished by properties of the nodes."""
_IDENTITY = frozenset({"target/@dev", "alias/@name", "mac/@address", "@name"})
_TELLING = ("@device", "alias/@name", "target/@bus", "model/@type", "@type", "@model")
"""The properties by which people select devices; other attributes come after these."""


def across(changes: Sequence[Sequence[Change]], of: Sequence[Differences], facts: Facts) -> list[list[Change]]:
    """The changes of each sample, with one path for all if one predicate selects exactly the nodes that change."""
    found = [list(one) for one in changes]
    if len(found) < 2:
        return found
    nodes = [one.nodes for one in of]
    depth = max((len(change.steps) for one in found for change in one), default=0)
    for level in range(depth - 1, 0, -1):
        for row in rows_of(found, level, nodes):
            for part in _parts(row, facts):
                if (made := _Fitting(part, of, nodes, facts).widened()) is None:
                    continue
                gone = {id(change) for its in part.changes.values() for change in its[1:]}
                gone |= {id(its[0]) for its in part.changes.values()}
                for number, one in enumerate(found):
                    at = next((at for at, change in enumerate(one) if id(change) in gone), len(one))
                    kept = [change for change in one if id(change) not in gone]
                    found[number] = [*kept[:at], *([made[number]] if number in made else []), *kept[at:]]
    return found


def _parts(row: Row, facts: Facts) -> Iterator[Row]:
    """The row if one value fits all; otherwise, its parts by value."""
    values = {number: {said(change.shared) for change in its} for number, its in row.changes.items()}
    if all(len(one) == 1 for one in values.values()):
        seen = {number: its[0].shared for number, its in row.changes.items()}
        if row.first.kind is Kind.DROP or len(set.union(*values.values())) == 1 or computed_of(seen, facts) is not None:
            yield row
            return
    apart: dict[str, dict[int, list[Change]]] = {}
    for number, its in row.changes.items():
        for change in its:
            apart.setdefault(said(change.shared), {}).setdefault(number, []).append(change)
    if len(apart) <= _MOST_PARTS:
        yield from (Row(row.level, one) for one in apart.values())


class _Fitting:
    """Find the step that selects the nodes of a row."""

    def __init__(
        self, row: Row, of: Sequence[Differences], nodes: Sequence[Mapping[str, Element]], facts: Facts
    ) -> None:
        self._of = of
        self._facts = facts
        self._changes = row.changes
        first = row.first
        self._kind, self._name = first.kind, first.name
        self._is_own = all(change.own is not None for its in row.changes.values() for change in its)
        self._step = first.steps[row.level]
        self._start, self._behind = first.steps[: row.level], first.steps[row.level + 1 :]
        self._parents = [one.get(path_of(self._start)) for one in nodes]
        self._chosen = {
            number: [nodes[number][path_of(change.steps[: row.level + 1])] for change in its]
            for number, its in row.changes.items()
        }

    def widened(self) -> dict[int, Change] | None:
        """The change by sample with the step that fits; None if the existing steps fit or no other step does."""
        steps = {str(change.steps[len(self._start)]) for its in self._changes.values() for change in its}
        one_each = all(len(nodes) == 1 for nodes in self._chosen.values())
        own = self._step.wanted if len(steps) == 1 and one_each and self._step.position is None else None
        lacking = [number for number in range(len(self._of)) if number not in self._chosen]
        needed: Sequence[int] = range(len(self._of))
        if lacking and condition(self._facts, [*self._chosen], lacking, source=Source.FLAGS) is not None:
            needed = [*self._chosen]
        if own == ():
            return None  # there is only one element with this name: a condition is clearer than a predicate
        for wanted in self._candidates(own):
            if (values := self._values(wanted, needed)) is None:
                continue
            if wanted == own:
                return None
            several = any(len(self._matched(self._parents[number], wanted, number)) > 1 for number in values)
            step = Step(self._step.name, wanted, built=False, several=several)
            return {number: self._made(step, number, value) for number, value in values.items()}
        return None

    def _made(self, step: Step, number: int, value: object) -> Change:
        first = next(iter(self._changes.values()))[0]
        steps: Steps = (*self._start, step, *self._behind)
        return Change(self._kind, steps, self._name, {number: value}, first.place, first.made)

    def _candidates(self, own: Wanted | None) -> Iterator[Wanted]:
        is_identity = own is not None and any(path in _IDENTITY for path, _ in own)
        if own is not None and (self._kind is not Kind.DROP or self._behind or is_identity or len(self._chosen) < 2):
            yield own
        yield ()
        if own is not None:
            yield own
        nodes = [node for chosen in self._chosen.values() for node in chosen]
        found = texts_in_node(nodes[0], self._of[next(iter(self._chosen))].namespaces)
        shared = [(path, plain, text) for path, plain, text in found if all(text in texts_at(n, plain) for n in nodes)]
        telling = [(path, text) for wanted in _TELLING for path, _, text in shared if path == wanted]
        yield from ((one,) for one in telling)
        yield from combinations(telling, 2)
        yield from (((path, text),) for path, _, text in shared if path not in _TELLING)

    def _matched(self, parent: Element | None, wanted: Wanted, number: int) -> list[Element]:
        """The elements in one parent that a step with these texts selects."""
        if parent is None:
            return []
        namespaces = self._of[number].namespaces
        tag = namespaces.clark(self._step.name)
        return [
            node
            for node in elements(parent)
            if node.tag == tag and all(text in texts_at(node, _plain(path, namespaces)) for path, text in wanted)
        ]

    def _values(self, wanted: Wanted, needed: Sequence[int]) -> dict[int, object] | None:
        """The value of the change in each sample with a node for the step; None if it would change something else."""
        values: dict[int, object] = {}
        for number in needed:
            matched = self._matched(self._parents[number], wanted, number)
            chosen = self._chosen.get(number, [])
            if len([node for node in chosen if node in matched]) < len(chosen):
                return None
            if not matched:
                continue
            after = self._of[number].pairs.after
            parent = after.get(self._parents[number])
            later = self._matched(parent, wanted, number)
            if self._kind is Kind.DROP and not self._behind:
                if len(matched) > len(chosen) or later:
                    return None
                values[number] = None
                continue
            if any(after.get(node) not in later for node in matched):
                return None
            if self._is_own and len(matched) == len(chosen):
                values[number] = self._changes[number][0].shared
                continue
            found = self._seen(number, later[0]) if number not in self._changes else self._changes[number][0].value
            if found is _NOTHING or not all(self._is_idle(node, found, number) for node in later):
                return None
            values[number] = found
        whole = {said(value) for value in values.values()}
        if len(whole) > 1 and computed_of(values, self._facts) is None:
            return None
        return values

    def _targets(self, node: Element, number: int) -> list[Element]:
        if not self._behind:
            return [node]
        namespaces = self._of[number].namespaces.all
        found: list[Element] = node.xpath(path_of(self._behind, relative=True), namespaces=namespaces)
        return found

    def _seen(self, number: int, node: Element) -> object:
        """The value of a node after the hook, in a sample where the hook did not change it."""
        targets = self._targets(node, number)
        if self._kind is Kind.DROP:
            return None
        if len(targets) != 1:
            return _NOTHING
        if self._kind is Kind.ATTRIBUTE:
            return targets[0].get(self._of[number].namespaces.clark(self._name[1:]))
        if self._kind is Kind.TEXT:
            return targets[0].text or ""
        like = next(iter(self._changes.values()))[0].value
        alike = [child for child in elements(targets[0]) if child.tag == like.tag]
        return alike[0] if len(alike) == 1 else _NOTHING

    def _is_idle(self, node: Element, value: object, number: int) -> bool:
        """Whether a node after the hook has the value that the change would give it."""
        targets = self._targets(node, number)
        if self._kind is Kind.DROP:
            return not targets
        if not targets:
            return False
        if self._kind is Kind.ATTRIBUTE:
            name = self._of[number].namespaces.clark(self._name[1:])
            return all(one.get(name) == value for one in targets)
        if self._kind is Kind.TEXT:
            return all((one.text or "") == value for one in targets)
        return all(any(form(child) == form(value) for child in one) for one in targets)


_NOTHING = object()


def _plain(path: str, namespaces: Namespaces) -> str:
    """A path of names with prefixes, in Clark notation."""
    return "/".join(
        "@" + namespaces.clark(name[1:]) if name.startswith("@") else name if name == "." else namespaces.clark(name)
        for name in path.split("/")
    )
