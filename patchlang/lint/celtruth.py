"""What is known about a CEL condition without a VMI: true, false, or nothing (None).

The operators between comparisons (``&&``, ``||``, ``!``) are read; a comparison is judged by its sides, and
by their possible kinds of value. Variables are replaced with their expressions. CEL does not know the types below
``vmi``; annotations, labels and names are known to be strings here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..cel.tree import Call, Ident, ListExpr, Literal, MapExpr, Node, Select
from ..xpath.tree import result_kind
from .reading import cel, tree

# limits for following variables, and for the depth and size of the resulting tree
_MAX_VARIABLES = 30
_MAX_DEPTH = 100
MOST_NODES = 5000

_EQUAL, _UNEQUAL = "_==_", "_!=_"


class _TooBigError(Exception):
    """The variables expand to more than the limit."""


class _Unfolding:
    def __init__(self, variables: Mapping[str, str], most: int) -> None:
        self.variables = variables
        self.most = most
        self.nodes = 0

    def unfolded(self, node: Node, variables: int, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > self.most or depth > _MAX_DEPTH:
            raise _TooBigError
        if isinstance(node, Ident) and node.name.startswith("variables.") and variables < _MAX_VARIABLES:
            text = self.variables.get(node.name.removeprefix("variables."))
            inner = cel(text) if text is not None else None
            return node if inner is None else self.unfolded(inner, variables + 1, depth + 1)
        return node.over(tuple([self.unfolded(child, variables, depth + 1) for child in node.children]))


def read(text: str, variables: Mapping[str, str], most: int = MOST_NODES) -> Node | None:
    """A condition; ``variables`` are the expressions of the patch's variables by name.

    None if CEL does not accept it, or if the variables expand to more than ``most`` nodes.
    """
    found = cel(text)
    try:
        return None if found is None else _Unfolding(variables, most).unfolded(found, 0, 0)
    except _TooBigError:
        return None


def truth(condition: Node) -> bool | None:
    """The value of a condition, if it is the same for every VMI and domain."""
    match condition:
        case Call("!_", children=(inner,)):
            return _not(truth(inner))
        case Call("_&&_"):
            return truth_of_all([condition])
        case Call("_||_"):
            return _not(truth_of_all([_negated(part) for part in _operands(condition, "_||_")]))
        case Literal("bool", value):
            return bool(value)
        case Call("_==_" | "_!=_" as operator, children=(left, right)):
            equal = _equal(left, right)
            return equal if operator == _EQUAL else _not(equal)
        case Call("@in", children=(left, right)):
            return _in(left, right)
        case _:
            return None


def truth_of_all(conditions: Iterable[Node]) -> bool | None:
    """The value of conditions that must all be true."""
    parts = [part for condition in conditions for part in conjuncts(condition)]
    values = [truth(part) for part in parts]
    if False in values or _contradict(parts):
        return False
    return None if None in values else True


def conjuncts(condition: Node) -> list[Node]:
    """The conditions that must all hold."""
    return list(_operands(condition, "_&&_"))


def _operands(node: Node, operator: str) -> Iterator[Node]:
    if isinstance(node, Call) and node.function == operator:
        for child in node.children:
            yield from _operands(child, operator)
    else:
        yield node


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _negated(condition: Node) -> Node:
    match condition:
        case Call("!_", children=(inner,)):
            return inner
        case Call("_==_", children=sides):
            return Call(_UNEQUAL, *sides)
        case Call("_!=_", children=sides):
            return Call(_EQUAL, *sides)
        case _:
            return Call("!_", condition)


def _contradict(parts: list[Node]) -> bool:
    """Whether a value must equal two literals, or equal one and not, or a condition be true and false."""
    equal: dict[Node, Node] = {}
    unequal: set[tuple[Node, Node]] = set()
    every = set(parts)
    for part in parts:
        match part:
            case Call("!_", children=(inner,)) if inner in every:
                return True
            case Call("_==_" | "_!=_" as operator, children=(value, literal)):
                if not isinstance(literal, Literal):
                    value, literal = literal, value
                if not isinstance(literal, Literal) or isinstance(value, Literal):
                    continue
                if operator == _UNEQUAL:
                    unequal.add((value, literal))
                elif equal.setdefault(value, literal) != literal:
                    return True
    return any(pair in unequal for pair in equal.items())


def _equal(left: Node, right: Node) -> bool | None:
    if isinstance(left, Literal) and isinstance(right, Literal):
        return left == right
    kinds = kinds_of(left), kinds_of(right)
    return False if kinds[0] and kinds[1] and not kinds[0] & kinds[1] else None


def _in(left: Node, right: Node) -> bool | None:
    match right:
        case ListExpr(children=()) | MapExpr("", children=()):
            return False
        case ListExpr(children=entries) if isinstance(left, Literal):
            return left in entries if all(isinstance(entry, Literal) for entry in entries) else None
        case _:
            return None


_KINDS = {
    "string": "text", "bytes": "bytes", "int": "number", "uint": "number", "double": "number", "bool": "boolean",
    "null_type": "null",
}  # fmt: skip
_RESULTS = {
    "number": ("int", "uint", "double", "size", "quantity"),
    "text": ("string", "hex", "annotation", "label", "regex.replace"),
    "list": ("keys", "range", "flatten", "capture", "slice", "sort", "distinct", "regex.extractAll"),
}
_OF_XPATH = {"nodes": "list", "text": "text", "number": "number", "boolean": "boolean"}
_METADATA = Select(Ident("vmi"), "metadata")
_TEXTS = tuple(Select(_METADATA, name) for name in ("name", "namespace", "uid"))
_MAPS_OF_TEXTS = tuple(Select(_METADATA, name) for name in ("annotations", "labels"))


def kinds_of(node: Node) -> frozenset[str]:
    """The possible kinds of a value: ``text bytes number boolean null list map``; empty if unknown."""
    match node:
        case Literal(kind):
            found = _KINDS.get(kind)
        case ListExpr():
            found = "list"
        case MapExpr(""):
            found = "map"
        case Select(_, tested=False) if node in _TEXTS or node.children[0] in _MAPS_OF_TEXTS:
            found = "text"
        case Call("_[_]", children=(of, Literal("string"))) if of in _MAPS_OF_TEXTS:
            found = "text"
        case Call("orValue", True, children=(Call("_?._" | "_[?_]", children=(of, Literal("string"))), other)) if (
            of in _MAPS_OF_TEXTS
        ):
            return kinds | {"text"} if (kinds := kinds_of(other)) else kinds
        case Call("xpath", False, children=(Literal("string", str(query)), *_)):
            found = _OF_XPATH.get(result_kind(read)) if (read := tree(query)) else None
        case Call(function, False):
            found = next((kind for kind, names in _RESULTS.items() if function in names), None)
        case _:
            found = None
    return frozenset({found} if found else ())
