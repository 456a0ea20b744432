"""Try patches on the inputs of the page: findings, and for each input the diff and the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from ...compile import Program
from ...diagnostics import Diagnostic, PatchError
from ...diffs import diff, legible
from ...domain.tree import DomainTree, parse
from ...engine import patch_cloud_init, patch_domain
from ...podfacts import Given as Facts
from ...record import record
from ...result import CloudInitOutcome, DocumentTrace, EditTrace, Outcome, Spot
from . import findings, inputs
from .offsets import utf16_of_bytes
from .request import Given, Json

T = TypeVar("T")

MOST_SPOTS = 2000
"""How many nodes of one edit are marked."""
DOMAIN, CLOUD_INIT = "domain", "cloudInit"
_ALWAYS_READ = ("vmi", "facts")
NAMES = {DOMAIN: "domain.xml", CLOUD_INIT: "cloud-init.json"}
"""The names of the inputs in diffs and exported files."""


@record
class Prepared:
    """The parsed inputs. ``shift`` is the number of characters before the domain in its pane, None if it is encoded."""

    program: Program
    vmi: bytes
    domain: bytes | None
    shift: int | None
    cloud_init: bytes | None
    pod: Facts


def try_patches(given: Given) -> Json:
    """The result of patches on the inputs: ``findings``, and ``outcomes``, one for each input that is given.

    An outcome has ``of``, its input; ``state``: ``patched``, ``unchanged``, ``refused``, or ``untouched`` if no patch
    edits this input; ``diff``; and ``trace``.
    """
    prepared, found = prepare(given)
    outcomes: list[Json] = []
    if prepared is not None:
        if prepared.domain is not None:
            outcomes.append(_domain(prepared, prepared.domain, given, found))
        if prepared.cloud_init is not None:
            outcomes.append(_cloud_init(prepared, prepared.cloud_init, given, found))
    return {"findings": found, "outcomes": outcomes}


def prepare(given: Given) -> tuple[Prepared | None, list[Json]]:
    """The parsed inputs, None if there is no program or an input cannot be read; and the findings."""
    try:
        sources = inputs.sources(given)
    except PatchError as e:
        return None, [*findings.in_patches([e.diagnostic])]
    program, diagnostics = findings.load(sources)
    found = [*findings.in_patches(diagnostics)]
    is_readable = True

    def read(pane: str, text: str, reader: Callable[[], T]) -> T | None:
        nonlocal is_readable
        if not text.strip() and pane not in _ALWAYS_READ:
            return None
        try:
            return reader()
        except PatchError as e:
            found.append(findings.in_input(e.diagnostic, pane, text))
            is_readable = False
            return None

    shift: list[int | None] = []

    def domain() -> bytes:
        data, before = inputs.domain(given)
        shift.append(before)
        return data

    vmi = read("vmi", given.vmi, partial(inputs.vmi, given))
    of_domain = read(DOMAIN, given.domain, partial(domain))
    of_cloud_init = read(CLOUD_INIT, given.cloud_init, partial(inputs.cloud_init, given))
    pod = read("facts", given.facts, partial(inputs.facts, given, program.facts)) if program is not None else None
    if program is None or vmi is None or pod is None or not is_readable:
        return None, found
    return Prepared(program, vmi, of_domain, shift[0] if shift else 0, of_cloud_init, pod), found


def _domain(prepared: Prepared, data: bytes, given: Given, found: list[Json]) -> Json:
    outcome = patch_domain(prepared.program, data, prepared.vmi, parse=_telling_spots, pod=prepared.pod)
    found += _of_run(outcome.diagnostics, DOMAIN, given.domain)
    return _outcome(DOMAIN, outcome, data, prepared.program.edits_domain, prepared.shift)


def _cloud_init(prepared: Prepared, data: bytes, given: Given, found: list[Json]) -> Json:
    outcome = patch_cloud_init(prepared.program, data, b"", prepared.vmi, pod=prepared.pod)
    found += _of_run(outcome.diagnostics, CLOUD_INIT, given.cloud_init)
    return _outcome(CLOUD_INIT, outcome, data, prepared.program.edits_cloud_init, None)


def _telling_spots(data: bytes) -> DomainTree:
    tree = parse(data)
    tree.tells_spots = True
    return tree


def _of_run(diagnostics: Iterable[Diagnostic], pane: str, text: str) -> Iterator[Json]:
    """The findings of a run: those on patches in their files, those on its input in its pane."""
    for one in diagnostics:
        if one.span is not None or not one.rule.id.startswith("PL5"):
            yield from findings.in_patches([one])
        else:
            yield findings.in_input(one, "vmi" if one.rule.id == "PL504" else pane, text)


def _outcome(of: str, outcome: Outcome | CloudInitOutcome, data: bytes, edited: bool, shift: int | None) -> Json:
    name = NAMES[of]
    changes = "" if outcome.data is None else diff(data, outcome.data, name, f"{name} (patched)")
    if outcome.data is None:
        state = "refused"
    elif not edited:
        state = "untouched"
    else:
        state = "patched" if changes else "unchanged"
    spots = [spot for patch in outcome.trace for edit in patch.edits for spot in edit.spots[:MOST_SPOTS]]
    units = {} if shift is None else utf16_of_bytes(data, (offset for spot in spots for offset in spot), shift)
    trace = [_patch(patch, units) for patch in outcome.trace]
    return {"of": of, "state": state, "diff": legible(changes), "trace": trace}


def _patch(patch: DocumentTrace, units: Mapping[int, int]) -> Json:
    depths: dict[int, int] = {}
    edits: list[Json] = []
    for edit in patch.edits:  # edits inside another one follow it
        depth = depths.get(id(edit), 0)
        depths.update((id(inner), depth + 1) for inner in edit.inner)
        edits.append(_edit(edit, depth, units))
    head = {"name": patch.name, "state": patch.state.value, "reason": patch.reason, "priority": patch.priority}
    return {**head, **findings.place(patch.span), "edits": edits}


def _edit(edit: EditTrace, depth: int, units: Mapping[int, int]) -> Json:
    return {
        "label": edit.label,
        "depth": depth,
        "ran": edit.ran,
        "matched": edit.matched,
        "changed": edit.changed,
        "skipped": edit.skipped,
        "reason": edit.reason,
        "places": edit.places,
        "spots": _units(edit.spots[:MOST_SPOTS], units),
        **findings.place(edit.span),
    }


def _units(spots: Iterable[Spot], units: Mapping[int, int]) -> list[tuple[int, int]]:
    known = {(units[start], units[end]) for start, end in spots} if units else set()
    return sorted(known)
