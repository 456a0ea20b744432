"""What is true of the VMIs of some samples, and not of the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial

from .facts import Fact, Facts, is_flag, literal

_PAIRED = 60
"""Conditions that are tried in pairs."""
_ALTERNATIVES = 4


class Source(Enum):
    """Whence conditions may come: from annotations that exist or are flags, which are most likely there for the hook;
    from all annotations and labels; from all of the VMI."""

    FLAGS = "flags"
    SAID = "said"
    ALL = "all"


def condition(
    facts: Facts,
    having: Sequence[int],
    lacking: Sequence[int],
    used: Sequence[str] = (),
    source: Source = Source.SAID,
) -> str | None:
    """What is true of the samples in ``having`` and of none in ``lacking``, or None.

    Of ``used``, expressions that an edit has, everything counts.
    """
    for text, holds in _conditions(facts, used, having, source):
        if all(map(holds, having)) and not any(map(holds, lacking)):
            return text
    return None


def conditions(facts: Facts, having: Sequence[int], lacking: Sequence[int], used: Sequence[str] = ()) -> str | None:
    """Two conditions that are both true of the samples in ``having`` alone, or None."""
    true = [(text, holds) for text, holds in _conditions(facts, used, having, Source.ALL) if all(map(holds, having))]
    apart = [(text, {n for n in lacking if holds(n)}) for text, holds in true]
    useful = [(text, left) for text, left in apart if len(left) < len(lacking)][:_PAIRED]
    for number, (text, left) in enumerate(useful):
        for other, more in useful[number + 1 :]:
            if not left & more:
                return f"{text} && {other}"
    return None


def _conditions(
    facts: Facts, used: Sequence[str], having: Sequence[int], source: Source
) -> Iterator[tuple[str, Callable[[int], bool]]]:
    """Conditions on one fact, with what tells whether one holds in a sample; the plainest first."""
    known = [fact for fact in facts.all if source is Source.ALL or (fact.is_said and fact.guard)]
    if source is Source.FLAGS:
        known = [fact for fact in known if fact.expression in used or "annotation(" in fact.expression]
    known.sort(key=lambda fact: (fact.expression not in used, not fact.is_said))
    for fact in known:
        if fact.guard:
            yield fact.guard, fact.values.__contains__
    for fact in known:
        value = fact.values.get(having[0]) if having else None
        is_telling = source is not Source.FLAGS or fact.expression in used or is_flag(value)
        if isinstance(value, (str, int, bool)) and is_telling:
            read = fact.default("") if fact.default else _optional(fact)
            test = read if value is True and not fact.default else f"{read} == {shown(value)}"
            yield test, partial(_is_one_of, fact, (value,))
    if source is Source.FLAGS:
        return
    for fact in known:
        if fact.guard:
            yield f"!({fact.guard})", partial(_lacks, fact)
    for fact in known:
        values = sorted({str(fact.values.get(number)) for number in having})
        if fact.default and 1 < len(values) <= _ALTERNATIVES and all(number in fact.values for number in having):
            test = f"{fact.default('')} in [{', '.join(map(literal, values))}]"
            yield test, partial(_is_one_of, fact, values)


def _is_one_of(fact: Fact, values: Sequence[object], number: int) -> bool:
    return fact.values.get(number) in values


def _lacks(fact: Fact, number: int) -> bool:
    return number not in fact.values


def shown(value: object) -> str:
    return literal(value) if isinstance(value, str) else json.dumps(value)


def _optional(fact: Fact) -> str:
    """The expression, with a default that no sample has where it may be absent."""
    if not fact.expression.startswith("vmi.spec"):
        return fact.expression
    value = next(iter(fact.values.values()))
    default = "false" if isinstance(value, bool) else "0" if isinstance(value, int) else "''"
    return f"vmi.?{fact.expression.removeprefix('vmi.')}.orValue({default})"
