"""Structured text (JSON, YAML) as nodes with places."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from ..record import field, record

MERGE = object()
"""The name of a map entry with YAML's merge key."""


class Kind(Enum):
    SCALAR = "scalar"
    LIST = "list"
    MAP = "map"
    ALIAS = "alias"


@record(frozen=False, eq=False)
class Child:
    """A list element or a map entry: its whole extent, key (None in a list), the key's value, and its value."""

    start: int
    end: int
    key: Node | None
    name: Any
    value: Node


@record(frozen=False, eq=False)
class Node:
    """A value in the text. ``style`` is a scalar's quote or block mark; ``target`` is what an alias refers to."""

    kind: Kind
    start: int
    end: int
    flow: bool = True
    style: str | None = None
    children: list[Child] = field(default_factory=list)
    target: Node | None = None

    def below(self) -> Iterator[Node]:
        """The node and everything below it, in order."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            for child in reversed(node.children):
                pending.append(child.value)
                if child.key is not None:
                    pending.append(child.key)


class InPlaceError(Exception):
    """A node that cannot be changed in place; it must be rewritten."""
