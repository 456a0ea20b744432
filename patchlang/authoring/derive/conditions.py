"""Conditions that are true for the VMIs of some samples, and false for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial

from .facts import Fact, Facts, literal, shown, truth

_PAIRED = 60
"""How many conditions are tried in pairs."""
_ALTERNATIVES = 4


class Source(Enum):
    """Where conditions may come from.

    In this order: annotations that exist or are flags, which are most likely there for the hook; all annotations and
    labels; the whole VMI.
    """

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
    """A condition that is true for the samples in ``having`` and for none in ``lacking``, or None.

    Of ``used``, the expressions that an edit has, all facts count.
    """
    for text, holds in _conditions(facts, used, having, source):
        if all(map(holds, having)) and not any(map(holds, lacking)):
            return text
    return None


def conditions(facts: Facts, having: Sequence[int], lacking: Sequence[int], used: Sequence[str] = ()) -> str | None:
    """Two conditions that together are true only for the samples in ``having``, or None."""
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
    """Conditions on one fact, with a function that says whether one holds in a sample; the simplest first."""
    if source is Source.ALL:
        known = [fact for fact in facts.all if fact.is_said or fact.guard]
    else:
        known = [fact for fact in facts.all if fact.is_said and fact.guard]
    if source is Source.FLAGS:
        known = [fact for fact in known if fact.expression in used or "annotation(" in fact.expression]
    known.sort(key=lambda fact: (fact.expression not in used, not fact.is_said))
    for fact in known:
        if fact.guard:
            yield fact.guard, fact.values.__contains__
    for fact in known:
        value = fact.values.get(having[0]) if having else None
        # what an edit copies may be anything: its value in a sample says nothing about other VMs
        is_telling = truth(value) is not None or (source is not Source.FLAGS and fact.expression not in used)
        if isinstance(value, (str, int, bool)) and is_telling:
            read = fact.or_nothing()
            test = read if value is True else f"{read} == {shown(value)}"
            yield test, partial(_is_one_of, fact, (value,))
    if source is Source.FLAGS:
        return
    for fact in known:
        if fact.guard:
            yield f"!({fact.guard})" if " in " in fact.guard else f"!{fact.guard}", partial(_lacks, fact)
    for fact in known:
        values = sorted({str(fact.values.get(number)) for number in having})
        is_text = fact.frame is not None and fact.kinds == {str} and fact.expression not in used
        if is_text and 1 < len(values) <= _ALTERNATIVES and all(number in fact.values for number in having):
            test = f"{fact.or_nothing()} in [{', '.join(map(literal, values))}]"
            yield test, partial(_is_one_of, fact, values)


def _is_one_of(fact: Fact, values: Sequence[object], number: int) -> bool:
    return fact.values.get(number) in values


def _lacks(fact: Fact, number: int) -> bool:
    return number not in fact.values
