"""Misplaced optionals, found statically in CEL's own tree.

CEL's types only cover some optionals; for an ``m`` of unknown type, ``m[?k]`` has an unknown type itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .syntax import Token, tokens
from .tree import Call, Ident, ListExpr, Macro, MapExpr, Node, Select, calls

# these never get an optional: the library's own conversion of one crashes the process
_TAKE_PLAIN = ("flatten", "keys", "xpath")
_MAKERS = frozenset({"optional.none", "optional.of", "optional.ofNonZeroValue", "regex.extract"})
_END = frozenset({"hasValue", "orValue", "value"})

# the origin of an optional: its first call
_Origins = tuple[Node, ...]


class Astray(NamedTuple):
    """Misplaced optionals, if any, as the offsets in the text to report.

    ``compared``: compared with a value, which is never equal. ``handed_over``: passed to something that does not unwrap
    it, in a text that calls a function which takes only plain values.
    """

    compared: int | None
    handed_over: int | None


def astray(tree: Node, text: str, *, optional: bool) -> Astray:
    """The first misplaced optionals of an expression; ``text`` is what CEL read to make the tree.

    ``optional``: the result may be one.
    """
    found = _Search()
    at_end = found.origins(tree, {})
    handed_over = found.handed_over if optional else [*found.handed_over, *at_end]
    if handed_over and not any(calls(tree, function) for function in _TAKE_PLAIN):
        handed_over = []
    if not found.compared and not handed_over:
        return Astray(None, None)
    lexis = Lexis(text)
    return Astray(min(map(lexis.start, found.compared), default=None), min(map(lexis.mark, handed_over), default=None))


class _Search:
    def __init__(self) -> None:
        self.compared: list[Node] = []
        self.handed_over: list[Node] = []

    def origins(self, node: Node, names: Mapping[str, _Origins]) -> _Origins:
        """The origins of a value if it is an optional, otherwise none; ``names`` are those of optionals."""
        match node:
            case Ident(name):
                return names.get(name, ())
            case Macro("cel.bind" | "optMap" | "optFlatMap" as name, variable, children=(value, body)):
                first = self.origins(value, names)
                inner = self.origins(body, {**names, variable: first if name == "cel.bind" else ()})
                if name == "cel.bind":
                    return inner
                if name == "optFlatMap":
                    return (*first, *inner)
                self.handed_over += inner
                return first
            case Macro(_, variable, children=(of, *others)):
                inside = {**names, variable: ()}
                found = [self.origins(of, names), *(self.origins(other, inside) for other in others)]
            case _:
                found = [self.origins(child, names) for child in node.children]
        match node:
            case Select(_, tested):
                return () if tested else found[0]
            case Call("_==_" | "_!=_"):
                sides = zip(node.children, reversed(found), strict=True)
                self.compared += [
                    child for child, other in sides if not other and (_is_marked(child) or child.is_optional)
                ]
                return ()
            case Call("_?_:_"):
                self.handed_over += found[0]
                return found[1] + found[2]
            case Call("dyn") if found:
                return found[0]
            case Call("_[_]"):
                self.handed_over += found[1]
                return found[0]
            case Call("or", True) if any(found):
                return tuple(origin for origins in found for origin in origins)
            case Call(function, True) if function in _END and found[0]:
                for one in found[1:]:
                    self.handed_over += one
                return (node,) if node.is_optional else ()
            case Call("_?._" | "_[?_]"):
                self.handed_over += found[1]
                return (*found[0], node)
            case Call(function) if node.is_optional or function in _MAKERS:
                for one in found:
                    self.handed_over += one
                return (node,)
            case ListExpr(optional):
                found = [one for number, one in enumerate(found) if number not in optional]
            case MapExpr(_, optional):
                found = [one for number, one in enumerate(found) if not (number % 2 and number // 2 in optional)]
        for one in found:
            self.handed_over += one
        return ()


def _is_marked(node: Node) -> bool:
    """Whether a ``?`` creates what members and entries are selected from, or the value itself."""
    match node:
        case Call("_?._" | "_[?_]"):
            return True
        case Select(_, tested=False) | Call("_[_]"):
            return _is_marked(node.children[0])
        case _:
            return False


class Lexis:
    """The places of nodes in the text, where CEL does not give them."""

    def __init__(self, text: str) -> None:
        self.tokens = [token for token in tokens(text) if token.kind != "comment"]
        self.numbers = {token.start: number for number, token in enumerate(self.tokens)}

    def mark(self, node: Node) -> int:
        """The offset of the ``?`` that makes an optional, or of the name of the function that does."""
        number = self.numbers.get(node.position)
        if number is None:
            return 0
        if _is_marked(node):
            return self.tokens[min(number + 1, len(self.tokens) - 1)].start
        return self.tokens[number - 1 if isinstance(node, Call) and node.is_method else self._name(number)].start

    def start(self, node: Node) -> int:
        """The offset where an operand begins, including the parentheses around its target."""
        first = node
        while first.children and isinstance(first, Select | Call | Macro) and not self._is_prefix(first):
            first = first.children[0]
        number = self.numbers.get(first.position)
        if number is None:
            return 0
        if self.tokens[number].text == "(":
            number = self._name(number)
        while number and self.tokens[number - 1].text == "(" and self.closing(number - 1).start < node.position:
            number -= 1
        return self.tokens[number].start

    def _is_prefix(self, node: Node) -> bool:
        """Whether a node starts before its first child: a function that is not a method, ``!`` and ``-``."""
        match node:
            case Call(function, False):
                return not function.startswith("_") and function != "@in"
            case Macro("cel.bind"):
                return True
            case Select(_, tested):
                return tested
            case _:
                return False

    def _name(self, number: int) -> int:
        """The index of the token where the name before a parenthesis begins: ``a.b(``."""
        at = number - 1
        while at > 1 and self.tokens[at - 1].text == "." and self.tokens[at - 2].kind == "name":
            at -= 2
        return max(at, 0)

    def closing(self, opener: int) -> Token:
        """The closing bracket; the last token if there is none."""
        depth = 0
        for token in self.tokens[opener:]:
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}")) if token.kind == "symbol" else 0
            if depth == 0:
                return token
        return self.tokens[-1]
