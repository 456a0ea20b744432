"""The output of `derive` for the corpus: each case's inputs, and outcomes with the patch from examples/corpus."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from test_corpus import PATCHES, attempt, runs

from patchlang.authoring.derive import Derived, Sample, derive


class Case(NamedTuple):
    """A case of the corpus: the samples of each run that is not rejected."""

    name: str
    is_domain: bool
    samples: tuple[Sample, ...]
    is_computed: bool
    lines: int


class Figures(NamedTuple):
    """The figures in docs/derive.md for the domain cases."""

    cases: int
    derived: int
    length: float
    several: int
    computed: int


@cache
def cases() -> tuple[Case, ...]:
    return tuple(_cases())


def _cases() -> Iterator[Case]:
    found: dict[str, list[Sample]] = {}
    domains = {}
    for run in runs():
        result, _ = attempt(run, run.data)
        domains[run.case] = run.domain
        if result is not None:
            found.setdefault(run.case, []).append(Sample(run.name, run.data, result, run.vmi, run.domain))
    for name, samples in found.items():
        text = (PATCHES / f"{name}.yaml").read_text()
        yield Case(name, domains[name], tuple(samples), "$[" in text, lines_of(text))


def lines_of(text: str) -> int:
    """The number of lines without comments and blank lines."""
    return sum(line.strip()[:1] not in ("", "#") for line in text.splitlines())


@cache
def from_main(name: str) -> Derived:
    """Derive from the first run of a case only."""
    case = next(case for case in cases() if case.name == name)
    return derive(case.samples[:1], name)


@cache
def from_all(name: str) -> Derived:
    """Derive from all runs of a case."""
    case = next(case for case in cases() if case.name == name)
    return derive(case.samples, name)


def figures() -> Figures:
    domains = [case for case in cases() if case.is_domain]
    texts = {case.name: from_main(case.name).text for case in domains}
    ratios = [lines_of(text) / case.lines for case in domains if (text := texts[case.name])]
    varied = [case for case in domains if case.is_computed and len(case.samples) > 1]
    computed = sum("$[" in (from_all(case.name).text or "") for case in varied)
    derived = sum(text is not None for text in texts.values())
    return Figures(len(domains), derived, round(statistics.median(ratios), 2), len(varied), computed)
