"""CEL's tree as text."""

from __future__ import annotations

from ..patterns import pattern
from .tree import Call, Ident, ListExpr, Literal, Macro, MapExpr, Node, Select

_OPERATORS = {
    "_||_": 2, "_&&_": 3, "_==_": 4, "_!=_": 4, "_<_": 4, "_<=_": 4, "_>_": 4, "_>=_": 4, "@in": 4, "_+_": 5, "_-_": 5,
    "_*_": 6, "_/_": 6, "_%_": 6,
}  # fmt: skip
_TERNARY, _UNARY, _PRIMARY = 1, 7, 8
_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write(node: Node) -> str:
    """An expression that CEL reads as the same tree. Raises ValueError for an unknown macro."""
    return _written(node, _TERNARY)


def _written(node: Node, binding: int) -> str:
    """The text of an operand of something that binds this tightly, in parentheses if needed."""
    mine, text = _piece(node)
    return text if mine >= binding else f"({text})"


def _piece(node: Node) -> tuple[int, str]:
    """How tightly the expression binds, and its text."""
    match node:
        case Literal():
            return _PRIMARY, _literal(node)
        case Ident(name):
            return _PRIMARY, name
        case Select(field, tested):
            text = f"{_written(node.children[0], _PRIMARY)}.{_member(field)}"
            return _PRIMARY, f"has({text})" if tested else text
        case Call():
            return _call(node)
        case ListExpr(optional):
            entries = (f"{'?' * (number in optional)}{write(one)}" for number, one in enumerate(node.children))
            return _PRIMARY, f"[{', '.join(entries)}]"
        case MapExpr(message, optional):
            pairs = zip(node.children[::2], node.children[1::2], strict=True)
            entries = (
                f"{'?' * (number in optional)}{write(key)}: {write(value)}" for number, (key, value) in enumerate(pairs)
            )
            return _PRIMARY, f"{message}{{{', '.join(entries)}}}"
        case Macro("cel.bind", variable, children=(value, body)):
            return _PRIMARY, f"cel.bind({variable}, {write(value)}, {write(body)})"
        case Macro(name, variable, children=(of, *others)):
            return _PRIMARY, f"{_written(of, _PRIMARY)}.{name}({', '.join((variable, *map(write, others)))})"
        case _:
            raise ValueError("unknown macro")


def _call(call: Call) -> tuple[int, str]:
    match call:
        case Call("_?_:_", children=(condition, first, second)):
            return _TERNARY, f"{_written(condition, 2)} ? {_written(first, 2)} : {write(second)}"
        case Call("_[_]", children=(of, key)):
            return _PRIMARY, f"{_written(of, _PRIMARY)}[{write(key)}]"
        case Call("_[?_]", children=(of, key)):
            return _PRIMARY, f"{_written(of, _PRIMARY)}[?{write(key)}]"
        case Call("_?._", children=(of, Literal("string", str(field)))):
            return _PRIMARY, f"{_written(of, _PRIMARY)}.?{_member(field)}"
        case Call("!_" | "-_" as operator, children=(operand,)):
            # a sign before a digit would become part of the number
            tight = _PRIMARY + isinstance(operand, Literal)
            return _UNARY, f"{operator[0]}{_written(operand, tight)}"
        case Call(function, children=(left, right)) if own := _OPERATORS.get(function):
            # `&&` and `||` mean the same however they are grouped
            other = own if function in ("_&&_", "_||_") else own + 1
            return own, f"{_written(left, own)} {function.strip('_@')} {_written(right, other)}"
        case Call(function, True, children=(of, *args)):
            return _PRIMARY, f"{_written(of, _PRIMARY)}.{function}({', '.join(map(write, args))})"
        case Call(function):
            return _PRIMARY, f"{function}({', '.join(map(write, call.children))})"


def _member(name: str) -> str:
    return name if _NAME.fullmatch(name) else f"`{name}`"


def _literal(literal: Literal) -> str:
    value = literal.value
    match literal.kind, value:
        case "null_type", _:
            return "null"
        case "bool", _:
            return "true" if value else "false"
        case "string", str():
            return f"'{''.join(_ESCAPES.get(char, char) for char in value)}'"
        case "bytes", bytes():
            return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
        case "uint", int():
            return f"{value}u"
        case _:
            return repr(value)
