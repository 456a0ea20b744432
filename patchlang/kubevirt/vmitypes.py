"""The fields of a VirtualMachineInstance in each KubeVirt release, and their types.

A type is a word: ``string integer number boolean null any``, ``scalar`` (a string or a number), ``quantity`` (the same,
such as `2Gi`), the name of a type with fields, ``[T]`` for a list, ``{T}`` for a map (of ``none``: an empty one),
``?T`` for an optional of CEL.
``tools/index_vmi.py`` makes ``vmi.json``; the sidecar never loads it.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ..record import record

_FILE = os.path.join(os.path.dirname(__file__), "vmi.json")


ROOT = "VirtualMachineInstance"
QUANTITY = "quantity"
ANY, TEXT, INTEGER, NUMBER, BOOLEAN, NULL = "any", "string", "integer", "number", "boolean", "null"

# what every VMI has when it starts, though its schema does not require it
_ALWAYS = {
    ROOT: frozenset({"metadata", "status"}),
    "ObjectMeta": frozenset({"annotations", "labels", "name", "namespace", "uid"}),
}


@record
class VmiField:
    """A field by type; ``always``: every VMI has it."""

    type: str
    always: bool


_field = cache(VmiField)
"""Shared by all equal fields, in all releases: most are."""
VmiTypes = Mapping[str, Mapping[str, VmiField]]


@cache
def types(release: str | None) -> VmiTypes:
    """The types with fields of a release; for None, what any release has, unless their types differ."""
    return _Types(release)


class _Types(Mapping[str, Mapping[str, VmiField]]):
    """Types, each created on demand: an expression names only a few."""

    def __init__(self, release: str | None) -> None:
        self.release = release
        self.made: dict[str, Mapping[str, VmiField]] = {}

    def __getitem__(self, name: str) -> Mapping[str, VmiField]:
        if name not in self.made:
            self.made[name] = _made(name) if self.release is None else _of_release(self.release, name)
        if not self.made[name]:
            raise KeyError(name)
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        named = (name for changes in _read()["releases"].values() for name in changes.get("new", {}))
        return (name for name in dict.fromkeys(named) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _made(name: str) -> Mapping[str, VmiField]:
    """A type as it is in any release."""
    found: dict[str, VmiField] = {}
    every = [fields for one in releases() if (fields := _of_release(one, name))]
    for fields in every:
        for field, one in fields.items():
            other = found.setdefault(field, one)
            if one is not other:
                found[field] = _field(one.type if one.type == other.type else ANY, one.always and other.always)
    return {
        field: one if all(field in fields for fields in every) else _field(one.type, False)
        for field, one in found.items()
    }


@cache
def _of_release(release: str, name: str) -> Mapping[str, VmiField]:
    """The fields of a type; empty if the release does not have it."""
    facts: set[str] = set()
    for each, changes in _read()["releases"].items():
        facts.update(changes.get("new", {}).get(name, ()))
        facts.difference_update(changes.get("gone", {}).get(name, ()))
        if each == release:
            break
    found: dict[str, VmiField] = {}
    for fact in facts:
        field, _, type = fact.partition(" ")
        always = field.endswith("!") or field in _ALWAYS.get(name, ())
        found[field.removesuffix("!")] = _field(ANY if type == "object" else type, always)
    return found


def releases() -> tuple[str, ...]:
    """The releases with known fields, oldest first."""
    return tuple(_read()["releases"])


@cache
def _read() -> dict[str, Any]:
    with open(_FILE, encoding="utf-8") as file:
        read: dict[str, Any] = json.load(file)
    return read


_KINDS = {TEXT: "text", INTEGER: "number", NUMBER: "number", BOOLEAN: "boolean", NULL: "null"}
_WORDS = {TEXT: "a string", INTEGER: "a number", NUMBER: "a number", BOOLEAN: "true or false", NULL: "null"}


def kinds(type: str) -> frozenset[str]:
    """``text number boolean null list map``, the possible kinds of a value of the type; empty if unknown."""
    if type in ("scalar", QUANTITY):
        return frozenset({"text", "number"})
    if type in (ANY, "none") or type.startswith("?"):
        return frozenset()
    return frozenset({_KINDS.get(type) or ("list" if type.startswith("[") else "map")})


def words(type: str) -> str:
    """A type for people."""
    if type in ("[none]", "{none}"):
        return "an empty list" if type == "[none]" else "an empty map"
    if type.startswith("["):
        return f"a list of {_several(type[1:-1])}"
    if type.startswith("{"):
        return f"a map of {_several(type[1:-1])}"
    if type in ("scalar", QUANTITY):
        return "a string or a number"
    article = "an" if type[:1] in "AEIO" else "a"
    return _WORDS.get(type) or f"{article} {type}"


def _several(type: str) -> str:
    plain = {TEXT: "strings", INTEGER: "numbers", NUMBER: "numbers", BOOLEAN: "true or false", ANY: "anything"}
    return plain.get(type, type)
