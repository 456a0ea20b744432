"""Derive a patch from samples, and check that it does what the hook did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import process_time
from typing import Any

from ...diagnostics import Diagnostic
from ...record import record, replace
from . import proof, writing
from .across import across
from .changes import Change, Differences, Kind
from .conditions import Source, condition, conditions
from .edits import Editing
from .facts import OF_ONE_VM, Facts, literal
from .groups import Edit, Group, grouped
from .own import find_own
from .paths import Namespaces, path_of, quoted
from .proof import Fault
from .samples import Sample
from .telling import texts_in
from .templates import is_computed
from .trees import Element, form
from .unify import element, unified
from .widen import widen

_TRIES = 60
"""Patches that are tried before a derivation is given up."""
_FAILS = 1_000_000
_CPU_SECONDS = 90
"""After these no other patch is tried."""


class _LateError(Exception):
    """The time for one derivation is over."""


@record
class Derived:
    """``text`` is the patch, None if no patch passes the checks; then ``faults`` say what fails.

    ``remarks`` say what is left literal, and what is not taken for the hook's purpose.
    """

    text: str | None
    faults: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()


def derive_domain(samples: Sequence[Sample], name: str) -> Derived:
    """The patch for domains. Raises PatchError if one cannot be read (PL501 to PL503)."""
    until = process_time() + _CPU_SECONDS
    found: list[Derived] = []
    try:
        for is_careful, any_order in ((False, False), (True, False), (True, True)):
            like = [replace(sample, any_order=any_order) for sample in samples]
            found.append(_Derivation(like, name, until, is_careful=is_careful).run())
            if found[-1].text is not None:
                return found[-1]
        return found[0]
    except _LateError:
        if found:
            return found[0]
        changes = sum(len(Differences(*sample.roots, Namespaces()).changes()) for sample in samples)
        of = "1 sample" if len(samples) == 1 else f"{len(samples)} samples"
        message = f"gave up after {_CPU_SECONDS} s: too many changes ({changes} in {of})"
        return Derived(None, (Fault(None, f"{message}; give smaller domains, or fewer samples"),))


class _Derivation:
    """``is_careful``: an edit of what other edits make has a condition, also where that says more than is needed."""

    def __init__(self, samples: Sequence[Sample], name: str, until: float, *, is_careful: bool = False) -> None:
        self._samples = samples
        self._name = name
        self._namespaces = Namespaces()
        self._facts = Facts([sample.document for sample in samples], [sample.roots for sample in samples])
        self._differences = [
            Differences(*sample.roots, self._namespaces, number, is_ordered=not sample.reorders)
            for number, sample in enumerate(samples)
        ]
        self._tried = 0
        self._until = until
        self._is_careful = is_careful
        self._places: dict[str, None] = {}

    def run(self) -> Derived:
        """The patch, or why there is none. Raises _LateError."""
        derived = self._derived(with_own=True)
        return derived if derived.text is not None else self._derived(with_own=False)

    def _derived(self, *, with_own: bool) -> Derived:
        seen = [of.changes() for of in self._differences]
        if with_own:
            find_own(seen, self._differences)
        changes = across(seen, self._differences, self._facts)
        self._places = {path_of(change.steps): None for one in changes for change in one}
        groups = grouped(
            unified([*map(widen, changes, self._differences)], self._facts, self._differences), self._facts
        )
        editing = Editing(self._namespaces, self._facts)
        for group in groups:
            self._prepare(group, editing)
        failing = {path_of(group.root) for group in self._failing(groups)}
        for root in sorted(failing):
            alike = [group for group in groups if path_of(group.root) == root]
            fault = next((fault for group in alike for fault in self._choose(group)), None)
            if fault is None:
                continue
            wholes = [*self._wholes(alike)]
            for whole in wholes:
                self._prepare(whole, editing)
            if not wholes or any(fault for whole in wholes for fault in self._choose(whole)):
                return Derived(None, (fault,))
            at = groups.index(alike[0])
            groups = [*groups[:at], *wholes, *(group for group in groups[at:] if group not in alike)]
        faults = self._settled(groups)
        if faults:
            return Derived(None, tuple(faults))
        groups = self._joined(self._needed(groups), editing)
        text = self._text(groups)
        return Derived(
            writing.with_ignores(text, proof.findings(text)),
            remarks=(*self._remarks(groups), *self._facts.assumed(text)),
        )

    def _prepare(self, group: Group, editing: Editing) -> None:
        self._separate(group)
        group.whole = self._whole(group)
        group.ways = editing.ways(group)

    def _wholes(self, groups: Sequence[Group]) -> Iterator[Group]:
        """Groups that replace a node as a whole, instead of those that change parts of it."""
        root = groups[0].root
        changes = [change for group in groups for change in group.changes]
        together = Group(root, changes)
        if self._whole(together) is not None:
            yield together
            return
        apart: dict[object, set[int]] = {}
        for number in sorted({number for change in changes for number in change.values}):
            nodes = self._find(path_of(root), number)
            after = self._differences[number].pairs.after
            if len(root) < 2 or len(nodes) != 1 or nodes[0] not in after:
                return
            apart.setdefault(form(after[nodes[0]]), set()).add(number)
        for numbers in apart.values():
            own = [change.of(numbers) for change in changes if numbers & change.values.keys()]
            yield Group(root, own)

    # -- conditions ----------------------------------------------------------------------------------------------------

    def _separate(self, group: Group) -> None:
        """Give a group a condition if it would change a sample in which the hook did not make the change."""
        having = sorted({number for change in group.changes for number in change.values})
        lacking = [number for number in range(len(self._samples)) if number not in having]
        absent = [number for number in lacking if not self._reaches(group, number)]
        group.loose = bool(absent)
        untouched = absent
        if self._is_careful:
            untouched = [number for number in absent if not self._reaches(group, number, later=True)]
        disturbed = [number for number in lacking if number not in untouched and not self._is_idle(group, number)]
        if disturbed:
            said = texts_in([change.value for change in group.changes])
            used = [fact.expression for fact in self._facts.all if fact.expression in said]
            group.when = (
                condition(self._facts, having, lacking, used, Source.FLAGS)
                or condition(self._facts, having, disturbed, used, Source.FLAGS)
                or self._condition_of_domain(group, having, disturbed)
                or condition(self._facts, having, lacking, used)
                or condition(self._facts, having, disturbed, used)
                or self._condition_of_domain(group, having, disturbed, lasting=False)
                or condition(self._facts, having, disturbed, used, Source.ALL)
                or conditions(self._facts, having, disturbed, used)
                or condition(self._facts, having, disturbed, (), Source.ALL)  # even by a value that the edit copies
            )
            group.apart = group.when is None

    def _condition_of_domain(
        self, group: Group, having: Sequence[int], lacking: Sequence[int], *, lasting: bool = True
    ) -> str | None:
        """What tells the domains of samples apart at the place of a group, or of another: what is there, an attribute.

        ``lasting``: the hook does not change it.
        """
        path = path_of(group.root)
        paths = [path_of((*change.steps, change.made)) for change in group.changes if change.made is not None]
        nodes = [node for number in having for node in self._find(path, number)]
        paths += [f"{path}[@{name}={quoted(text)}]" for node in nodes for name, text in node.attrib.items()]
        paths += self._places
        nodes = [node for number in lacking for node in self._find(path, number)]
        paths += [f"{path}[@{name}={quoted(text)}]" for node in nodes for name, text in node.attrib.items()]
        for one in dict.fromkeys([path, *paths]):
            if is_computed(one):
                continue
            there = {bool(self._find(one, number)) for number in having}
            absent = {bool(self._find(one, number)) for number in lacking}
            if len(there) != 1 or len(absent) != 1 or there == absent:
                continue
            later = [{bool(self._find(one, number, later=True)) for number in its} for its in (having, lacking)]
            if not lasting or later == [there, absent]:
                legible = one if '"' in one else one.replace("'", '"')
                return f"xpath({literal(legible)}) {'!=' if True in there else '=='} []"
        return None

    def _find(self, path: str, number: int, *, later: bool = False) -> list[Element]:
        of = self._differences[number]
        tree = (of.after if later else of.before).getroottree()
        found: list[Element] = tree.xpath(path, namespaces=self._namespaces.all)
        return found

    def _reaches(self, group: Group, number: int, *, later: bool = False) -> bool:
        is_told = any(change.kind in (Kind.ARGS, Kind.ENV) for change in group.changes)
        return is_told or any(self._find(path_of(change.steps), number, later=later) for change in group.changes)

    def _is_idle(self, group: Group, number: int) -> bool:
        """Whether the result of a sample has the value that the group would give it."""
        tree = self._differences[number].after.getroottree()
        return all(self._has(change, tree) for change in group.changes)

    def _has(self, change: Change, tree: Any) -> bool:
        nodes = tree.xpath(path_of(change.steps), namespaces=self._namespaces.all)
        if isinstance(change.value, str) and is_computed(change.value):
            return False
        match change.kind:
            case Kind.DROP:
                return not nodes
            case Kind.ATTRIBUTE:
                return all(node.get(self._namespaces.clark(change.name[1:])) == change.value for node in nodes)
            case Kind.TEXT:
                return all((node.text or "") == change.value for node in nodes)
            case Kind.PUT:
                return all(any(form(child) == form(change.value) for child in node) for node in nodes)
            case _:
                return False

    def _whole(self, group: Group) -> Element | None:
        """The root of a group after the hook, with values from the VMI; None if it differs in any other way."""
        found: dict[int, Element] = {}
        for number in sorted({number for change in group.changes for number in change.values}):
            of = self._differences[number]
            nodes = self._find(path_of(group.root), number)
            if len(nodes) != 1 or nodes[0] not in of.pairs.after:
                return None
            found[number] = of.pairs.after[nodes[0]]
        made = element(found, self._facts)
        if made is None or group.when is not None:
            return made
        others = [number for number in range(len(self._samples)) if number not in found]
        is_same = all(self._is_after(path_of(group.root), number, made) for number in others)
        return made if is_same else None

    def _is_after(self, path: str, number: int, node: Element) -> bool:
        """Whether the hook leaves just this at a path in a sample, or nothing is there."""
        nodes = self._find(path, number)
        return not nodes or all(form(one) == form(node) for one in self._find(path, number, later=True))

    # -- the search ----------------------------------------------------------------------------------------------------

    def _failing(self, groups: Sequence[Group]) -> list[Group]:
        """The groups whose first way is not well-formed, clean and stable by itself; few are, so halves are tried."""
        if not groups or (all(group.ways for group in groups) and self._is_fine(groups)):
            return []
        if len(groups) == 1:
            return [*groups]
        half = len(groups) // 2
        return self._failing(groups[:half]) + self._failing(groups[half:])

    def _is_fine(self, groups: Sequence[Group]) -> bool:
        text = self._text(groups)
        if isinstance(proof.compiled(text), Diagnostic) or proof.findings(text):
            return False
        return next(proof.unstable(text, self._samples), None) is None

    def _choose(self, group: Group) -> Iterator[Fault]:
        """Take the first way of a group that is well-formed, clean and stable by itself; else the first with advice."""
        advised: int | None = None
        fault = Fault(None, f"no edit makes the change of {path_of(group.root)}")
        for number in range(len(group.ways)):
            group.way = number
            text = self._text([group])
            program = proof.compiled(text)
            if isinstance(program, Diagnostic):
                fault = Fault(None, f"{program.message} ({program.rule.id})")
                continue
            found = proof.findings(text)
            unstable = next(proof.unstable(text, self._samples), None)
            if unstable is not None:
                fault = unstable
            elif not found:
                return
            elif (error := next((one for one in found if one.is_error), None)) is not None:
                fault = Fault(None, f"{error.message} ({error.rule.id})")
            elif advised is None:
                advised = number
        if advised is None:
            yield fault
            return
        group.way = advised

    def _faults(self, groups: Sequence[Group]) -> list[Fault]:
        self._tried += 1
        text = self._text(groups)
        faults = [*proof.differs(text, self._samples)]
        if not faults:
            found = proof.findings(writing.with_ignores(text, proof.findings(text)))
            faults = [Fault(None, f"{one.message} ({one.rule.id})") for one in found]
        return faults or [*proof.unstable(text, self._samples)]

    def _settled(self, groups: Sequence[Group]) -> list[Fault]:
        """What is wrong when each group has the way with which least is wrong."""
        faults = self._faults(groups)
        for group in groups:
            for way in range(len(group.ways)):
                if not faults or self._tried >= _TRIES:
                    return faults
                before, group.way = group.way, way
                found = self._faults(groups) if way != before else faults
                if _weight(found) < _weight(faults):
                    faults = found
                else:
                    group.way = before
        return faults

    def _needed(self, groups: Sequence[Group]) -> list[Group]:
        """The groups without those whose work another does in all samples."""
        found = [*groups]
        for group in groups if len(self._samples) > 1 else ():
            rest = [one for one in found if one is not group]
            if rest and self._tried < _TRIES and not self._faults(rest):
                found = rest
        return found

    def _joined(self, groups: Sequence[Group], editing: Editing) -> list[Group]:
        """The groups, those of one place together where that does the same."""
        found: list[Group] = []
        for number, group in enumerate(groups):
            of_place = (path_of(group.root), group.when, group.loose)
            at = next((n for n, one in enumerate(found) if (path_of(one.root), one.when, one.loose) == of_place), None)
            if at is not None and self._tried < _TRIES:
                together = Group(group.root, [*found[at].changes, *group.changes], group.when, group.loose)
                together.ways = editing.ways(together)[:1]
                if (
                    together.ways
                    and self._length([together]) <= self._length([found[at], group])
                    and not self._faults([*found[:at], together, *found[at + 1 :], *groups[number + 1 :]])
                ):
                    found[at] = together
                    continue
            found.append(group)
        return found

    def _length(self, groups: Sequence[Group]) -> int:
        return self._text(groups).count("\n")

    def _text(self, groups: Sequence[Group]) -> str:
        if process_time() > self._until:
            raise _LateError
        edits: list[Edit] = [dict(edit) for group in groups if group.ways for edit in group.edits]
        spec: dict[str, Any] = {}
        conditions = {edit.get("when") for edit in edits}
        if len(conditions) == 1 and None not in conditions:
            spec["when"] = conditions.pop()
            for edit in edits:
                del edit["when"]
        return writing.patch(self._name, {**spec, "domain": edits}, self._namespaces.declared)

    def _remarks(self, groups: Sequence[Group]) -> Iterator[str]:
        if any(sample.drops_comments for sample in self._samples):
            yield "the hook drops all comments of the domain, as Python's ElementTree does; the patch keeps them"
        if any(sample.reorders for sample in self._samples):
            yield "the hook reorders elements; the order does not matter to libvirt, and the patch keeps it"
        literal = [group for group in groups if group.when is None and group.apart]
        for group in literal:
            yield f"nothing in the VMIs tells in which samples {path_of(group.root)} changes"
        for group in groups:
            copied = texts_in([change.value for change in group.changes])
            own = [fact for fact in self._facts.all if fact.expression in copied or fact.expression in OF_ONE_VM]
            compared = [f"{fact.or_nothing()} {word} " for fact in own for word in ("==", "in")]
            if group.when is not None and any(one in group.when for one in compared):
                yield f"a condition compares with values of the samples that other VMs may not have: {group.when}"


def _weight(faults: Sequence[Fault]) -> int:
    """How much is wrong: a run that fails is more than any difference."""
    return sum(len(fault.diff) or _FAILS for fault in faults)
