"""What is known about an XPath predicate without a domain: true, false, or nothing (None)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from ..record import record
from ..xpath.tree import Binary, Call, Expr, Literal, Negation, Number, Path
from .reading import names

Steps = tuple[str, ...]


class Presence(Enum):
    """What is known about a node besides its text."""

    ABSENT = "absent"
    PRESENT = "present"


@record
class NodeFacts:
    """What is known about a node: relative names (``("target", "@dev")``; empty: itself) → text, or whether it exists.

    In a ``complete`` node, everything else is absent.
    """

    known: Mapping[Steps, str | Presence]
    complete: bool = False

    def get(self, steps: Steps) -> str | Presence | None:
        return self.known.get(steps, Presence.ABSENT if self.complete else None)


NOTHING = NodeFacts({})


def truth(expr: Expr, facts: NodeFacts) -> bool | None:
    """The value of a predicate at a node with known ``facts``."""
    match expr:
        case Binary(operator="and"):
            parts = list(_operands(expr, "and"))
            if _contradict(parts):
                return False
            return _all(truth(part, facts) for part in parts)
        case Binary(operator="or"):
            return _not(_all(_not(truth(part, facts)) for part in _operands(expr, "or")))
        case Binary(operator="=" | "!="):
            return _compared(expr, facts)
        case Call(name="not", args=(inner,)):
            return _not(truth(inner, facts))
        case Call(name="boolean", args=(inner,)):
            return truth(inner, facts)
        case Call(name="true" | "false"):
            return expr.name == "true"
        case Call(name="starts-with" | "contains", args=(Path() as path, Literal(value=piece))):
            known = _known(path, facts)
            if isinstance(known, str):
                return known.startswith(piece) if expr.name == "starts-with" else piece in known
            return False if known is Presence.ABSENT and piece else None
        case Literal(value=text):
            return bool(text)
        case Path(base=Expr() as base, steps=(), filters=()):
            return truth(base, facts)
        case Path():
            known = _known(expr, facts)
            return None if known is None else known is not Presence.ABSENT
        case _:
            return None


def all_of(predicates: tuple[Expr, ...], facts: NodeFacts) -> bool | None:
    """The value of several predicates of one step together."""
    parts = [part for predicate in predicates for part in _operands(predicate, "and")]
    if _contradict(parts):
        return False
    # a number is a position; which one is unknown, except one that never exists
    return _all(truth(part, facts) if (at := number(part)) is None else _position(at) for part in parts)


def number(expr: Expr) -> float | None:
    """The value of a number that is written out."""
    match expr:
        case Number(value=value):
            return value
        case Negation(operand=Number(value=value)):
            return -value
        case _:
            return None


def _position(number: float) -> bool | None:
    return None if number >= 1 and number.is_integer() else False


def _operands(expr: Expr, operator: str) -> Iterator[Expr]:
    match expr:
        case Binary(operator=found, left=left, right=right) if found == operator:
            yield from _operands(left, operator)
            yield from _operands(right, operator)
        case Path(base=Expr() as base, steps=(), filters=()):
            yield from _operands(base, operator)
        case _:
            yield expr


def _contradict(parts: list[Expr]) -> bool:
    """Whether an attribute, or the node itself, would have to equal two texts."""
    wanted: dict[Steps, str] = {}
    for part in parts:
        if isinstance(part, Binary) and part.operator == "=" and (sides := _sides(part)):
            path, text = sides
            if len(path) <= 1 and all(name.startswith("@") for name in path) and wanted.setdefault(path, text) != text:
                return True
    return False


def _compared(expr: Binary, facts: NodeFacts) -> bool | None:
    match expr.left, expr.right:
        case (Literal(value=one), Literal(value=other)):
            return (one == other) is (expr.operator == "=")
        case _:
            pass
    sides = _sides(expr)
    if sides is None:
        return None
    known = facts.get(sides[0])
    if isinstance(known, str):
        return (known == sides[1]) is (expr.operator == "=")
    return False if known is Presence.ABSENT else None


def _sides(expr: Binary) -> tuple[Steps, str] | None:
    """Of a comparison of a plain relative path with a literal: both."""
    for path, value in ((expr.left, expr.right), (expr.right, expr.left)):
        if isinstance(path, Path) and isinstance(value, Literal) and (steps := _plain(path)) is not None:
            return steps, value.value
    return None


def _plain(path: Path) -> Steps | None:
    if path.absolute or path.base is not None or any(step.predicates for step in path.steps):
        return None
    return names(path.steps)


def _known(path: Path, facts: NodeFacts) -> str | Presence | None:
    steps = _plain(path)
    return None if steps is None else facts.get(steps)


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: Iterator[bool | None]) -> bool | None:
    found = list(values)
    return False if False in found else None if None in found else True
