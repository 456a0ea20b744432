"""Plans VMs: patches each domain as the sidecar would, and assigns it to a group."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from .. import diffs, rules
from ..compile import Program
from ..diagnostics import Diagnostic, PatchError
from ..document.nested_source import located
from ..domain import tree as domain_tree
from ..domain.origins import Origins
from ..domain.tree import DomainTree
from ..engine import patch_domain
from ..extract import read_domain, read_vmi
from ..formats.json import finding
from ..loading import load_sources
from ..record import record, replace
from ..render import render
from ..result import DocumentTrace, Outcome, State
from ..source import SourceFile
from ..vmi import parse_vmi
from .effects import Effect, effect_of, with_expressions
from .inventory import Inventory, map_at, value_at
from .patches import PatchSet, Resolver, Step, in_object
from .plugins import Plugins
from .report import EXAMPLES, Body, Example, Group, Plan, Said, Status

_MOST_FINDINGS = 20
_ALREADY = "already patched"


@record
class Setup:
    """What is planned. ``given`` are patch files that replace everything annotations request, ``base`` what they are
    compared with; None: there are none."""

    inventory: Inventory
    given: tuple[SourceFile, ...] | None = None
    base: tuple[SourceFile, ...] | None = None


@record(frozen=False)
class _Done:
    """One pass through a domain: the result, the tree that edits left, and what they did."""

    outcome: Outcome
    tree: DomainTree | None
    effect: Effect


class Planner:
    """Plans VMs by number; the results are in ``plan``."""

    def __init__(self, setup: Setup) -> None:
        self.inventory = setup.inventory
        self.annotations = list(setup.inventory.annotations)
        self.resolver = Resolver(setup.inventory)
        self.plugins = Plugins(self.resolver)
        self.given = _given(setup.given)
        self.base = _given(setup.base)
        self.plan = Plan()
        self.bodies: dict[str, Body] = {}
        self.shown: dict[str, int] = {}
        self.files: dict[int, int] = {}

    def vm(self, name: str, number: int, path: str | None) -> None:
        """Plans one VM, whose domain is in the file ``path``. Its parts are read here and released again."""
        try:
            self.planned(name, number, path)
        except PatchError as e:
            self.fails(name, [e.diagnostic])
        except OSError as e:
            message = f"`{e.filename}` cannot be read: {e.strerror or e}"
            self.fails(name, [Diagnostic(rules.UNREADABLE, message)])

    def taken(self) -> Plan:
        """What was found since the last call."""
        found, self.plan = self.plan, Plan()
        return found

    def planned(self, name: str, number: int, path: str | None) -> None:
        patches = self.given if self.given is not None else self.asked(name, number)
        if self.given is None and self.plugins.brought:
            patches = self.with_plugins(name, number, patches)
        if patches is None:
            reason = "no sidecar requested"
            self.add(name, ("unpatched",), Body(name, Status.UNPATCHED, reason))
            return
        if patches.others:
            self.plan.notes.add("others")
        if patches.found:
            file = self.inventory.files[self.object(number)[0]].name
            self.fails(name, [in_object(one, file, self.inventory.lines[number]) for one in patches.found])
            return
        unknown = patches.unknown or ("" if path is not None else "no domain in the dump")
        if not unknown and not patches.steps:
            unknown = "what its sidecars do is not known"
        if unknown or path is None:
            self.add(name, ("unknown", unknown), Body(name, Status.UNKNOWN, unknown))
            return
        domain = _domain(path)
        most = min(step.max_domain_bytes for step in patches.steps)
        if len(domain) > most:
            message = f"the domain is too big: the sidecar accepts {most} bytes"
            help = "raise the sidecar's `--max-domain-bytes`, if it has enough memory"
            self.fails(name, [Diagnostic(rules.INPUT_TOO_BIG, message, None, help)])
            return
        vmi = self.vmi(number)
        for step in patches.steps:
            self.note(step.program)
        if self.base is not None:
            self.compared(name, domain, vmi, patches.steps)
            return
        done: list[_Done] = []
        data = domain
        for step in patches.steps:
            one = self.run(step, data, vmi, name)
            done.append(one)
            if one.outcome.data is None:
                self.fails(name, [step.placed(d) for d in one.outcome.diagnostics if d.is_error])
                return
            data = one.outcome.data
        self.outcome(name, data == domain, done, patches.steps)

    def outcome(self, name: str, is_same: bool, done: Sequence[_Done], steps: Sequence[Step]) -> None:
        warnings = [step.placed(d) for step, one in zip(steps, done, strict=True) for d in one.outcome.diagnostics]
        said = list(map(_identity, warnings))
        if is_same:
            if not any(step.program.edits_domain for step in steps):
                reason = "its patches only edit cloud-init data"
                self.add(name, ("unknown", reason), Body(name, Status.UNKNOWN, reason))
                return
            reason = _why_unchanged([trace for one in done for trace in one.outcome.trace], steps)
            same = Body(name, Status.UNCHANGED, reason, findings=_said(warnings))
            self.add(name, ("unchanged", reason, *said), same)
            return
        edits = [line for one in done for line in _edits(one.outcome.trace)]
        lines = [line for one in done for line in one.effect.lines]
        values = {written: value for one in done for written, value in one.effect.values.items()}
        key = ("changes", *edits, "", *lines, "", *said)

        def body() -> Body:
            diff = "".join(_shown(one.tree, name) for one in done if one.tree is not None)
            return Body(name, Status.CHANGES, "", tuple(edits), tuple(lines), diff, _said(warnings))

        self.add(name, key, body, values)

    def compared(self, name: str, domain: bytes, vmi: bytes, steps: Sequence[Step]) -> None:
        """The result of the given patches compared with that of the base."""
        assert self.base is not None
        if self.base.found:
            raise PatchError(self.base.found[0])
        [new], [old] = steps, self.base.steps
        before, after = self.run(old, domain, vmi, name), self.run(new, domain, vmi, name)
        if after.outcome.data is None:
            self.fails(name, [d for d in after.outcome.diagnostics if d.is_error])
            return
        if before.outcome.data == after.outcome.data:
            reason = "both sets of patches give the same result"
            self.add(name, ("unchanged", reason), Body(name, Status.UNCHANGED, reason))
            return
        errors = [d for d in before.outcome.diagnostics if d.is_error]
        reason = f"the base fails: {errors[0].rule.id} {errors[0].message}" if errors else ""
        gone = sorted({*before.effect.lines} - {*after.effect.lines}) if not errors else []
        come = sorted({*after.effect.lines} - {*before.effect.lines}) if not errors else after.effect.lines
        lines = [*(f"no more: {line}" for line in gone), *come]
        edits = list(_edits(after.outcome.trace))
        values = {**before.effect.values, **after.effect.values}

        def body() -> Body:
            was = domain if errors or before.tree is None else with_expressions(before.tree)
            now = domain if after.tree is None else with_expressions(after.tree)
            diff = diffs.diff(was, now, f"{name} (base)", f"{name} (patched)")
            return Body(name, Status.CHANGES, reason, tuple(edits), tuple(lines), diff)

        key = ("changes", *map(_identity, errors), *edits, "", *lines)
        self.add(name, key, body, values)

    # -- one VM --------------------------------------------------------------------------------------------------------

    def asked(self, name: str, number: int) -> PatchSet | None:
        asked = self.inventory.asked[number]
        if asked < 0:
            return None
        return self.resolver.of(name.partition("/")[0], self.annotations[asked])

    def with_plugins(self, name: str, number: int, asked: PatchSet | None) -> PatchSet | None:
        """What a VM requests, and what the Plugins that select it do."""
        result = PatchSet() if asked is None else replace(asked, steps=[*asked.steps], found=[*asked.found])
        self.plugins.add(name.partition("/")[0], parse_vmi(self.vmi(number)), result)
        return result if result.selected else asked

    def object(self, number: int) -> tuple[int, int, int]:
        """The object that defines the VM's next start."""
        place = self.inventory.place(number, "vm") or self.inventory.place(number, "vmi")
        assert place is not None, "a VM has one of them"
        return place

    def vmi(self, number: int) -> bytes:
        """The VMI at the next start: the running one, with the annotations and labels of its VirtualMachine."""
        running, kept = self.slice(number, "vmi"), self.slice(number, "vm")
        if running is None:
            return read_vmi(kept or b"{}")
        if kept is None:
            return running
        try:
            template, vmi = value_at(json.loads(kept), "spec", "template", "metadata"), json.loads(running)
        except (ValueError, RecursionError):
            return running  # the engine reports what is wrong with it
        changed = False
        for what in ("annotations", "labels"):
            wanted, there = map_at(template, what), map_at(vmi["metadata"], what)
            if any(there.get(key) != value for key, value in wanted.items()):
                vmi["metadata"][what] = {**there, **wanted}
                changed = True
        return json.dumps(vmi).encode() if changed else running

    def slice(self, number: int, kind: str) -> bytes | None:
        place = self.inventory.place(number, kind)
        if place is None:
            return None
        number, start, length = place
        if number not in self.files:
            file = self.inventory.files[number]
            self.files[number] = os.open(file.objects or file.path, os.O_RDONLY)  # as long as the planner lives
        return os.pread(self.files[number], length, start)

    def run(self, step: Step, domain: bytes, vmi: bytes, name: str) -> _Done:
        trees: list[DomainTree] = []

        def parse(data: bytes) -> DomainTree:
            tree = domain_tree.parse(data)
            tree.origins = Origins()
            trees[:] = [tree]
            return tree

        outcome = patch_domain(step.program, domain, vmi, parse=parse)
        if step.audits and outcome.data is not None:
            return _Done(replace(outcome, data=domain), None, Effect())
        if outcome.data is None or outcome.data == domain:
            return _Done(outcome, None, Effect())
        return _Done(outcome, trees[0], effect_of(trees[0], name.partition("/")[2]))

    def note(self, program: Program) -> None:
        if program.edits_cloud_init:
            self.plan.notes.add("cloud-init")
        if program.facts:
            self.plan.notes.add("facts")

    # -- groups --------------------------------------------------------------------------------------------------------

    def fails(self, name: str, found: Sequence[Diagnostic]) -> None:
        keys = map(_identity, found)
        first = found[0].message if found else ""

        def body() -> Body:
            return Body(name, Status.FAILS, first, findings=_said(found))

        self.add(name, ("fails", *keys), body)

    def add(self, name: str, key: tuple[str, ...], body: Any, values: Mapping[str, str] | None = None) -> None:
        """Adds a VM to its group, whose body is made for its first member."""
        digest = sha256("\0".join(key).encode(errors="surrogatepass")).hexdigest()[:32]
        group = self.plan.groups.get(digest)
        if group is None:
            if digest not in self.bodies:
                self.bodies[digest] = body if isinstance(body, Body) else body()
            group = self.plan.groups[digest] = Group(self.bodies[digest])
        group.vms.append(name)
        if values and self.shown.setdefault(digest, 0) < EXAMPLES:
            self.shown[digest] += 1
            group.examples.append(Example(name, values))


def _domain(path: str) -> bytes:
    """The domain in a file. Raises PatchError (PL501), OSError."""
    with open(path, "rb", buffering=0) as file:
        data = file.read()
    if data.startswith(b"<domain") and data.rstrip().endswith(b"</domain>"):
        return data
    try:
        return read_domain(data).data
    except PatchError as e:
        raise PatchError(replace(e.diagnostic, message=f"`{path}`: {e.diagnostic.message}")) from None


def _identity(found: Diagnostic) -> str:
    """The part of a finding that is equal for several VMs, and for ConfigMaps with the same text."""
    if found.span is None:
        return f"{found.rule.id} {found.message}"
    text = sha256(found.span.source.text.encode(errors="surrogatepass")).hexdigest()
    return f"{found.patch} {found.rule.id} {text} {found.span.start}"


def _given(sources: tuple[SourceFile, ...] | None) -> PatchSet | None:
    if sources is None:
        return None
    program, found = load_sources(sources)
    errors = [one for one in found if one.is_error]
    return PatchSet([Step(program)] if program is not None else [], errors)


def _edits(traces: Iterable[DocumentTrace]) -> Iterable[str]:
    """The edits that changed something, by patch and name."""
    for document in traces:
        if document.state is State.APPLIED:
            for edit in document.edits:
                if edit.changed:
                    yield f"{document.name}: {edit.label}"


def _why_unchanged(traces: Sequence[DocumentTrace], steps: Sequence[Step]) -> str:
    if any(step.audits for step in steps):
        return "the sidecar only audits"
    skipped = [trace for trace in traces if trace.state is State.SKIPPED]
    ignored = [trace for trace in traces if trace.state is State.IGNORED]
    if len(skipped) == len(traces):
        return "`when` is false"
    said = [_ALREADY]
    said += [f"`when` of {trace.name} is false" for trace in skipped]
    said += [f"{trace.name} is skipped" for trace in ignored]
    return "; ".join(said if len(skipped) + len(ignored) < len(traces) else said[1:])


def _shown(tree: DomainTree, name: str) -> str:
    before = tree.input
    return diffs.diff(before, with_expressions(tree), name, f"{name} (patched)")


def _said(found: Sequence[Diagnostic]) -> tuple[Said, ...]:
    shown = [located(one) for one in found[:_MOST_FINDINGS]]
    return tuple(Said(render([one]), finding(one)) for one in shown)
