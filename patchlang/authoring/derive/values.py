"""Find the expression on the facts that gives the values in the samples."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from .facts import FLAG_WORDS, Fact, Facts, literal, shown, truth
from .scaling import NUMBER, as_number, calculated, line
from .templates import COMPUTED, computed, is_computed

_SEPARATORS = (",", ";", ":", "=", "/", "|", "@", " ", "-", ".", "_", "x")
_FEW_CHARACTERS = 4
_LONG = 8
"""From this length on, a name or uid is unlikely to be part of a text by chance."""


Values = Mapping[int, str]
"""Texts by the number of the sample."""


def text_of(facts: Facts, values: Values) -> str | None:
    """A text with computed parts that gives the text of each sample, or None."""
    if len(facts.documents) < 2:
        return next(iter(values.values()), None)
    varies = len(set(values.values())) > 1
    for find in (_equal, _with_default, _composed, _composed_with_default, _number, _switch):
        if (found := find(facts, values, varies)) is not None:
            return found
    return None if varies else next(iter(values.values()))


def texts_of(facts: Facts, lists: Mapping[int, Sequence[str]]) -> list[str] | str | None:
    """A list of texts with computed parts, or one expression that gives the list; None if there is none."""
    if len({len(one) for one in lists.values()}) == 1:
        length = len(next(iter(lists.values())))
        found = [text_of(facts, {n: one[at] for n, one in lists.items()}) for at in range(length)]
        if None not in found:
            return [text for text in found if text is not None]
    for fact in facts.all:
        for separator in (*_SEPARATORS[:2], " ", "\n", "|"):
            if all((fact.text(n) or "").split(separator) == [*one] for n, one in lists.items()):
                return _use(facts, f"{_as_text(fact)}.split({literal(separator)})", fact)
        if all(fact.values.get(n) == [*one] for n, one in lists.items()):
            return _use(facts, fact.expression, fact)
    return None


def optional_of(facts: Facts, values: Values, lacking: Sequence[int]) -> str | None:
    """A field that exists exactly in the samples with a text, as an optional; otherwise None."""
    for fact in facts.all:
        if not fact.optional or any(number in fact.values for number in lacking):
            continue
        if all(fact.text(number) == text for number, text in values.items()):
            return _use(facts, fact.optional, fact)
    return None


def _use(facts: Facts, expression: str, fact: Fact) -> str:
    facts.used.append(fact.expression)
    return computed(expression)


# -- one fact ----------------------------------------------------------------------------------------------------------


def _equal(facts: Facts, values: Values, varies: bool) -> str | None:
    for fact in facts.all:
        if not varies and not _is_evident(facts, fact, values):
            continue
        for expression, change in _FORMS:
            found = {number: fact.text(number) for number in values}
            if all(text is not None and change(text) == values[number] for number, text in found.items()):
                return _use(facts, expression(_as_text(fact)), fact)
        if (part := _part(facts, fact, values)) is not None:
            return part
    return None


def _is_evident(facts: Facts, fact: Fact, values: Values) -> bool:
    """Whether it is unlikely that a text which some samples share equals a value of the VMI by chance.

    A person wrote the value, and it is either long, in several samples, or in exactly the samples that have the text.
    """
    if not fact.is_said or not all(number in fact.values for number in values):
        return False
    text = next(iter(values.values()))
    if len(values) == len(facts.documents) or not fact.guard:
        return _is_telling(text) and (bool(fact.guard) or len(fact.text(next(iter(values))) or "") >= _LONG)
    if fact.guard and fact.values.keys() == values.keys():
        return True
    return bool(fact.guard) and len(text) >= _FEW_CHARACTERS and text.lower() not in FLAG_WORDS


def _part(facts: Facts, fact: Fact, values: Values) -> str | None:
    texts = {number: fact.text(number) for number in values}
    if any(text is None for text in texts.values()):
        return None
    text = next(iter(values.values()))
    is_sure = _is_evident(facts, fact, values) and (len(text) > 2 or fact.values.keys() == values.keys())
    if len(set(values.values())) == 1 and not is_sure:
        return None
    for separator in _SEPARATORS:
        split = {number: (text or "").split(separator) for number, text in texts.items()}
        for at in range(min(min(map(len, split.values())), 8)):
            is_part = max(map(len, split.values())) > 1
            if is_part and all(split[number][at] == text for number, text in values.items()):
                return _use(facts, f"{_as_text(fact)}.split({literal(separator)})[{at}]", fact)
    return None


def _with_default(facts: Facts, values: Values, varies: bool) -> str | None:
    """The value of the VMI if it has one, and one common text otherwise."""
    for fact in facts.all if varies else ():
        having = {values[number] for number in values if fact.text(number) is not None}
        lacking = {values[number] for number in values if fact.text(number) is None}
        if fact.frame is None or not having or len(lacking) != 1:
            continue
        if not fact.is_said and len(having) == 1 and not _is_telling(next(iter(having))):
            continue
        default = _like(fact, next(iter(lacking)))
        if default is not None and all(fact.text(number) in (None, text) for number, text in values.items()):
            return _use(facts, fact.or_value(default), fact)
    return None


def _like(fact: Fact, text: str) -> str | int | None:
    """A text as the default of a fact, with the same type."""
    if fact.kinds == {int}:
        return int(text) if NUMBER.fullmatch(text) else None
    return text if fact.kinds == {str} else None


def _number(facts: Facts, values: Values, varies: bool) -> str | None:
    """A number that is another one times a factor plus a difference."""
    if not all(NUMBER.fullmatch(text) for text in values.values()):
        return None
    wanted = {number: int(text) for number, text in values.items()}
    for fact in facts.all:
        numbers = {number: as_number(fact.values.get(number)) for number in values}
        if any(value is None for value in numbers.values()):
            continue
        given = {number: value[0] for number, value in numbers.items() if value is not None}
        is_quantity = any(value[1] for value in numbers.values() if value is not None)
        if not varies and not _is_evident(facts, fact, values):
            continue
        if (found := line(given, wanted)) is not None:
            start = f"quantity({fact.expression})" if is_quantity else _as_int(fact)
            return _use(facts, calculated(start, *found), fact)
    return None


def _switch(facts: Facts, values: Values, varies: bool) -> str | None:
    """One of two words, depending on whether something is true or false."""
    if not varies or len(set(values.values())) != 2:
        return None
    for fact in facts.all:
        is_flag = fact.is_field and fact.kinds == {bool} and FLAG_WORDS.issuperset(values.values())
        absent = False if is_flag else None
        truths = {number: truth(fact.values.get(number, absent)) for number in values}
        if None in truths.values() or len(set(truths.values())) != 2:
            continue
        yes = {values[number] for number, is_true in truths.items() if is_true}
        no = {values[number] for number, is_true in truths.items() if not is_true}
        said = {fact.values[number] for number, is_true in truths.items() if is_true}
        if len(yes) == len(no) == len(said) == 1:
            one = said.pop()
            read = fact.or_value(False) if is_flag else fact.expression
            test = read if one is True else f"{read} == {shown(one)}"
            return _use(facts, f"{test} ? {literal(yes.pop())} : {literal(no.pop())}", fact)
    return None


# -- text around facts -------------------------------------------------------------------------------------------------


def _composed(facts: Facts, values: Values, varies: bool) -> str | None:
    """Literal text around facts."""
    texts = dict(values)
    used = False
    by_length = sorted(
        (fact for fact in facts.all if all(len(fact.text(n) or "") >= 2 for n in values)),
        key=lambda fact: -min(len(fact.text(number) or "") for number in values),
    )
    for fact in by_length:
        differs = len({fact.text(number) for number in values}) > 1
        text = fact.text(next(iter(values))) or ""
        if not differs and not (
            _is_evident(facts, fact, values) and (len(values) < len(facts.documents) or len(text) > 5)
        ):
            continue
        for expression, change in _FORMS:
            parts = {number: change(fact.text(number) or "") for number in values}
            if all(parts[number] and parts[number] in _outside(texts[number]) for number in texts):
                mark = _use(facts, expression(_as_text(fact)), fact)
                texts = {n: _replaced(text, parts[n], mark) for n, text in texts.items()}
                used = True
                break
        if used and len(set(texts.values())) == 1:
            return next(iter(texts.values()))
    return None


def _composed_with_default(facts: Facts, values: Values, varies: bool) -> str | None:
    """Literal text around an annotation, or around a common text if there is none."""
    for fact in facts.all if varies else ():
        having = {n: text for n in values if (text := fact.text(n)) and text in values[n]}
        lacking = [number for number in values if fact.text(number) is None]
        if not fact.is_said or fact.frame is None or not lacking or len(having) + len(lacking) != len(values):
            continue
        frames = {tuple(values[number].split(text, 1)) for number, text in having.items()}
        if len(frames) != 1:
            continue
        start, end = next(iter(frames))
        inner = {
            values[n][len(start) : len(values[n]) - len(end)]
            for n in lacking
            if values[n].startswith(start) and values[n].endswith(end)
        }
        if len(inner) == 1 and len({values[n] for n in lacking}) == 1:
            return start + _use(facts, fact.or_value(inner.pop()), fact) + end
    return None


def _outside(text: str) -> str:
    """The separate literal parts of a text."""
    return COMPUTED.sub(computed(""), text) if is_computed(text) else text


def _replaced(text: str, part: str, mark: str) -> str:
    """A text in which every occurrence of a part of its literal text is replaced."""
    pieces = re.split(f"({COMPUTED.pattern})", text)
    return "".join(piece if is_computed(piece) else piece.replace(part, mark) for piece in pieces)


# -- forms -------------------------------------------------------------------------------------------------------------

_FORMS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (lambda e: e, lambda text: text),
    (lambda e: f"{e}.trim()", lambda text: text.strip()),
    (lambda e: f"{e}.lowerAscii()", lambda text: text.lower() if text.isascii() else "\0"),
    (lambda e: f"{e}.upperAscii()", lambda text: text.upper() if text.isascii() else "\0"),
    (lambda e: f"{e}.substring(3)", lambda text: text[3:] if text.startswith("ua-") else "\0"),  # KubeVirt's aliases
    (lambda e: f"{e}.replace('/', '_')", lambda text: text.replace("/", "_")),
    (lambda e: f"{e}.replace('-', '')", lambda text: text.replace("-", "")),
    (lambda e: f"{e}.replace(':', '')", lambda text: text.replace(":", "")),
)


def _is_telling(text: str) -> bool:
    """Whether it is unlikely that a text equals a value of the VMI by chance."""
    return len(text) >= _FEW_CHARACTERS and not text.isdigit() and text.lower() not in FLAG_WORDS


def _as_text(fact: Fact) -> str:
    return f"string({fact.expression})" if bool in fact.kinds else fact.expression


def _as_int(fact: Fact) -> str:
    return f"int({fact.expression})" if str in fact.kinds else fact.expression
