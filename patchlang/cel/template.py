"""``$[ expr ]`` in text: found, compiled, computed. ``$$[`` stands for a plain ``$[``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import rules
from ..diagnostics import PatchError, fail
from ..patterns import pattern
from ..record import record
from ..source import Span, Text
from ..values import ABSENT, text_size

if TYPE_CHECKING:
    from ..run_scope import Bindings
    from .compiled import Compiled

_OPENING = pattern(r"\$\$\[|\$\[")

Compiler = Callable[[Text], "Compiled"]


@record
class LiteralPiece:
    """A literal piece of a template; ``at`` is its place in the template's text."""

    text: str
    at: int


@record
class ComputedPiece:
    """A computed piece: the expression between ``$[`` at ``at`` and the ``]`` just before ``end``."""

    expression: Text
    at: int
    end: int


def pieces(source: Text) -> Iterator[LiteralPiece | ComputedPiece]:
    """The pieces of a template, in order. Raises PatchError (PL203) if a ``]`` is missing."""
    text, at, literal = source.text, 0, ""
    literal_at = 0
    while found := _OPENING.search(text, at):
        literal += text[at : found.start()]
        if found.group() == "$$[":
            literal += "$["
            at = found.end()
            continue
        if literal:
            yield LiteralPiece(literal, literal_at)
        from .syntax import closing_bracket

        end = closing_bracket(text, found.end())
        if end is None:
            raise fail(
                rules.BAD_TEMPLATE,
                "the closing `]` of `$[` is missing",
                source.span(found.start(), found.end()),
                "write it, or `$$[` for a plain `$[`",
            )
        if not text[found.end() : end].strip():
            span, help = (
                source.span(found.start(), end + 1),
                "such as `$[ vmi.metadata.name ]`; write `$$[` for a plain `$[`",
            )
            raise fail(rules.BAD_TEMPLATE, "`$[ ]` is empty", span, help)
        at = literal_at = end + 1
        yield ComputedPiece(part_of(source, found.end(), end), found.start(), at)
        literal = ""
    literal += text[at:]
    if literal:
        yield LiteralPiece(literal, literal_at)


@record
class Cut:
    """A template with its computed pieces cut out, for a parser of the text around them.

    ``places``: the source offset of each character of ``text`` (for a mark, of its ``$[``), and of the end.
    ``marks``: the offset in ``text`` of the mark of each expression.
    """

    text: str
    expressions: tuple[Text, ...]
    places: tuple[int, ...]
    marks: tuple[int, ...]


def cut(source: Text, mark: Callable[[int], str]) -> Cut:
    """Cut the computed pieces out of a template; ``mark`` returns the replacement for each, given its number.

    Raises PatchError (PL203) if a ``]`` is missing.
    """
    text, expressions, places, marks = "", list[Text](), list[int](), list[int]()
    for piece in pieces(source):
        if isinstance(piece, LiteralPiece):
            places += _places(source.text, piece)
            text += piece.text
        else:
            put = mark(len(expressions))
            places += [piece.at] * len(put)
            marks.append(len(text))
            text += put
            expressions.append(piece.expression)
    return Cut(text, tuple(expressions), (*places, len(source.text)), tuple(marks))


def _places(source: str, literal: LiteralPiece) -> Iterable[int]:
    """The source offset of each character of a literal; each plain ``$[`` has an extra ``$`` before it."""
    if "$[" not in literal.text:
        return range(literal.at, literal.at + len(literal.text))
    places, at = [], literal.at
    for _ in literal.text:
        at += source.startswith("$$[", at)
        places.append(at)
        at += 1
    return places


def part_of(source: Text, start: int, end: int) -> Text:
    """The characters ``start`` to ``end`` of a text, without surrounding blanks, as a separate text."""
    part = source.text[start:end]
    start += len(part) - len(part.lstrip())
    return Text(part.strip(), partial(_locate, source, start, len(part.strip())))


def _locate(source: Text, offset: int, length: int, start: int, end: int | None) -> Span:
    return source.span(offset + start, offset + (length if end is None else end))


@record
class TemplateProgram:
    """A compiled template: literal text and expressions."""

    source: Text
    parts: tuple[str | Compiled, ...]

    @property
    def constant(self) -> str | None:
        """The text, if nothing in it is computed."""
        return "".join(map(str, self.parts)) if all(isinstance(p, str) for p in self.parts) else None

    @property
    def written(self) -> str | None:
        """The template as written; None if nothing in it is computed."""
        return None if all(isinstance(p, str) for p in self.parts) else self.source.text

    @property
    def is_one_expression(self) -> bool:
        return len(self.parts) == 1 and not isinstance(self.parts[0], str)

    def text(self, bindings: Bindings, *, booleans: bool = False) -> str:
        """The text with its values filled in. ``booleans``: they are allowed.

        Raises PatchError (PL403, PL409).
        """
        pieces = [
            part if isinstance(part, str) else as_text(part.evaluate(bindings), part, booleans=booleans)
            for part in self.parts
        ]
        return joined(pieces, bindings)

    def text_or_absent(self, bindings: Bindings) -> str | None:
        """The same; None if it is a single ``$[ ]`` that gives an optional without a value."""
        if len(self.parts) != 1:
            return self.text(bindings)
        only = self.parts[0]
        if isinstance(only, str):
            return only
        value = only.evaluate(bindings)
        return None if value is ABSENT else as_text(value, only)

    def value(self, bindings: Bindings) -> Any:
        """The value of a template that is a single ``$[ ]``, with its type, or ``ABSENT``; otherwise the text."""
        if len(self.parts) == 1 and not isinstance(self.parts[0], str):
            return self.parts[0].evaluate(bindings)
        return self.text(bindings, booleans=True)


def compile_template(source: Text, compiler: Compiler, alone: Compiler | None = None) -> TemplateProgram:
    """Compile a template; ``compiler`` compiles one expression, ``alone`` one that is the whole template.

    Raises PatchError (PL2xx).
    """
    found = list(pieces(source))
    if alone is not None and len(found) == 1:
        compiler = alone
    return TemplateProgram(
        source, tuple(p.text if isinstance(p, LiteralPiece) else compiler(p.expression) for p in found)
    )


def joined(pieces: list[str], bindings: Bindings) -> str:
    """The concatenated text of the pieces."""
    if len(pieces) > 1:
        bindings.budget.hold(sum(map(text_size, pieces)))
    return "".join(pieces)


def as_text(value: Any, origin: Compiled, *, booleans: bool = False) -> str:
    """A computed value as text: strings and whole numbers, and booleans where allowed."""
    match value:
        case str():
            return value
        case bool():
            if booleans:
                return "true" if value else "false"
            raise _no_text(
                origin,
                "a boolean",
                "libvirt does not use true and false: write `cond ? 'yes' : 'no'` or the words that it takes here",
            )
        case int():
            return str(value)
        case float():
            if value.is_integer() and abs(value) < 2**53:
                return str(int(value))
            raise _no_text(origin, "a fractional number", "round it: `int(...)`")
        case None:
            raise _no_text(origin, "null", "test for null with `when`, or use `? :`")
        case _:
            kind = "a list" if isinstance(value, list) else "a map"
            first = (
                "for one string write `xpath('string(...)')`, or " if origin.source.text.startswith("xpath(") else ""
            )
            raise _no_text(origin, kind, f"{first}join a list with `.join(',')`")


def _no_text(origin: Compiled, kind: str, help: str) -> PatchError:
    return origin.error(rules.WRONG_RESULT, f"the result is {kind}, not text", help)


def check_true(expression: Compiled, bindings: Bindings) -> None:
    """Raises PatchError (PL404) unless the expression is true."""
    value = expression.evaluate(bindings)
    if not isinstance(value, bool):
        raise expression.error(rules.WRONG_RESULT, "the expression must give a boolean")
    if not value:
        raise expression.error(rules.TEST_FAILED, f"the test is false: `{expression.source.text}`")
