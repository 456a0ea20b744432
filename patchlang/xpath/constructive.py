"""Constructive paths, the grammar of ``ensure``: ``/domain/os/boot[@dev='hd']``, ``…/@mode``.

Steps are names; predicates are equalities of ``@attribute`` or ``.`` with a literal or a variable, joined by ``and``.
They are parsed as XPath and then restricted to that subset, so that the path selects what it builds.

Such a path may be a template. Its computed parts, the holes, are cut out before parsing, and their values are inserted
into the result: in quotes a value is text, elsewhere it is steps or a whole number. No value can add a predicate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import rules
from ..diagnostics import PatchError, Rule, fail
from ..patterns import pattern
from ..record import record
from ..source import Span, Text
from .parser import MAX_LENGTH, MAX_TOKENS, XPathSyntaxError, is_ncname, parse
from .query import Namespaces, new_name, variable_help
from .tree import Binary, Expr, Literal, Number, Path, Step, VariableRef, walk

HOLE = "Q"
"""Stands for a computed part during parsing: part of a name, but not of an XPath keyword."""

_QUOTED_HOLE = pattern(f"`[^`{HOLE}]*+{HOLE}[^`]*+`")
_QUOTE = pattern("['\"]")
_WHOLE_NUMBER = pattern("[0-9]+")


@record
class Condition:
    """``attribute`` (Clark name; None: the text of the element) equals a literal or the variable of that name."""

    attribute: str | None
    literal: str | None = None
    variable: str | None = None


@record
class BuildStep:
    """One element: its Clark name, its prefix, the step as written, and what identifies the element."""

    tag: str
    prefix: str | None
    written: str
    conditions: tuple[Condition, ...]


@record
class BuildPath:
    """Steps from the document (``absolute``) or from a node, and the attribute at the end, if any."""

    absolute: bool
    steps: tuple[BuildStep, ...]
    attribute: str | None


@record
class BuildDialect:
    """What names a constructive path may use."""

    namespaces: Namespaces
    variables: frozenset[str]


@record
class CutPath:
    """A path with its computed parts cut out: ``text`` has a :data:`HOLE` at each of the offsets ``holes``.

    ``places``: the source offset of each character of ``text``, and of the end.
    """

    source: Text
    text: str
    places: tuple[int, ...]
    holes: tuple[int, ...]

    def span(self, start: int, end: int) -> Span:
        return self.source.span(*self._range(start, end))

    def written(self, start: int, end: int) -> str:
        """The characters ``start`` to ``end`` of the text as written in the source."""
        return self.source.text[slice(*self._range(start, end))]

    def _range(self, start: int, end: int) -> tuple[int, int]:
        last = len(self.text)
        return self.places[min(start, last)], self.places[min(end, last)]


class BuildProgram:
    """A constructive path, parsed once; :meth:`path` inserts the values of its computed parts."""

    def __init__(self, cut: CutPath, dialect: BuildDialect) -> None:
        """Raises PatchError (PL206, PL207, PL209)."""
        self._cut = cut
        self._dialect = dialect
        try:
            tree = parse(cut.text)
        except XPathSyntaxError as e:
            message = _QUOTED_HOLE.sub("`$[…]`", e.message) if cut.holes else e.message
            raise fail(
                rules.BAD_ENSURE_PATH, f"not XPath: {message}", cut.span(e.offset, e.offset + 1), e.help
            ) from None
        if not isinstance(tree, Path) or tree.base is not None or not tree.steps:
            span, help = cut.span(0, len(cut.text)), "such as `/domain/os/smbios/@mode`"
            raise fail(rules.BAD_ENSURE_PATH, "expected a path", span, help)
        self._tree = tree
        literals = [(e.start, e.end) for e in walk(tree) if isinstance(e, Literal)]
        self._bare = {at for at in cut.holes if not any(start < at < end for start, end in literals)}
        self.shape = self._read(None)
        """The path with a meaningless name wherever part of a name is computed."""

    def path(self, values: Sequence[str]) -> BuildPath:
        """The path with the values of its holes, in order. Raises PatchError (PL207, PL209)."""
        return self._read(dict(zip(self._cut.holes, values, strict=True))) if values else self.shape

    def _read(self, values: dict[int, str] | None) -> BuildPath:
        return _Reader(self._cut, self._tree, self._dialect, self._bare, values).read()


class _Reader:
    def __init__(
        self, cut: CutPath, tree: Path, dialect: BuildDialect, bare: set[int], values: dict[int, str] | None
    ) -> None:
        self.cut = cut
        self.text = cut.text
        self.tree = tree
        self.dialect = dialect
        self.bare = bare
        self.values = values
        self.inside: Step | None = None

    def read(self) -> BuildPath:
        self.check_values()
        *above, last = self.tree.steps
        absolute = self.tree.absolute or (0 in self.bare and self.filled(0, 1).startswith("/"))
        steps = [made for step in above for made in self.elements(step, self.names(step))]
        attribute = None
        if last.axis == "attribute":
            if last.predicates or last.test.endswith(("*", ")")):
                raise self.error("the attribute at the end must be a plain name", last.start, last.end)
            attribute = self.clark(self.filled(last.head_end - len(last.test), last.head_end), last, attribute=True)
        else:
            names = self.names(last)
            if names[-1].startswith("@") and not last.predicates:
                attribute = self.clark(names.pop()[1:], last, attribute=True)
            steps += self.elements(last, names)
        if 2 * len(steps) > MAX_TOKENS:
            raise self.error(f"the path has more than {MAX_TOKENS // 2} steps", 0, len(self.text))
        return BuildPath(absolute, tuple(steps), attribute)

    def check_values(self) -> None:
        """What is computed outside quotes may only be steps or a whole number."""
        if self.values is None:
            return
        for at in sorted(self.bare):
            value = self.values[at]
            steps = value.removeprefix("/") if at == 0 else value
            if not _WHOLE_NUMBER.fullmatch(value) and not _are_steps(steps):
                raise self.error(
                    "the value is neither path steps nor a whole number",
                    at,
                    at + 1,
                    "outside quotes, `$[ ]` must give names joined by `/`, the last may have `@`, or a whole number; "
                    "to use any text, quote it: `[@name='$[ ]']`",
                )
        if len(self.text) + sum(len(self.values[at]) for at in self.bare) > MAX_LENGTH:
            raise self.error(f"the path is longer than {MAX_LENGTH} characters", 0, len(self.text))

    def names(self, step: Step) -> list[str]:
        """What a step names: one element, or if computed several, the last optionally an attribute."""
        if step.axis != "child" or step.test.endswith(("*", ")")):
            what = "`//`" if step.abbreviated else f"`{self.cut.written(step.start, step.head_end)}`"
            raise self.error(
                f"{what} cannot be created; each step must name one element",
                step.start,
                step.end,
                self.apart(step),
            )
        start = step.head_end - len(step.test)
        name = self.filled(start, step.head_end)
        return (name.removeprefix("/") if start == 0 and 0 in self.bare else name).split("/")

    def elements(self, step: Step, names: list[str]) -> Iterator[BuildStep]:
        """The elements of these names, the last with the predicates of the step."""
        self.inside = step
        conditions = tuple(c for p in step.predicates for c in self.conditions(p))
        written = self.cut.written(step.start, step.head_end)
        for number, name in enumerate(names, 1):
            if name.startswith("@"):
                message = "the value ends in an attribute, which is only allowed at the end of the path"
                raise self.error(message, step.start, step.head_end)
            prefix = name.partition(":")[0] if ":" in name else None
            yield BuildStep(
                self.clark(name, step, attribute=False), prefix, written, conditions if number == len(names) else ()
            )

    def conditions(self, expr: Expr) -> Iterator[Condition]:
        match expr:
            case Binary(operator="and", left=left, right=right):
                yield from self.conditions(left)
                yield from self.conditions(right)
            case Path(base=Expr() as inner, steps=(), filters=()):
                yield from self.conditions(inner)
            case Binary(operator="=", left=Path() as path, right=value) if not self.is_hole(path):
                yield self.condition(path, value)
            case Binary(operator="=", left=value, right=Path() as path):
                yield self.condition(path, value)
            case _:
                raise self.not_buildable(expr)

    def condition(self, path: Path, value: Expr) -> Condition:
        if path.absolute or path.base is not None or len(path.steps) != 1 or path.steps[0].predicates:
            raise self.not_buildable(path)
        step = path.steps[0]
        attribute = None
        if step.axis == "attribute" and not step.test.endswith(("*", ")")):
            name = self.filled(step.head_end - len(step.test), step.head_end)
            attribute = self.clark(name, step, attribute=True)
        elif step.axis != "self" or step.test != "node()":
            raise self.not_buildable(path)
        match value:
            case Literal(value=text):
                opening = _QUOTE.search(self.text, value.start)
                assert opening, "a literal is in quotes, perhaps within parentheses"
                return Condition(attribute, literal=self.filled(opening.end(), opening.end() + len(text)))
            case Number():
                return Condition(attribute, literal=self.text[value.start : value.end])
            case Path() if self.is_hole(value):
                number = self.filled(value.start, value.end)
                if self.values is not None and not _WHOLE_NUMBER.fullmatch(number):
                    help = "to use any text, quote it: `[@name='$[ ]']`"
                    raise self.error("the value must be a whole number here", value.start, value.end, help)
                return Condition(attribute, literal=number)
            case VariableRef(name=name) if not self.has_hole(value.start, value.end):
                root, dot, _ = name.partition(".")
                if name not in self.dialect.variables and not (dot and f"{root}.*" in self.dialect.variables):
                    known = sorted(v for v in self.dialect.variables if not v.endswith("*"))
                    message, help = f"no variable `${name}` here", variable_help(name, known)
                    raise self.error(message, value.start, value.end, help, rules.UNKNOWN_NAME)
                return Condition(attribute, variable=name)
            case _:
                raise self.not_buildable(value)

    def is_hole(self, expr: Expr) -> bool:
        """Whether it is a computed part and nothing else."""
        return expr.start in self.bare and expr.end == expr.start + 1

    def has_hole(self, start: int, end: int) -> bool:
        return any(start <= at < end for at in self.cut.holes)

    def filled(self, start: int, end: int) -> str:
        """The characters ``start`` to ``end`` with their values filled in."""
        values = self.values or {}
        return "".join(values.get(at, self.text[at]) for at in range(start, end))

    def clark(self, name: str, step: Step, *, attribute: bool) -> str:
        computed = self.has_hole(step.start, step.head_end)
        if computed and self.values is None:
            return name  # its prefix may be computed
        shown = self.cut.written(step.start, step.head_end) if computed else name
        try:
            return new_name(name, self.dialect.namespaces, attribute=attribute)
        except ValueError as e:
            raise self.error(f"`{shown}` cannot be created: {e}", step.start, step.head_end) from None
        except KeyError:
            prefix = f"the prefix of `{shown}`" if computed else f"the prefix `{name.split(':')[0]}`"
            message, help = f"{prefix} is not declared", "declare it in `spec.namespaces`"
            raise self.error(message, step.start, step.head_end, help, rules.UNKNOWN_PREFIX) from None

    def not_buildable(self, expr: Expr) -> PatchError:
        return self.error(
            "this predicate cannot be created",
            expr.start,
            expr.end,
            f"use `[@attribute='value']` or `[.='text']`, joined by `and`; otherwise {self.apart(self.inside)}",
        )

    def apart(self, step: Step | None) -> str:
        """How to write a path with a step that cannot be created."""
        rest = self.cut.written(step.end, len(self.text)).lstrip("/") if step else ""
        if step is None or not rest or step.axis != "child" or self.cut.holes:
            return "select the nodes with `in`, and write in `path` what to create below them"
        return f"write `in: {self.text[: step.end]}` and `path: {rest}`"

    def error(
        self, message: str, start: int, end: int, help: str | None = None, rule: Rule = rules.BAD_ENSURE_PATH
    ) -> PatchError:
        return fail(rule, message, self.cut.span(start, end), help)


def _are_steps(text: str) -> bool:
    *above, last = text.split("/")
    return all(map(_is_qname, (*above, last.removeprefix("@"))))


def _is_qname(text: str) -> bool:
    prefix, colon, local = text.partition(":")
    return is_ncname(prefix) and (not colon or is_ncname(local))
