"""Undo is byte-exact: an ignored document does not change the result of the others, to the last byte."""

from __future__ import annotations

from random import Random
from typing import Any

from patchlang.diagnostics import Diagnostic
from patchlang.engine import patch_cloud_init, patch_domain
from patchlang.loading import load_sources
from patchlang.source import SourceFile

from .. import laws, mutate, seeds
from ..target import Parts, Target
from . import domains, patches, programs
from .values import edits_of


def _make(random: Random) -> Parts:
    """Valid patches, and one between them that fails after edits from any other patch."""
    of_domain = random.random() < 0.6
    if of_domain:
        choice, others, kind = programs.domain_seeds(), seeds.for_domains(), "domain"
        failing: dict[str, Any] = {"op": "test", "path": "/nowhere"}
    else:
        choice, others, kind = programs.cloud_init_seeds(), seeds.for_cloud_init(), "cloudInit"
        failing = {"op": "test", "expression": "false"}
    seed = random.choice(choice)
    other = seed if random.random() < 0.5 else random.choice(others)
    tree = random.choice(seeds.documents(other.patch) or [{}])
    edits = random.sample(edits_of(tree, kind), k=min(len(edits_of(tree, kind)), random.randrange(1, 5)))
    if random.random() < 0.4:
        edits = mutate.of_data(random, edits, [edits]) or []
    ignored = patches.written(
        random, tree, kind, [*edits, failing] if isinstance(edits, list) else [failing],
        failurePolicy="Ignore", priority=random.choice((10, 50, 90)),
    )  # fmt: skip
    parts = {"patch.yaml": seed.patch, "ignored.yaml": ignored, "vmi.json": seed.vmi}
    if not of_domain:
        return {**parts, "cloud-init.json": seed.cloud_init, "legacy.json": seed.legacy}
    data = seed.domain
    if random.random() < 0.4:
        data = domains.well_formed(random, data, random.choice(choice).domain) or data
    return {**parts, "domain.xml": data}


def _check(parts: Parts) -> str:
    program = programs.program(parts["patch.yaml"])
    sources = [SourceFile(name, parts[name].decode(errors="replace")) for name in ("patch.yaml", "ignored.yaml")]
    both, diagnostics = load_sources(sources)
    laws.shown(diagnostics, refused=both is None)
    if both is None:
        return laws.REFUSED
    (alone, _), (together, said) = _outcome(program, parts), _outcome(both, parts)
    if alone is None:
        return laws.REFUSED
    if together is None:
        laws.require(any(d.rule.id.startswith("PL5") for d in said), "what is ignored stops the run")
        return laws.REFUSED
    laws.require(together == alone, "a document that is ignored leaves a trace")
    return laws.RESULT


def _outcome(program: Any, parts: Parts) -> tuple[Any, tuple[Diagnostic, ...]]:
    outcome: Any
    if "domain.xml" in parts:
        outcome = patch_domain(program, parts["domain.xml"], parts["vmi.json"])
        data = outcome.data
    else:
        outcome = patch_cloud_init(program, parts["cloud-init.json"], parts["legacy.json"], parts["vmi.json"])
        data = outcome.data and (outcome.data, outcome.no_cloud_source)
    laws.shown(outcome.diagnostics, refused=outcome.data is None)
    return data, outcome.diagnostics


TARGETS = (Target("undo", 6, _make, _check),)
