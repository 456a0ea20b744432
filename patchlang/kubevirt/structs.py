"""The elements and attributes that the structs of a KubeVirt release read and write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from ..domain.qemuargs import QEMU_NAMESPACE
from ..record import field, record

_HERE = Path(__file__).parent


Element: TypeAlias = Any


@record(frozen=False, eq=False)
class Struct:
    """What is known of an element: its attributes, its children, whether it holds text."""

    attributes: set[str] = field(default_factory=set)
    children: dict[str, Struct] = field(default_factory=dict)
    text: bool = False


@cache
def releases() -> tuple[str, ...]:
    """The releases there are structs of, the oldest first. The oldest knows least."""
    return tuple(_read()["releases"])


@cache
def domain(release: str) -> Struct:
    """The struct of ``/domain`` in one of :func:`releases`."""
    known: set[tuple[str, str]] = set()
    for each, changes in _read()["releases"].items():
        known |= {(kind, name) for kind, names in changes.get("new", {}).items() for name in names}
        known -= {(kind, name) for kind, names in changes.get("gone", {}).items() for name in names}
        if each == release:
            break
    return _structs(known)[_read()["root"]]


def _structs(known: set[tuple[str, str]]) -> Mapping[str, Struct]:
    found = {"text": Struct(text=True)}

    def struct(kind: str) -> Struct:
        return found.setdefault(kind, Struct())

    for kind, name in known:
        if name == "#text":
            struct(kind).text = True
        elif name.startswith("@"):
            struct(kind).attributes.add(name[1:])
        else:
            child, _, of = name.partition(" ")
            struct(kind).children[child] = struct(of)
    return found


@cache
def _read() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(_HERE.joinpath("structs.json").read_text())
    return read


def known_name(clark: object) -> str:
    """The name of an element or attribute as the structs have it; empty for comments."""
    if not isinstance(clark, str):
        return ""
    uri, _, local = clark.rpartition("}")
    return f"qemu:{local}" if uri == f"{{{QEMU_NAMESPACE}" else local


def prune(node: Element, struct: Struct | None, twins: list[Element]) -> None:
    """Takes out what a struct does not know, but for what one of ``twins``, the elements there in the input, has."""
    known = struct or Struct()
    for name in list(node.attrib):
        if known_name(name) not in known.attributes and not any(name in twin.attrib for twin in twins):
            del node.attrib[name]
    if not known.text and not any(twin.text and twin.text.strip() for twin in twins):
        node.text = None
    for child in list(node):
        below = [other for twin in twins for other in twin if other.tag == child.tag]
        name = known_name(child.tag)
        if name in known.children or below:
            prune(child, known.children.get(name), below)
        else:
            node.remove(child)
