"""Constructive paths, the grammar of ``ensure``: ``/domain/os/boot[@dev='hd']``, ``…/@mode``.

Steps are names; predicates are equalities of ``@attribute`` or ``.`` with a literal or a variable, joined by ``and``.
They are read as XPath and then held to that subset, so that what is built is what the path selects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import rules
from ..diagnostics import PatchError, Rule, did_you_mean, fail
from ..patterns import pattern
from ..record import record
from ..source import Span, Text
from .parser import XPathSyntaxError, parse
from .query import Namespaces, new_name
from .tree import Binary, Expr, Literal, Number, Path, Step, VariableRef

_QUOTED = pattern("`.*`", re.DOTALL)


@record
class Condition:
    """``attribute`` (Clark name; None: the text of the element) equals a literal or the variable of that name."""

    attribute: str | None
    literal: str | None = None
    variable: str | None = None


@record
class BuildStep:
    """One element: its Clark name, as it is written, and what tells it apart."""

    tag: str
    written: str
    conditions: tuple[Condition, ...]


@record
class BuildPath:
    """Steps from the document (``absolute``) or from a node, and the attribute at the end, if it names one."""

    absolute: bool
    steps: tuple[BuildStep, ...]
    attribute: str | None


@record
class BuildDialect:
    """What names a constructive path may use."""

    namespaces: Namespaces
    variables: frozenset[str]


def parse_build_path(source: Text, dialect: BuildDialect, text: str | None = None) -> BuildPath:
    """Read a constructive path; ``text`` is what the template ``source`` came to.

    Raises PatchError (PL206, PL207, PL209).
    """
    return _Reader(source, source.text if text is None else text, dialect).read()


class _Reader:
    def __init__(self, source: Text, text: str, dialect: BuildDialect) -> None:
        self.source = source
        self.text = text
        self.computed = text != source.text
        self.dialect = dialect
        self.inside: Step | None = None

    def read(self) -> BuildPath:
        try:
            tree = parse(self.text)
        except XPathSyntaxError as e:
            raise self.error(f"not XPath: {e.message}", e.offset, e.offset + 1, e.help) from None
        if not isinstance(tree, Path) or tree.base is not None or not tree.steps:
            raise self.error("a path is needed here", 0, len(self.text), "such as `/domain/os/smbios/@mode`")
        *steps, last = tree.steps
        attribute = None
        if last.axis == "attribute":
            if last.predicates or last.test.endswith(("*", ")")):
                raise self.error("the attribute at the end must be a plain name", last.start, last.end)
            attribute = self.clark(last.test, last)
        else:
            steps.append(last)
        return BuildPath(tree.absolute, tuple(self.step(step) for step in steps), attribute)

    def step(self, step: Step) -> BuildStep:
        if step.axis != "child" or step.test.endswith(("*", ")")):
            what = "`//`" if step.abbreviated else f"`{self.text[step.start : step.head_end]}`"
            raise self.error(
                f"{what} cannot be made; each step must name one element",
                step.start,
                step.end,
                self.apart(step),
            )
        self.inside = step
        conditions = tuple(c for p in step.predicates for c in self.conditions(p))
        return BuildStep(self.clark(step.test, step), step.test, conditions)

    def conditions(self, expr: Expr) -> Iterator[Condition]:
        match expr:
            case Binary(operator="and", left=left, right=right):
                yield from self.conditions(left)
                yield from self.conditions(right)
            case Path(base=Expr() as inner, steps=(), filters=()):
                yield from self.conditions(inner)
            case (
                Binary(operator="=", left=Path() as path, right=value)
                | Binary(operator="=", left=value, right=Path() as path)
            ):
                yield self.condition(path, value)
            case _:
                raise self.not_buildable(expr)

    def condition(self, path: Path, value: Expr) -> Condition:
        if path.absolute or path.base is not None or len(path.steps) != 1 or path.steps[0].predicates:
            raise self.not_buildable(path)
        step = path.steps[0]
        attribute = None
        if step.axis == "attribute" and not step.test.endswith(("*", ")")):
            attribute = self.clark(step.test, step)
        elif step.axis != "self" or step.test != "node()":
            raise self.not_buildable(path)
        match value:
            case Literal(value=text):
                return Condition(attribute, literal=text)
            case Number():
                return Condition(attribute, literal=self.text[value.start : value.end])
            case VariableRef(name=name):
                root, dot, _ = name.partition(".")
                if name not in self.dialect.variables and not (dot and f"{root}.*" in self.dialect.variables):
                    known = sorted(v for v in self.dialect.variables if not v.endswith("*"))
                    message, help = f"there is no variable `${name}` here", did_you_mean(name, known, "variables")
                    raise self.error(message, value.start, value.end, help, rules.UNKNOWN_NAME)
                return Condition(attribute, variable=name)
            case _:
                raise self.not_buildable(value)

    def clark(self, name: str, step: Step) -> str:
        try:
            return new_name(name, self.dialect.namespaces, attribute=step.axis == "attribute")
        except ValueError as e:
            raise self.error(f"`{name}` cannot be made: {e}", step.start, step.end) from None
        except KeyError:
            message, help = f"the prefix `{name.split(':')[0]}` is not declared", "declare it in `spec.namespaces`"
            raise self.error(message, step.start, step.end, help, rules.UNKNOWN_PREFIX) from None

    def not_buildable(self, expr: Expr) -> PatchError:
        return self.error(
            "this predicate cannot be made",
            expr.start,
            expr.end,
            f"use `[@attribute='value']` or `[.='text']`, joined by `and`; else {self.apart(self.inside)}",
        )

    def apart(self, step: Step | None) -> str:
        """The way to write a path of which a step cannot be made."""
        rest = self.text[step.end :].lstrip("/") if step else ""
        if step is None or not rest or step.axis != "child":
            return "select the nodes with `in`, and name in `path` what is to be made below them"
        return f"write `in: {self.text[: step.end]}` and `path: {rest}`"

    def error(
        self, message: str, start: int, end: int, help: str | None = None, rule: Rule = rules.BAD_ENSURE_PATH
    ) -> PatchError:
        if self.computed:  # from the VMI, as like as not: nothing of it is quoted
            message = _QUOTED.sub("`…`", message)
            help = "the path is computed; what it comes to must be a path that `ensure` can make"
        return fail(rule, message, self.span(start, end), help)

    def span(self, start: int, end: int) -> Span:
        return self.source.span() if self.computed else self.source.span(start, end)
