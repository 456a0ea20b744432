"""Every domain that the corpus and the examples patch: before and after, under its name in the tests."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import test_corpus
import test_examples


class Outcome(NamedTuple):
    """The input and the output."""

    name: str
    before: bytes
    after: bytes


@cache
def runs() -> dict[str, test_corpus.Run]:
    """The runs of the corpus that change a domain."""
    return {
        f"{run.case}[{run.name}]": run
        for run in test_corpus.runs()
        if run.domain and not run.refused and not run.unchanged
    }


@cache
def outcomes() -> tuple[Outcome, ...]:
    found = []
    for name, run in runs().items():
        result, said = test_corpus.attempt(run, run.data)
        assert result is not None, said
        found.append(Outcome(name, run.data, result))
    for folder in test_examples.DOMAINS:
        before, after = ((folder / name).read_bytes() for name in ("domain.xml", "expected.xml"))
        found.append(Outcome(f"examples/{folder.name}", before, after))
    return tuple(found)
