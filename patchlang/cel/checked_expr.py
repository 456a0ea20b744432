"""The tree of what ``cel_expr_python``'s ``Expression.serialize()`` returns.

That is a ``cel.expr.CheckedExpr`` in a ``google.protobuf.Any``, or a ``cel.expr.ParsedExpr`` for what was compiled
without type checks: https://github.com/google/cel-spec/tree/master/proto/cel/expr. Macros come expanded, as in
https://github.com/google/cel-cpp/blob/master/parser/macro.cc; only they use names with ``#`` and ``@``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from .protowire import Message, WireError
from .tree import Call, Comprehension, Ident, ListExpr, Literal, Macro, MapExpr, Node, Select

# CEL accepts 32 levels, and a macro expands each into several; an expression that runs has less than 50
MAX_DEPTH = 100

_ANY_TYPE, _ANY_VALUE = 1, 2
_TYPES, _CHECKED, _CHECKED_SOURCE = 3, 4, 5
_PARSED, _PARSED_SOURCE = 2, 3
_POSITIONS = 4
_ABSTRACT = 14
_ID, _CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = range(2, 10)
_NAMESPACES = frozenset({"lists", "math", "optional", "regex", "strings"})
_WRITTEN_OUT = {"math.@max": "math.greatest", "math.@min": "math.least"}
_WRITTEN_OUT |= {f"{name}__": name for name in ("flatten", "replace", "split")}
_RESULT, _UNUSED = "@result", "#unused"
_OPTIONAL = b"optional_type"


class UnreadableError(ValueError):
    """The bytes are not such a message, or the tree is too deep."""


def read(serialized: bytes) -> Node:
    """The tree of a serialized expression. Raises UnreadableError."""
    try:
        container = Message(serialized)
        name, message = container.text(_ANY_TYPE).rpartition("/")[2], container.message(_ANY_VALUE)
        if name == "cel.expr.CheckedExpr":
            return _Reader(message.message(_CHECKED_SOURCE), message.all(_TYPES)).node(message.data(_CHECKED))
        if name == "cel.expr.ParsedExpr":
            return _Reader(message.message(_PARSED_SOURCE), []).node(message.data(_PARSED))
    except WireError as e:
        raise UnreadableError(str(e)) from None
    raise UnreadableError("neither a CheckedExpr nor a ParsedExpr")


class _Reader:
    def __init__(self, source: Message, types: list[bytes]) -> None:
        self.positions = source.mapping(_POSITIONS)
        # most types say nothing about one, and are not read at all
        found = (Message(entry) for entry in types if _OPTIONAL in entry)
        self.optionals = {entry.integer(1) for entry in found if _is_optional(entry.message(2))}
        self.depth = 0

    def node(self, data: bytes) -> Node:
        if self.depth >= MAX_DEPTH:
            raise UnreadableError(f"deeper than {MAX_DEPTH} levels")
        self.depth += 1
        expr = Message(data)
        node = self._made(expr)
        self.depth -= 1
        number = expr.integer(_ID)
        node.position = self.positions.get(number, -1)
        node.is_optional = number in self.optionals
        return node

    def nodes(self, found: Iterable[bytes]) -> tuple[Node, ...]:
        return tuple(map(self.node, found))

    def _made(self, expr: Message) -> Node:
        if _CONST in expr:
            return _literal(expr.message(_CONST))
        if _IDENT in expr:
            return Ident(expr.message(_IDENT).text(1).removeprefix("."))
        if _SELECT in expr:
            return self._select(expr.message(_SELECT))
        if _CALL in expr:
            return self._call(expr.message(_CALL))
        if _LIST in expr:
            found = expr.message(_LIST)
            return ListExpr(*self.nodes(found.all(1)), optional=frozenset(found.numbers(2)))
        if _STRUCT in expr:
            return self._map(expr.message(_STRUCT))
        if _COMPREHENSION in expr:
            return self._comprehension(expr.message(_COMPREHENSION))
        raise UnreadableError("an expression of unknown kind")

    def _select(self, select: Message) -> Node:
        operand, field = self.node(select.data(1)), select.text(2)
        if isinstance(operand, Ident) and operand.name == "variables":
            # an unchecked tree does not know that this is one name
            return Select(operand, field, tested=True) if select.integer(3) else Ident(f"variables.{field}")
        return Select(operand, field, bool(select.integer(3)))

    def _call(self, call: Message) -> Node:
        function, args = call.text(2), call.all(3)
        if function == "_?_:_" and len(args) == 3 and (opened := self._opened(args)):
            return opened
        if 1 not in call:
            children = self.nodes(args)
            if function == "_?._":
                children[-1].position = -1  # CEL gives the position of the operand
            return Call(_WRITTEN_OUT.get(function, function), *children)
        target = self.node(call.data(1))
        if isinstance(target, Ident) and target.name in _NAMESPACES:
            name = f"{target.name}.{function}"
            return Call(_WRITTEN_OUT.get(name, name), *self.nodes(args))
        return Call(function, target, *self.nodes(args), is_method=True)

    def _opened(self, args: list[bytes]) -> Node | None:
        """``optMap`` and ``optFlatMap``, whose operand CEL repeats: recognized by its position, and read once."""
        asked, found = Message(args[0]).message(_CALL), Message(args[1])
        name = "optFlatMap"
        if (made := found.message(_CALL)).text(2) == "optional.of" and len(made.all(3)) == 1:
            name, found = "optMap", Message(made.all(3)[0])
        bound = found.message(_COMPREHENSION)
        value = bound.message(4).message(_CALL)
        if (
            (asked.text(2), value.text(2), bound.text(1)) != ("hasValue", "value", _UNUSED)
            or Message(args[2]).message(_CALL).text(2) != "optional.none"
            or self._place(asked.data(1)) != self._place(value.data(1))
        ):
            return None
        return Macro(name, bound.text(3), self.node(asked.data(1)), self.node(bound.data(7)))

    def _place(self, data: bytes) -> int:
        return self.positions.get(Message(data).integer(_ID), -1)

    def _map(self, found: Message) -> Node:
        children: list[Node] = []
        optional = []
        for number, entry in enumerate(map(Message, found.all(2))):
            children += (Ident(entry.text(2)) if 2 in entry else self.node(entry.data(3)), self.node(entry.data(4)))
            if entry.integer(5):
                optional.append(number)
        return MapExpr(found.text(1), *children, optional=frozenset(optional))

    def _comprehension(self, found: Message) -> Node:
        variable, accumulator = found.text(1), found.text(3)
        loop, start, condition, step, result = self.nodes(map(found.data, (2, 4, 5, 6, 7)))
        if variable == _UNUSED:
            match result:
                case Call("@sortByAssociatedKeys", children=(_, Macro("map", entry, children=(_, key)))):
                    return Macro("sortBy", entry, start, key)
            return Macro("cel.bind", accumulator, start, result)
        if accumulator == _RESULT and 8 not in found and (macro := _macro(variable, loop, start, step)):
            return macro
        return Comprehension((variable, found.text(8), accumulator), loop, start, condition, step, result)


def _macro(variable: str, loop: Node, start: Node, step: Node) -> Macro | None:
    """The macro over a list or a map, recognized by what each iteration does to the accumulated result."""
    so_far = Ident(_RESULT)
    match start, step:
        case Literal("bool", True), Call("_&&_", children=(first, test)) if first == so_far:
            return Macro("all", variable, loop, test)
        case Literal("bool", False), Call("_||_", children=(first, test)) if first == so_far:
            return Macro("exists", variable, loop, test)
        case Literal("int", 0), Call("_?_:_", children=(test, Call("_+_"), last)) if last == so_far:
            return Macro("exists_one", variable, loop, test)
        case ListExpr(children=()), Call("_+_", children=(first, ListExpr(children=(made,)))) if first == so_far:
            return Macro("map", variable, loop, made)
        case (
            ListExpr(children=()),
            Call("_?_:_", children=(test, Call("_+_", children=(_, ListExpr(children=(made,)))), last)),
        ) if last == so_far:
            # `filter(x, test)` is expanded to `map(x, test, x)`
            whole = made == Ident(variable)
            return Macro("filter", variable, loop, test) if whole else Macro("map", variable, loop, test, made)
        case _:
            return None


def _is_optional(type: Message) -> bool:
    return _ABSTRACT in type and type.message(_ABSTRACT).data(1) == _OPTIONAL


def _literal(constant: Message) -> Literal:
    if 2 in constant:
        return Literal("bool", bool(constant.integer(2)))
    if 3 in constant:
        return Literal("int", constant.integer(3))
    if 4 in constant:
        return Literal("uint", constant.unsigned(4))
    if 5 in constant:
        try:
            return Literal("double", *struct.unpack("<d", constant.data(5)))
        except struct.error:
            raise UnreadableError("an invalid double") from None
    if 6 in constant:
        return Literal("string", constant.text(6))
    if 7 in constant:
        return Literal("bytes", constant.data(7))
    if 1 in constant:
        return Literal("null_type", None)
    raise UnreadableError("a constant of unknown kind")
