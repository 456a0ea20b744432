"""CEL's own tree of an expression, as :mod:`patchlang.cel.checked_expr` reads it.

Macros, which CEL expands, are macros here; ``math.greatest`` and ``math.least`` have their own names. Nodes are
equal if they have the same content, wherever they are. The classes are written by hand: the sidecar may read a tree,
and creating dataclasses takes longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any, Self


class Node:
    """A piece of an expression.

    ``position`` is the character that CEL gives for it: where a name or a literal starts, the operator between
    operands, the dot before a member, the parenthesis after a function's name; -1 if CEL gives none.
    ``is_optional``: CEL knows that the value is an optional, which it never does in an unchecked tree.
    """

    __slots__ = ("children", "is_optional", "position")
    __match_args__: tuple[str, ...] = ()

    def __init__(self, *children: Node) -> None:
        self.children = children
        self.position = -1
        self.is_optional = False

    def over(self, children: tuple[Node, ...]) -> Self:
        """The same with other children."""
        made = copy(self)
        made.children = children
        return made

    def _said(self) -> tuple[Any, ...]:
        return (type(self), *(getattr(self, name) for name in self.__match_args__), self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())


class Literal(Node):
    """``kind`` is CEL's name of the type: ``bool bytes double int null_type string uint``."""

    __slots__ = __match_args__ = ("kind", "value")

    def __init__(self, kind: str, value: bool | int | float | str | bytes | None) -> None:
        super().__init__()
        self.kind = kind
        self.value = value

    def _said(self) -> tuple[Any, ...]:
        # CEL compares numbers of all types
        kind = "number" if self.kind in ("double", "int", "uint") else self.kind
        return (Literal, kind, self.value)


class Ident(Node):
    """A name; ``variables.x`` is one."""

    __slots__ = __match_args__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Select(Node):
    """A member of its only child, by name; ``tested``: ``has(a.b)``."""

    __slots__ = __match_args__ = ("field", "tested")

    def __init__(self, operand: Node, field: str, tested: bool = False) -> None:
        super().__init__(operand)
        self.field = field
        self.tested = tested


class Call(Node):
    """A function of its children or an operator, such as ``_==_``; for a method, the first child is its target.

    ``m[?k]`` is ``_[?_]`` and ``m.?k`` is ``_?._``, both with two children.
    """

    __slots__ = __match_args__ = ("function", "is_method")

    def __init__(self, function: str, *children: Node, is_method: bool = False) -> None:
        super().__init__(*children)
        self.function = function
        self.is_method = is_method


class ListExpr(Node):
    """A list of its children; ``optional`` are the indexes of those after ``?``."""

    __slots__ = __match_args__ = ("optional",)

    def __init__(self, *children: Node, optional: frozenset[int] = frozenset()) -> None:
        super().__init__(*children)
        self.optional = optional


class MapExpr(Node):
    """A map, or a message of a type: its children are alternating keys and values; the key of a message is an Ident.

    ``optional`` are the indexes of the entries after ``?``.
    """

    __slots__ = __match_args__ = ("message", "optional")

    def __init__(self, message: str, *children: Node, optional: frozenset[int] = frozenset()) -> None:
        super().__init__(*children)
        self.message = message
        self.optional = optional


class Macro(Node):
    """``all exists exists_one filter map optFlatMap optMap sortBy`` of the first child, or ``cel.bind``.

    ``variable`` is the name of its entries or its value in the other children.
    """

    __slots__ = __match_args__ = ("name", "variable")

    def __init__(self, name: str, variable: str, *children: Node) -> None:
        super().__init__(*children)
        self.name = name
        self.variable = variable


class Comprehension(Node):
    """An expansion of an unknown macro: its names, and range, start, condition, step, result."""

    __slots__ = __match_args__ = ("names",)

    def __init__(self, names: tuple[str, ...], *children: Node) -> None:
        super().__init__(*children)
        self.names = names


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in source order."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(node.children)


def calls(node: Node, function: str) -> bool:
    """Whether it calls a function."""
    return any(isinstance(one, Call) and one.function == function for one in walk(node))
