"""What a VMI holds, as expressions that read it, and which of them gives the values that were seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from ...patterns import pattern
from ...record import record
from .scaling import NUMBER, as_number, calculated, line
from .templates import computed, is_computed

_SEPARATORS = (",", ";", ":", "=", "/", "|", "@", " ", "-", ".", "_", "x")
_FEW_CHARACTERS = 4
_LONG = 8
"""Characters of a name or uid that is hardly by chance a part of a text."""
_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_TRUE = frozenset({"true", "yes", "on", "1", "enable", "enabled"})
_FALSE = frozenset({"false", "no", "off", "0", "disable", "disabled"})
_OF_SYSTEM = frozenset(
    f"kubevirt.io/{name}"
    for name in (
        "ignitiondata",
        "latest-observed-api-version",
        "nodeName",
        "storage-observed-api-version",
        "vm-generation",
    )
) | {"hooks.kubevirt.io/hookSidecars", "kubectl.kubernetes.io/last-applied-configuration"}
"""Annotations and labels that nobody writes for a hook."""
_LISTED = 64
"""Entries of a list, or fields of an object, of a VMI that are looked at."""


Values = Mapping[int, str]
"""Texts by the number of the sample."""


@record
class Fact:
    """An expression, what it gives by the number of the sample, and what must hold for it to give something.

    ``is_said`` : a person wrote it for this purpose (an annotation, a label) or it names the VM.
    """

    expression: str
    values: dict[int, Any]
    guard: str = ""
    is_said: bool = False
    default: Callable[[str], str] | None = None

    def text(self, number: int) -> str | None:
        value = self.values.get(number)
        if value is None or isinstance(value, (dict, list, float)):
            return None
        return json.dumps(value) if isinstance(value, bool) else str(value)


def literal(text: str) -> str:
    """Text as a string of CEL."""
    escaped = (
        text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f"'{escaped}'"


class Facts:
    """The facts of the VMIs of all samples."""

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self.documents = documents
        self.used: list[str] = []

    @cached_property
    def all(self) -> list[Fact]:
        """Those that a person wrote first."""
        return [*self._said(), *self._of_metadata(), *self._of_spec()]

    def _said(self) -> Iterator[Fact]:
        for kind, function in (("annotations", "annotation"), ("labels", "label")):
            maps = [_map(_map(document.get("metadata")).get(kind)) for document in self.documents]
            for key in sorted({key for one in maps for key in one if key not in _OF_SYSTEM}):
                values = {number: one[key] for number, one in enumerate(maps) if isinstance(one.get(key), str)}
                name = literal(key)
                guard = f"{name} in vmi.metadata.{kind}"

                def default(text: str, function: str = function, name: str = name) -> str:
                    return f"{function}({name}, {literal(text)})"

                yield Fact(f"{function}({name})", values, guard, True, default)
                yield from self._of_json(f"parseJSON({function}({name}))", values, name)

    def _of_json(self, expression: str, values: Mapping[int, str], name: str) -> Iterator[Fact]:
        parsed: dict[int, Any] = {}
        for number, text in values.items():
            if text[:1] in "{[":
                try:
                    parsed[number] = json.loads(text)
                except ValueError:
                    return
        if parsed and len(parsed) == len(values):
            for inner, found in _leaves(expression, parsed):
                steps = inner.removeprefix(expression)
                start = expression.replace(name, f"{name}, '{{}}'")
                is_field = steps.startswith(".") and not steps.endswith("]")
                yield Fact(inner, found, f"{start}.?{steps[1:]}.hasValue()" if is_field else "", True)

    def _of_metadata(self) -> Iterator[Fact]:
        for name in ("name", "namespace", "uid"):
            found = {n: _map(document.get("metadata")).get(name) for n, document in enumerate(self.documents)}
            values = {number: value for number, value in found.items() if value is not None}
            if len(values) == len(self.documents):  # it has no guard, and a sample may be without a VMI
                yield Fact(f"vmi.metadata.{name}", values, "", True)

    def _of_spec(self) -> Iterator[Fact]:
        specs = {number: _map(document.get("spec")) for number, document in enumerate(self.documents)}
        for expression, values in _leaves("vmi.spec", specs):
            read = expression.removeprefix("vmi.")
            yield Fact(expression, values, f"vmi.?{read}.hasValue()")

    # -- texts ---------------------------------------------------------------------------------------------------------

    def text(self, values: Values) -> str | None:
        """A text with computed parts that is what was seen in each sample, or None."""
        if len(self.documents) < 2:
            return next(iter(values.values()), None)
        varies = len(set(values.values())) > 1
        for find in (
            self._equal,
            self._with_default,
            self._composed,
            self._composed_with_default,
            self._number,
            self._switch,
        ):
            if (found := find(values, varies)) is not None:
                return found
        return None if varies else next(iter(values.values()))

    def _equal(self, values: Values, varies: bool) -> str | None:
        for fact in self.all:
            if not varies and not self._is_evident(fact, values):
                continue
            for expression, change in _FORMS:
                found = {number: fact.text(number) for number in values}
                if all(text is not None and change(text) == values[number] for number, text in found.items()):
                    return self._use(expression(_as_text(fact)), fact)
            if (part := self._part(fact, values)) is not None:
                return part
        return None

    def _is_evident(self, fact: Fact, values: Values) -> bool:
        """Whether it is hardly by chance that one same text of some samples is what the VMI says.

        A person wrote it, and it is either long, in several samples, or in just the samples that have the text.
        """
        if not fact.is_said or not all(number in fact.values for number in values):
            return False
        text = next(iter(values.values()))
        if len(values) == len(self.documents) or not fact.guard:
            return _is_telling(text) and (bool(fact.guard) or len(fact.text(next(iter(values))) or "") >= _LONG)
        if fact.guard and fact.values.keys() == values.keys():
            return True
        return bool(fact.guard) and len(text) >= _FEW_CHARACTERS and text.lower() not in _TRUE | _FALSE

    def _part(self, fact: Fact, values: Values) -> str | None:
        texts = {number: fact.text(number) for number in values}
        if any(text is None for text in texts.values()):
            return None
        text = next(iter(values.values()))
        is_sure = self._is_evident(fact, values) and (len(text) > 2 or fact.values.keys() == values.keys())
        if len(set(values.values())) == 1 and not is_sure:
            return None
        for separator in _SEPARATORS:
            split = {number: (text or "").split(separator) for number, text in texts.items()}
            for at in range(min(min(map(len, split.values())), 8)):
                is_part = max(map(len, split.values())) > 1
                if is_part and all(split[number][at] == text for number, text in values.items()):
                    return self._use(f"{_as_text(fact)}.split({literal(separator)})[{at}]", fact)
        return None

    def _with_default(self, values: Values, varies: bool) -> str | None:
        """An annotation where there is one, and one same text where there is none."""
        if not varies:
            return None
        for fact in self.all:
            if fact.default is None:
                continue
            having = [number for number in values if fact.text(number) is not None]
            lacking = {values[number] for number in values if fact.text(number) is None}
            if having and len(lacking) == 1 and all(fact.text(number) == values[number] for number in having):
                self.used.append(fact.expression)
                return computed(fact.default(next(iter(lacking))))
        return None

    def _composed(self, values: Values, varies: bool) -> str | None:
        """Literal text around facts."""
        texts = dict(values)
        used = False
        by_length = sorted(
            (fact for fact in self.all if all(len(fact.text(n) or "") >= 2 for n in values)),
            key=lambda fact: -min(len(fact.text(number) or "") for number in values),
        )
        for fact in by_length:
            differs = len({fact.text(number) for number in values}) > 1
            text = fact.text(next(iter(values))) or ""
            if not differs and not (
                self._is_evident(fact, values) and (len(values) < len(self.documents) or len(text) > 5)
            ):
                continue
            for expression, change in _FORMS:
                parts = {number: change(fact.text(number) or "") for number in values}
                if all(parts[number] and parts[number] in _outside(texts[number]) for number in texts):
                    mark = computed(expression(_as_text(fact)))
                    texts = {n: _replaced(text, parts[n], mark) for n, text in texts.items()}
                    self.used.append(fact.expression)
                    used = True
                    break
            if used and len(set(texts.values())) == 1:
                return next(iter(texts.values()))
        return None

    def _composed_with_default(self, values: Values, varies: bool) -> str | None:
        """Literal text around an annotation, or around one same text where there is none."""
        for fact in self.all if varies else ():
            having = {n: text for n in values if (text := fact.text(n)) and text in values[n]}
            lacking = [number for number in values if fact.text(number) is None]
            if fact.default is None or not lacking or len(having) + len(lacking) != len(values):
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
                self.used.append(fact.expression)
                return start + computed(fact.default(inner.pop())) + end
        return None

    def _number(self, values: Values, varies: bool) -> str | None:
        """A number that is another one, times a factor, plus a difference."""
        if not all(NUMBER.fullmatch(text) for text in values.values()):
            return None
        wanted = {number: int(text) for number, text in values.items()}
        for fact in self.all:
            numbers = {number: as_number(fact.values.get(number)) for number in values}
            if any(value is None for value in numbers.values()):
                continue
            given = {number: value[0] for number, value in numbers.items() if value is not None}
            is_quantity = any(value[1] for value in numbers.values() if value is not None)
            if not varies and not self._is_evident(fact, values):
                continue
            if (found := line(given, wanted)) is not None:
                start = f"quantity({fact.expression})" if is_quantity else _as_int(fact)
                return self._use(calculated(start, *found), fact)
        return None

    def _switch(self, values: Values, varies: bool) -> str | None:
        """One of two words, as something is true or false."""
        if not varies or len(set(values.values())) != 2:
            return None
        for fact in self.all:
            truth = {number: _truth(fact.values.get(number)) for number in values}
            if None in truth.values() or len(set(truth.values())) != 2:
                continue
            yes = {values[number] for number, is_true in truth.items() if is_true}
            no = {values[number] for number, is_true in truth.items() if not is_true}
            if len(yes) == len(no) == 1:
                said = {fact.values[number] for number, is_true in truth.items() if is_true}
                if len(said) == 1:
                    one = next(iter(said))
                    test = (
                        fact.expression
                        if one is True
                        else f"{fact.expression} == {json.dumps(one) if not isinstance(one, str) else literal(one)}"
                    )
                    return self._use(f"{test} ? {literal(yes.pop())} : {literal(no.pop())}", fact)
        return None

    def _use(self, expression: str, fact: Fact) -> str:
        self.used.append(fact.expression)
        return computed(expression)

    def texts(self, lists: Mapping[int, Sequence[str]]) -> list[str] | str | None:
        """A list of texts with computed parts, or one expression that gives the list; None where there is none."""
        if len({len(one) for one in lists.values()}) == 1:
            length = len(next(iter(lists.values())))
            found = [self.text({n: one[at] for n, one in lists.items()}) for at in range(length)]
            if None not in found:
                return [text for text in found if text is not None]
        for fact in self.all:
            for separator in (*_SEPARATORS[:2], " ", "\n", "|"):
                if all((fact.text(n) or "").split(separator) == [*one] for n, one in lists.items()):
                    self.used.append(fact.expression)
                    return computed(f"{_as_text(fact)}.split({literal(separator)})")
            if all(fact.values.get(n) == [*one] for n, one in lists.items()):
                self.used.append(fact.expression)
                return computed(fact.expression)
        return None

    def optional(self, values: Values, lacking: Sequence[int]) -> str | None:
        """A field that is in an annotation's JSON just where a text was seen, as an optional; else None."""
        for fact in self.all:
            if not fact.expression.startswith("parseJSON") or fact.expression.endswith((")", "]")):
                continue
            if any(number in fact.values for number in lacking):
                continue
            if all(fact.text(number) == text for number, text in values.items()):
                start, _, name = fact.expression.rpartition(".")
                return self._use(f"{start}.?{name}", fact)
        return None


_FORMS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (lambda e: e, lambda text: text),
    (lambda e: f"{e}.trim()", lambda text: text.strip()),
    (lambda e: f"{e}.lowerAscii()", lambda text: text.lower() if text.isascii() else "\0"),
    (lambda e: f"{e}.upperAscii()", lambda text: text.upper() if text.isascii() else "\0"),
    (lambda e: f"{e}.replace('/', '_')", lambda text: text.replace("/", "_")),
    (lambda e: f"{e}.replace('-', '')", lambda text: text.replace("-", "")),
    (lambda e: f"{e}.replace(':', '')", lambda text: text.replace(":", "")),
)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _leaves(expression: str, values: Mapping[int, Any]) -> Iterator[tuple[str, dict[int, Any]]]:
    """Scalars, and lists of texts, that an object holds at any depth, with the expression of each."""
    if all(isinstance(value, dict) for value in values.values()):
        for key in sorted({key for value in values.values() for key in value})[:_LISTED]:
            inner = {number: value[key] for number, value in values.items() if value.get(key) is not None}
            step = f".{key}" if _NAME.fullmatch(key) else f"[{literal(key)}]"
            yield from _leaves(expression + step, inner)
    elif all(isinstance(value, list) for value in values.values()):
        if all(isinstance(one, str) for value in values.values() for one in value):
            yield expression, dict(values)
        if expression.startswith("parseJSON"):
            for at in range(min(min(len(value) for value in values.values()), 8)):
                yield from _leaves(f"{expression}[{at}]", {number: value[at] for number, value in values.items()})
    elif all(isinstance(value, (str, int, bool)) for value in values.values()):
        yield expression, dict(values)


def _is_telling(text: str) -> bool:
    """Whether it is hardly by chance that a text is what the VMI says."""
    return len(text) >= _FEW_CHARACTERS and not text.isdigit() and text.lower() not in _TRUE | _FALSE


def _as_text(fact: Fact) -> str:
    kinds = {type(value) for value in fact.values.values()}
    return fact.expression if kinds == {str} else f"string({fact.expression})" if kinds & {bool} else fact.expression


def _as_int(fact: Fact) -> str:
    return f"int({fact.expression})" if any(isinstance(v, str) for v in fact.values.values()) else fact.expression


def is_flag(value: object) -> bool:
    """Whether a value is true or false, or a word for that."""
    return _truth(value) is not None


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return True if value.lower() in _TRUE else False if value.lower() in _FALSE else None
    return None


def _outside(text: str) -> str:
    """The literal parts of a text, apart from each other."""
    return re.sub("\ue000[^\ue000\ue001]*\ue001", "\ue000", text) if is_computed(text) else text


def _replaced(text: str, part: str, mark: str) -> str:
    """A text with a part of its literal text, each time it is there, replaced."""
    pieces = re.split("(\ue000[^\ue000\ue001]*\ue001)", text)
    return "".join(piece if is_computed(piece) else piece.replace(part, mark) for piece in pieces)
