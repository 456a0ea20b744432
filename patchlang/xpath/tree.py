"""The tree of an XPath 1.0 expression, with places, and what it tells: kind of result, cost, relations."""

from __future__ import annotations

from collections.abc import Iterator

from ..record import record

# name → (least arguments, most arguments or None, kind of result)
FUNCTIONS: dict[str, tuple[int, int | None, str]] = {
    "last": (0, 0, "number"), "position": (0, 0, "number"), "count": (1, 1, "number"), "id": (1, 1, "nodes"),
    "local-name": (0, 1, "text"), "namespace-uri": (0, 1, "text"), "name": (0, 1, "text"), "string": (0, 1, "text"),
    "concat": (2, None, "text"), "starts-with": (2, 2, "boolean"), "contains": (2, 2, "boolean"),
    "substring-before": (2, 2, "text"), "substring-after": (2, 2, "text"), "substring": (2, 3, "text"),
    "string-length": (0, 1, "number"), "normalize-space": (0, 1, "text"), "translate": (3, 3, "text"),
    "boolean": (1, 1, "boolean"), "not": (1, 1, "boolean"), "true": (0, 0, "boolean"), "false": (0, 0, "boolean"),
    "lang": (1, 1, "boolean"), "number": (0, 1, "number"), "sum": (1, 1, "number"), "floor": (1, 1, "number"),
    "ceiling": (1, 1, "number"), "round": (1, 1, "number"),
}  # fmt: skip


@record
class Expr:
    """Part of an expression: the characters ``start`` to ``end`` of the text."""

    start: int
    end: int

    @property
    def children(self) -> tuple[Expr, ...]:
        return ()


@record
class Literal(Expr):
    value: str


@record
class Number(Expr):
    value: float


@record
class VariableRef(Expr):
    name: str


@record
class Call(Expr):
    name: str
    args: tuple[Expr, ...]

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.args


@record
class Binary(Expr):
    """``or and = != < <= > >= + - * div mod |``; ``operator`` is one of these."""

    operator: str
    left: Expr
    right: Expr

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.left, self.right)


@record
class Negation(Expr):
    operand: Expr

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.operand,)


@record
class Step(Expr):
    """One step of a path. ``test`` is a name (``prefix:local``, ``*``) or a node type with ``()``.

    ``abbreviated`` marks the step that ``//`` stands for.
    """

    axis: str
    test: str
    predicates: tuple[Expr, ...] = ()
    abbreviated: bool = False
    head_end: int = 0

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.predicates


@record
class Path(Expr):
    """A location path, or a filter expression (``base`` with ``filters``) and the steps after it."""

    absolute: bool
    steps: tuple[Step, ...]
    base: Expr | None = None
    filters: tuple[Expr, ...] = ()

    @property
    def children(self) -> tuple[Expr, ...]:
        return (*((self.base,) if self.base else ()), *self.filters, *self.steps)


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything below it."""
    pending = [expr]
    while pending:
        expr = pending.pop()
        yield expr
        pending += reversed(expr.children)


def result_kind(expr: Expr) -> str:
    """``nodes``, ``number``, ``text``, ``boolean``, or ``any`` for a variable."""
    match expr:
        case Path(base=None):
            return "nodes"
        case Path(steps=(), filters=(), base=Expr() as base):
            return result_kind(base)
        case Path() | Binary(operator="|"):
            return "nodes"
        case Call():
            return FUNCTIONS[expr.name][2]
        case Literal():
            return "text"
        case VariableRef():
            return "any"
        case Binary(operator="or" | "and" | "=" | "!=" | "<" | "<=" | ">" | ">="):
            return "boolean"
        case _:
            return "number"


def document_relative(text: str, expr: Expr) -> str:
    """The text with each relative path outside predicates made to start at the document."""
    starts = sorted(_relative_starts(expr), reverse=True)
    for at in starts:
        text = f"{text[:at]}/{text[at:]}"
    return text


def _relative_starts(expr: Expr) -> Iterator[int]:
    match expr:
        case Path(base=None):
            if not expr.absolute:
                yield expr.start
        case Path(base=Expr() as base):
            yield from _relative_starts(base)
        case _:
            for child in expr.children:
                yield from _relative_starts(child)
