"""The fields of a VirtualMachineInstance in each KubeVirt release, and their types.

A type is a word: ``string integer number boolean null any``, ``scalar`` (a text or a number), the name of a type with
fields, ``[T]`` for a list, ``{T}`` for a map (of ``none``: an empty one), ``?T`` for an optional of CEL.
``vmi.json`` is made by ``tools/index_vmi.py``; the sidecar never loads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..record import record

_HERE = Path(__file__).parent


ROOT = "VirtualMachineInstance"
ANY, TEXT, INTEGER, NUMBER, BOOLEAN, NULL = "any", "string", "integer", "number", "boolean", "null"

# what every VMI has when it starts, though its description requires none of it
_ALWAYS = {
    ROOT: frozenset({"apiVersion", "kind", "metadata", "status"}),
    "ObjectMeta": frozenset({"annotations", "labels", "name", "namespace", "uid"}),
    "VirtualMachineInstanceStatus": frozenset({"nodeName", "phase"}),
}


@record
class VmiField:
    """A field by its type; ``always``: no VMI is without it."""

    type: str
    always: bool


_field = cache(VmiField)
"""One for all fields that are alike, in all releases: most are."""
VmiTypes = Mapping[str, Mapping[str, VmiField]]


@cache
def types(release: str | None) -> VmiTypes:
    """The types with fields of a release; for None what any release has, where they differ of no known type."""
    if release is not None:
        return _of_release(release)
    found: dict[str, dict[str, VmiField]] = {}
    every = [_of_release(one) for one in _read()["releases"]]
    for known in every:
        for name, fields in known.items():
            merged = found.setdefault(name, {})
            for field, one in fields.items():
                other = merged.setdefault(field, one)
                if one is not other:
                    merged[field] = _field(one.type if one.type == other.type else ANY, one.always and other.always)
    return {
        name: {
            field: one if all(field in known[name] for known in every if name in known) else _field(one.type, False)
            for field, one in fields.items()
        }
        for name, fields in found.items()
    }


@cache
def _of_release(release: str) -> VmiTypes:
    facts: set[tuple[str, str]] = set()
    for each, changes in _read()["releases"].items():
        facts |= {(name, fact) for name, facts_of in changes.get("new", {}).items() for fact in facts_of}
        facts -= {(name, fact) for name, facts_of in changes.get("gone", {}).items() for fact in facts_of}
        if each == release:
            break
    found: dict[str, dict[str, VmiField]] = {}
    for name, fact in facts:
        field, _, type = fact.partition(" ")
        always = field.endswith("!") or field in _ALWAYS.get(name, ())
        found.setdefault(name, {})[field.removesuffix("!")] = _field(ANY if type == "object" else type, always)
    return found


def releases() -> tuple[str, ...]:
    """The releases whose fields are known, the oldest first."""
    return tuple(_read()["releases"])


@cache
def _read() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(_HERE.joinpath("vmi.json").read_text())
    return read


_KINDS = {TEXT: "text", INTEGER: "number", NUMBER: "number", BOOLEAN: "boolean", NULL: "null"}
_WORDS = {TEXT: "text", INTEGER: "a number", NUMBER: "a number", BOOLEAN: "true or false", NULL: "null"}


def kinds(type: str) -> frozenset[str]:
    """``text number boolean null list map``, of which a value of the type is one; empty where that is not known."""
    if type == "scalar":
        return frozenset({"text", "number"})
    if type in (ANY, "none") or type.startswith("?"):
        return frozenset()
    return frozenset({_KINDS.get(type) or ("list" if type.startswith("[") else "map")})


def words(type: str) -> str:
    """A type for people."""
    if type.startswith("["):
        return f"a list of {_several(type[1:-1])}"
    if type.startswith("{"):
        return f"a map of {_several(type[1:-1])}"
    if type == "scalar":
        return "text or a number"
    article = "an" if type[:1] in "AEIO" else "a"
    return _WORDS.get(type) or f"{article} {type}"


def _several(type: str) -> str:
    plain = {TEXT: "texts", INTEGER: "numbers", NUMBER: "numbers", BOOLEAN: "true or false", ANY: "anything"}
    return plain.get(type, type)
