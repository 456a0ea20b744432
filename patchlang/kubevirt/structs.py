"""The elements and attributes that the structs of a KubeVirt release read and write."""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, TypeAlias

from ..libvirt_lists import QEMU_NAMESPACE

_FILE = os.path.join(os.path.dirname(__file__), "structs.json")


Element: TypeAlias = Any


class Struct:
    """What is known of an element: its attributes, its children, whether it has text.

    ``names`` are as in ``structs.json``; ``of`` gives the struct of a child by its kind. Few are ever used.
    """

    def __init__(self, names: Collection[str] = (), of: Callable[[str], Struct] | None = None) -> None:
        self._names = names
        self._of = of
        self.text = "#text" in names

    @cached_property
    def attributes(self) -> frozenset[str]:
        return frozenset(name[1:] for name in self._names if name.startswith("@"))

    @cached_property
    def children(self) -> Mapping[str, Struct]:
        own = sorted(name.partition(" ") for name in self._names if not name.startswith(("@", "#")))
        return {child: self._of(kind) for child, _, kind in own} if self._of is not None else {}


@cache
def releases() -> tuple[str, ...]:
    """The releases with structs, oldest first. The oldest knows least."""
    return tuple(_read()["releases"])


@cache
def domain(release: str) -> Struct:
    """The struct of ``/domain`` in one of :func:`releases`."""
    found = {"text": Struct(["#text"])}

    def struct(kind: str) -> Struct:
        if kind not in found:
            found[kind] = Struct(_names(release, kind), struct)
        return found[kind]

    return struct(_read()["root"])


def _names(release: str, kind: str) -> set[str]:
    """Everything known about a kind of struct."""
    names: set[str] = set()
    for each, changes in _read()["releases"].items():
        names.update(changes.get("new", {}).get(kind, ()))
        names.difference_update(changes.get("gone", {}).get(kind, ()))
        if each == release:
            break
    return names


@cache
def _read() -> dict[str, Any]:
    with open(_FILE, encoding="utf-8") as file:
        read: dict[str, Any] = json.load(file)
    return read


def known_name(clark: object) -> str:
    """The name of an element or attribute in the structs' form; empty for comments."""
    if not isinstance(clark, str):
        return ""
    uri, _, local = clark.rpartition("}")
    return f"qemu:{local}" if uri == f"{{{QEMU_NAMESPACE}" else local


class Seen:
    """What elements of the input that stand for each other have, together; each of them is read once."""

    def __init__(self, nodes: Sequence[Element]) -> None:
        self._nodes = nodes
        self.attributes = {name for node in nodes for name in node.attrib}
        self.has_text = any(node.text and node.text.strip() for node in nodes)

    @cached_property
    def children(self) -> dict[object, Seen]:
        """The same of their children, by name."""
        alike: dict[object, list[Element]] = {}
        for node in self._nodes:
            for child in node:
                alike.setdefault(child.tag, []).append(child)
        return {tag: Seen(nodes) for tag, nodes in alike.items()}


def prune(node: Element, struct: Struct | None, seen: Seen) -> None:
    """Removes what a struct does not know, except what is seen in the input at this place."""
    known = struct or Struct()
    for name in list(node.attrib):
        if known_name(name) not in known.attributes and name not in seen.attributes:
            del node.attrib[name]
    if not known.text and not seen.has_text:
        node.text = None
    for child in list(node):
        name = known_name(child.tag)
        below = seen.children.get(child.tag)
        if name in known.children or below is not None:
            prune(child, known.children.get(name), below or Seen(()))
        else:
            node.remove(child)
