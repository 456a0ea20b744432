"""A whole run: units of files, in one process or several; then what only shows once all are known."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from .. import rules
from ..diagnostics import Diagnostic, in_order
from ..lint import untested
from ..record import replace
from ..source import Span
from . import ignores
from .discovery import Input
from .options import Options
from .report import Report, report
from .unit import UnitOutcome, check, check_entry

LARGEST_UNIT = 1000
"""Files of one folder that are checked together. No sidecar has a larger folder (a ConfigMap holds 1 MiB): there,
advice on several patches covers only such parts."""

OF_SEVERAL_FILES = {
    rule.id
    for rule in (
        rules.SAME_PLACE,
        rules.UNTESTED,
        rules.SIDECAR_IMAGE,
        rules.CONFIG_MAP_NOT_GIVEN,
        rules.NO_CLOUD_INIT_VOLUME,
        rules.SEVERAL_CLOUD_INIT,
        rules.UNBOUND_POLICY,
        rules.NOT_ADMITTED,
    )
}
"""Findings that depend on the other input: a comment on them may be useful, though not with these files."""

BYTES_A_WORKER = 150_000
"""What one process checks in about the time that another takes to start."""

if TYPE_CHECKING:
    from ..manifests.configmaps import Entry
    from ..manifests.given import PatchFacts

Progress = Callable[[int], None]
"""Called with the number of files that are done."""


def validate_files(
    inputs: Sequence[Input],
    known: Iterable[Diagnostic] = (),
    *,
    options: Options = Options(),  # noqa: B008 (it is frozen)
    jobs: int = 1,
    progress: Progress = lambda _: None,
) -> Report:
    """Checks files; ``known`` are existing findings. The report is the same with any number of jobs.

    Raises WorkerDied if one of several processes dies before its work is done.
    """
    units = list(_units(inputs))
    outcomes = _outcomes(units, options, jobs, progress)
    whole = UnitOutcome(options)
    for outcome in outcomes:
        whole.held += outcome.held
        whole.diagnostics += outcome.diagnostics
        whole.ignores += outcome.ignores
        whole.config_maps += outcome.config_maps
        whole.machines += outcome.machines
        whole.generated += outcome.generated
        whole.plugins += outcome.plugins
        whole.policies += outcome.policies
        whole.bound += outcome.bound
        whole.admitting += outcome.admitting
        whole.objects += outcome.objects
        whole.templates += outcome.templates
        whole.incomplete |= outcome.incomplete
        whole.tested |= outcome.tested
    whole.diagnostics += _duplicate_names(units, outcomes)
    whole.diagnostics += untested((one for outcome in outcomes for one in outcome.facts.names), whole.tested)
    _check_machines(whole)
    if whole.plugins or whole.policies or whole.admitting:
        from ..admission import check as plugins

        whole.add(plugins.not_admitted((machine for _, machine in whole.machines), whole.admitting))
        whole.add(plugins.check(whole.plugins, whole.policies, whole.bound, whole.config_maps))
    alone = any(one.named and one.data is None for one in inputs)

    def is_complete(file: str, rule: str) -> bool:
        looked_for = options.plugins or rule != rules.LOST_WITH_PLUGINS.id
        return looked_for and file not in whole.incomplete and not (alone and rule in OF_SEVERAL_FILES)

    found = ignores.apply(whole.diagnostics, whole.ignores, is_complete)
    counting = options.selection.of([*known, *_in_objects(found, whole.objects)])
    return report(whole.held, in_order(counting), whole.templates)


def worthwhile_jobs(inputs: Sequence[Input], processors: int) -> int:
    """How many processes pay off, at most one per CPU: by the folders, and the bytes in them."""
    folders = len({one.folder for one in inputs})
    most = min(processors, folders)
    if most < 2:
        return 1
    size = 0
    for one in inputs:
        size += _size(one)
        if size >= most * BYTES_A_WORKER:
            return most
    return max(1, size // BYTES_A_WORKER)


def _size(one: Input) -> int:
    """The size of the input; 0 if unknown, as for a pipe."""
    if one.data is not None:
        return len(one.data)
    try:
        return os.stat(one.name).st_size
    except (OSError, ValueError):
        return 0


def _in_objects(found: Iterable[Diagnostic], objects: Iterable[tuple[Span, str]]) -> Iterator[Diagnostic]:
    """Findings, each with its manifest."""
    by_file: dict[str, list[tuple[Span, str]]] = {}
    for span, label in objects:
        by_file.setdefault(span.source.name, []).append((span, label))
    starts = {name: [span.start for span, _ in ones] for name, ones in by_file.items()}
    for diagnostic in found:
        place = diagnostic.span
        number = bisect_right(starts.get(place.source.name, ()), place.start) - 1 if place else -1
        if place is not None and number >= 0:
            span, label = by_file[place.source.name][number]
            if place.start < span.end:
                diagnostic = replace(diagnostic, manifest=label)
        yield diagnostic


def _units(inputs: Sequence[Input]) -> Iterator[list[Input]]:
    in_folders = sorted(inputs, key=lambda one: (one.folder, one.name))
    for _, group in groupby(in_folders, key=lambda one: one.folder):
        files = list(group)
        for start in range(0, len(files), LARGEST_UNIT):
            yield files[start : start + LARGEST_UNIT]


def _outcomes(units: Sequence[list[Input]], options: Options, jobs: int, progress: Progress) -> list[UnitOutcome]:
    """The result of each unit, in order."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done)

    if min(jobs, len(units)) < 2:
        return [check(unit, options, tick) for unit in units]
    found: dict[int, UnitOutcome] = {}
    from .processes import check_all

    for number, outcome in check_all(units, options, jobs):
        found[number] = outcome
        for _ in units[number]:
            tick()
    return [found[number] for number in range(len(units))]


def _duplicate_names(units: Sequence[list[Input]], outcomes: Sequence[UnitOutcome]) -> Iterator[Diagnostic]:
    """Patches of the same name in parts of a folder that were checked separately."""
    first: dict[tuple[str, str], tuple[UnitOutcome, str]] = {}
    for unit, outcome in zip(units, outcomes, strict=True):
        for name, span in outcome.facts.names:
            part, place = first.setdefault((unit[0].folder, name), (outcome, str(span)))
            if part is not outcome:
                message = f"two patches are named `{name}`"
                help = f"the other is at {place}; names must be unique in a set"
                yield Diagnostic(rules.DUPLICATE_NAME, message, span, help)


def _check_machines(whole: UnitOutcome) -> None:
    if not whole.machines:
        return
    from ..manifests import crosscheck

    loaded: dict[int, PatchFacts] = {}

    def load(entry: Entry) -> PatchFacts:
        if id(entry) not in loaded:
            loaded[id(entry)] = check_entry(entry, whole)
        return loaded[id(entry)]

    for file, machine in whole.machines:
        whole.add(crosscheck.check(file, machine, whole.config_maps, load, whole.generated))
