"""The content of a VMI and its domain, as expressions that read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from ...kubevirt.vmitypes import ROOT, types
from ...patterns import pattern
from ...record import record
from .templates import parts
from .trees import Element

_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_TRUE = frozenset({"true", "yes", "on", "1", "enable", "enabled"})
_FALSE = frozenset({"false", "no", "off", "0", "disable", "disabled"})
FLAG_WORDS = _TRUE | _FALSE
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
"""Annotations and labels that are not meant for hooks."""
OF_ONE_VM = frozenset({"vmi.metadata.name", "vmi.metadata.uid"})
_OF_DOMAIN = ("vcpu", "memory", "uuid")
"""What hooks read from a domain, and every domain has."""
_LISTED = 64
"""How many entries of a list, or fields of an object, of a VMI are considered."""

_INDEXED = 8
"""How many entries of a list in an annotation are read one by one."""

_Way: TypeAlias = tuple[str | int, ...]
"""Keys and indexes, from the outside in."""


@record
class Fact:
    """An expression, its result by the number of the sample, and what must hold for it to have a result.

    ``is_said``: a person wrote it for this purpose (an annotation, a label), or it names the VM. ``optional`` is the
    same as an optional, ``frame`` the text around a default if a VMI may lack it.
    """

    expression: str
    values: dict[int, Any]
    guard: str = ""
    is_said: bool = False
    optional: str = ""
    frame: tuple[str, str] | None = None
    is_field: bool = False

    def text(self, number: int) -> str | None:
        value = self.values.get(number)
        if value is None or isinstance(value, (dict, list, float)):
            return None
        return json.dumps(value) if isinstance(value, bool) else str(value)

    @property
    def kinds(self) -> set[type]:
        return {type(value) for value in self.values.values()}

    def or_value(self, value: object) -> str:
        """The expression with a default, if it may have one."""
        return self.expression if self.frame is None else f"{self.frame[0]}{shown(value)}{self.frame[1]}"

    def or_nothing(self) -> str:
        """The expression with an empty default, if it may have one."""
        kind = next(iter(self.kinds), str)
        return self.or_value(kind() if kind in (bool, int) else "")


def literal(text: str) -> str:
    """Text as a CEL string."""
    escaped = (
        text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f"'{escaped}'"


def shown(value: object) -> str:
    """A scalar as CEL writes it."""
    return literal(value) if isinstance(value, str) else json.dumps(value)


class Facts:
    """The facts of the VMIs of all samples, and of their domains before and after the hook."""

    def __init__(self, documents: Sequence[Mapping[str, Any]], domains: Sequence[tuple[Element, Element]] = ()) -> None:
        self.documents = documents
        self.used: list[str] = []
        self._domains = domains

    @cached_property
    def all(self) -> list[Fact]:
        """The facts, with those that a person wrote first."""
        return [*self._said(), *self._of_metadata(), *self._of_domain(), *self._of_spec()]

    def needed(self, text: str) -> list[str]:
        """The condition for a text with computed parts: that the fields that it reads exist."""
        read = [one for one, is_expression in parts(text) if is_expression]
        fields = [fact for fact in self.all if fact.is_field and any(fact.expression in one for one in read)]
        return [fact.guard for fact in fields if any(_reads(one, fact.expression) for one in read)]

    def assumed(self, text: str) -> list[str]:
        """What a patch assumes without evidence in any sample: that it does nothing if a field is missing."""
        plain = text.replace("''", "'")
        all_have = [fact for fact in self.all if fact.is_field and len(fact.values) == len(self.documents)]
        return [
            f"every sample has `{fact.expression}`; where a VMI lacks it, the patch leaves out what reads it"
            for fact in all_have
            if fact.guard in plain
        ]

    def _said(self) -> Iterator[Fact]:
        for kind, function in (("annotations", "annotation"), ("labels", "label")):
            maps = [_map(_map(document.get("metadata")).get(kind)) for document in self.documents]
            for key in sorted({key for one in maps for key in one if key not in _OF_SYSTEM}):
                values = {number: one[key] for number, one in enumerate(maps) if isinstance(one.get(key), str)}
                name = literal(key)
                guard = f"{name} in vmi.metadata.{kind}"
                yield Fact(f"{function}({name})", values, guard, True, frame=(f"{function}({name}, ", ")"))
                yield from self._of_json(f"parseJSON({function}({name}", values)

    def _of_json(self, start: str, values: Mapping[int, str]) -> Iterator[Fact]:
        parsed: dict[int, Any] = {}
        for number, text in values.items():
            if text[:1] in "{[":
                try:
                    parsed[number] = json.loads(text)
                except ValueError:
                    return
        if not parsed or len(parsed) < len(values):
            return
        for way, found in _leaves((), parsed):
            expression = _read(f"{start}))", way)
            if not way or not isinstance(way[0], str) or not isinstance(way[-1], str):
                yield Fact(expression, found, "", True)
                continue
            safe = _read(f"{start}, '{{}}'))", way, 0)
            optional = _read(f"{start}))", way, len(way) - 1)
            yield Fact(expression, found, f"{safe}.hasValue()", True, optional, (f"{safe}.orValue(", ")"))

    def _of_metadata(self) -> Iterator[Fact]:
        for name in ("name", "namespace", "uid"):
            found = {n: _map(document.get("metadata")).get(name) for n, document in enumerate(self.documents)}
            values = {number: value for number, value in found.items() if value is not None}
            if len(values) == len(self.documents):  # it has no guard, and a sample may lack a VMI
                yield Fact(f"vmi.metadata.{name}", values, "", True)

    def _of_domain(self) -> Iterator[Fact]:
        """What the hook does not change: the next run still reads it."""
        for name in _OF_DOMAIN if self._domains else ():
            texts = [[root.findtext(name) for root in pair] for pair in self._domains]
            if all(before and before == after for before, after in texts):
                yield Fact(f"xpath('string(/domain/{name})')", {n: before for n, (before, _) in enumerate(texts)})

    def _of_spec(self) -> Iterator[Fact]:
        specs = {n: one["spec"] for n, one in enumerate(self.documents) if isinstance(one.get("spec"), dict)}
        for way, values in _leaves(("spec",), specs, with_entries=False):
            expression = _read("vmi", way)
            at = self._optional_from(way)
            if at is None:
                yield Fact(expression, values)
                continue
            optional = _read("vmi", way, at)
            is_last = at == len(way) - 1 and expression.endswith(f".{way[-1]}")
            guard = f"has({expression})" if is_last else f"{optional}.hasValue()"
            yield Fact(expression, values, guard, False, optional, (f"{optional}.orValue(", ")"), True)

    def _optional_from(self, way: _Way) -> int | None:
        """The first step that a VMI may lack; None if all VMIs have the whole path."""
        kind = ROOT
        within: list[Any] = [*self.documents]
        for at, key in enumerate(way):
            field = types(None).get(kind, {}).get(str(key))
            if field is None or not field.always or not all(isinstance(one, dict) and key in one for one in within):
                return at
            kind = field.type
            within = [one[key] for one in within]
        return None


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(start: str, way: _Way, optional_from: int | None = None) -> str:
    """The expression that reads a path; from one step on, it is an optional."""
    found = start
    for at, key in enumerate(way):
        is_name = isinstance(key, str) and _NAME.fullmatch(key)
        mark = (
            "?" if optional_from is not None and (at == optional_from or (at > optional_from and not is_name)) else ""
        )
        found += f".{mark}{key}" if is_name else f"[{mark}{shown(key)}]"
    return found


def _reads(text: str, expression: str) -> bool:
    """Whether an expression reads another one as a whole, and not only one that begins with the same text."""
    rest = [piece[:1] for piece in text.split(expression)[1:]]
    return any(not (one.isalnum() or one == "_") for one in rest)


def _leaves(
    way: _Way, values: Mapping[int, Any], *, with_entries: bool = True
) -> Iterator[tuple[_Way, dict[int, Any]]]:
    """Scalars, lists of texts, and entries of lists that an object contains at any depth, with the path to each."""
    if all(isinstance(value, dict) for value in values.values()):
        for key in sorted({key for value in values.values() for key in value})[:_LISTED]:
            inner = {number: value[key] for number, value in values.items() if value.get(key) is not None}
            yield from _leaves((*way, key), inner, with_entries=with_entries)
    elif all(isinstance(value, list) for value in values.values()):
        if all(isinstance(one, str) for value in values.values() for one in value):
            yield way, dict(values)
        for at in range(min(min(map(len, values.values())), _INDEXED) if with_entries else 0):
            yield from _leaves((*way, at), {number: value[at] for number, value in values.items()})
    elif all(isinstance(value, (str, int, bool)) for value in values.values()):
        yield way, dict(values)


def truth(value: object) -> bool | None:
    """Whether a value is true or false, or a word for that; None for others."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return True if value.lower() in _TRUE else False if value.lower() in _FALSE else None
    return None
