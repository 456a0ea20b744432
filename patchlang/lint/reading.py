"""What a patch says, for the advice rules: its texts by notation, its XPaths as trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..cel import tree as cel_tree
from ..cel.template import ComputedPiece, part_of, pieces
from ..diagnostics import Diagnostic, PatchError, Rule, Severity
from ..document import model
from ..domain.directives import NAMES, PREFIX, blanked, start_tags
from ..patterns import pattern
from ..record import fields, is_record, record
from ..source import Span, Text
from ..xpath.parser import XPathSyntaxError, parse
from ..xpath.tree import Binary, Expr, Path, Step
from .fragments import read as read_written

if TYPE_CHECKING:
    from ..cel.syntax import Token

# `$[ ]` is computed in these
TEMPLATES = (model.Template, model.ComputedName, model.Fragment, model.ConstructivePath, model.Pointer)


def advice(
    patch: model.Patch,
    rule: Rule,
    message: str,
    span: Span,
    help: str,
    related: tuple[tuple[Span, str], ...] = (),
) -> Diagnostic:
    """One piece of advice on a patch."""
    return Diagnostic(rule, message, span, help, Severity.ADVICE, patch.metadata.name.text, related)


def leaves(value: Any) -> Iterator[Text]:
    """Every text below a value of the model, in the order of the fields."""
    if isinstance(value, Text):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from leaves(inner)
    elif is_record(value) and not isinstance(value, Span | model.Expect):
        for field in fields(value):
            yield from leaves(getattr(value, field.name))


def constants(value: Any) -> Iterator[model.Constant]:
    """Every literal value of cloud-init data below a value of the model."""
    if isinstance(value, model.Constant):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from constants(inner)
    elif is_record(value) and not isinstance(value, Text | Span | model.Expect):
        for field in fields(value):
            yield from constants(getattr(value, field.name))


def expressions(value: Any) -> Iterator[Text]:
    """Every CEL expression below a value of the model, including those in ``$[ ]``."""
    for leaf in leaves(value):
        if isinstance(leaf, model.Expression):
            yield leaf
            continue
        if isinstance(leaf, model.Fragment):
            yield from directives(leaf)
        if isinstance(leaf, TEMPLATES):
            yield from (piece.expression for piece in template(leaf) if isinstance(piece, ComputedPiece))


def directives(xml: Text, *names: str) -> Iterator[Text]:
    """The CEL of the directives of a fragment, of all known ones or of those names."""
    plain = filled(xml, lambda piece: "x" * (piece.end - piece.at), blank=False)
    for tag in start_tags(plain) if PREFIX in plain else ():
        for one in (one for one in tag.directives if one.name in (names or NAMES)):
            yield part_of(xml, one.value_start, one.value_end)


def conditions_of_roots(xml: Text) -> Iterator[list[Text]]:
    """The conditions of each top-level element of a fragment: none or one."""
    plain = filled(xml, lambda piece: "x" * (piece.end - piece.at), blank=False)
    conditions = {
        tag.start: [part_of(xml, one.value_start, one.value_end) for one in tag.directives if one.name == "when"]
        for tag in start_tags(plain)
    }
    for node in read_written(blanked(plain)):
        yield conditions.get(node.start, [])


def template(text: Text) -> tuple[Any, ...]:
    """The pieces of a template; none if it is not one. Directives of a fragment are blanked out."""
    return _pieces(Text(_without_directives(text), text.locate))


def _pieces(text: Text) -> tuple[Any, ...]:
    try:
        return tuple(pieces(text))
    except PatchError:
        return ()


def filled(text: Text, fill: Callable[[ComputedPiece], str], *, blank: bool = True) -> str:
    """The source of a template with replacements for computed parts, and directives blanked out."""
    source = _without_directives(text) if blank else text.text
    result, done = "", 0
    for piece in _pieces(Text(source, text.locate)):
        if isinstance(piece, ComputedPiece):
            result += source[done : piece.at] + fill(piece)
            done = piece.end
    return result + source[done:]


def _without_directives(text: Text) -> str:
    if not isinstance(text, model.Fragment) or PREFIX not in text.text:
        return text.text
    plain = blanked(filled(text, lambda piece: HIDDEN * (piece.end - piece.at), blank=False))
    return "".join(old if new == HIDDEN else new for old, new in zip(text.text, plain, strict=True))


HIDDEN = "\ue000"
"""Replaces computed parts of a fragment, so that nothing in them counts as XML."""


def constant(text: Text | None) -> str | None:
    """The text of a template without computed parts."""
    if text is None:
        return None
    if isinstance(text, model.Fragment) and next(directives(text), None) is not None:
        return None
    parts = template(text)
    computed = any(isinstance(piece, ComputedPiece) for piece in parts)
    return None if computed or (text.text and not parts) else "".join(piece.text for piece in parts)


@lru_cache(maxsize=4096)
def tree(text: str) -> Expr | None:
    """An XPath as a tree; None if it is invalid."""
    try:
        return parse(text)
    except XPathSyntaxError:
        return None


@record
class PatchQuery:
    """An XPath of a patch. ``edit`` is the one it belongs to, ``key`` its field, or ``xpath()`` in CEL."""

    source: Text
    tree: Expr
    edit: model.Edit | None
    key: str


def queries(patch: model.Patch) -> Iterator[PatchQuery]:
    """Every readable XPath of a patch, including those in CEL's ``xpath('…')``."""
    spec = patch.spec
    for edit, part in ((None, (spec.when, spec.variables)), *((edit, edit) for edit in spec.domain)):
        if edit is not None:
            for field in fields(edit):
                for leaf in leaves(getattr(edit, field.name)):
                    if isinstance(leaf, model.XPath) and (read := tree(leaf.text)) is not None:
                        yield PatchQuery(leaf, read, edit, field.name)
        for expression in expressions(part):
            for literal in xpath_literals(expression):
                if (read := tree(literal.text)) is not None:
                    yield PatchQuery(literal, read, edit, "xpath()")


def xpaths(patch: model.Patch) -> Iterator[tuple[Text, Expr, model.Edit | None]]:
    """Every readable XPath of a patch, including those of ``ensure``, and the edit that it belongs to."""
    for query in queries(patch):
        yield query.source, query.tree, query.edit
    for edit in patch.spec.domain:
        for leaf in leaves(edit):
            if not isinstance(leaf, model.ConstructivePath):
                continue
            # the replacement is as long, so that everything else keeps its place
            if (read := tree(filled(leaf, lambda piece: "_" * (piece.end - piece.at)))) is not None:
                yield leaf, read, edit


@lru_cache(maxsize=4096)
def cel(text: str) -> cel_tree.Node | None:
    """CEL's own tree of an expression, unchecked; None if CEL does not accept it."""
    from ..cel.checked_expr import UnreadableError, read
    from ..cel.library import parse  # which loads CEL

    try:
        return read(found) if (found := parse(text)) is not None else None
    except UnreadableError:
        return None


@lru_cache(maxsize=4096)
def calls_xpath(text: str) -> bool:
    """Whether an expression reads the domain; one that CEL does not accept might."""
    read = cel(text)
    return "xpath" in text if read is None else cel_tree.calls(read, "xpath")


def xpath_calls(node: cel_tree.Node) -> Iterator[tuple[cel_tree.Literal, str]]:
    """The literal queries of ``xpath('…')``: where, and what."""
    for call in cel_tree.walk(node):
        match call:
            case cel_tree.Call("xpath", False, children=(cel_tree.Literal("string", str(query)) as literal, *_)):
                yield literal, query


def xpath_literals(expression: Text) -> Iterator[Text]:
    """The literal texts of ``xpath('…')`` in CEL without escapes, so that their places are known."""
    for start, end in _literals(expression.text):
        yield part_of(expression, start, end)


@lru_cache(maxsize=4096)
def _literals(expression: str) -> tuple[tuple[int, int], ...]:
    if not calls_xpath(expression) or (read := cel(expression)) is None:
        return ()
    from ..cel import syntax as cel_syntax

    written = {token.start: token for token in cel_syntax.tokens(expression)}
    calls = sorted(xpath_calls(read), key=lambda call: call[0].position)
    found = [(quoted(written.get(literal.position), query), len(query)) for literal, query in calls]
    return tuple((at, at + length) for at, length in found if at is not None)


def quoted(token: Token | None, text: str) -> int | None:
    """Where the quoted text of a CEL token begins; None if it is written differently."""
    quote = _QUOTE.match(token.text) if token is not None else None
    if token is None or quote is None or token.text != f"{quote[0]}{text}{quote[1]}":
        return None
    return token.start + quote.end()


_QUOTE = pattern(r"[rR]?('''|\"\"\"|'|\")")


def locations(expr: Expr) -> tuple[Path, ...]:
    """The location paths whose union an XPath is; none if it has another form."""
    pending, found = [expr], list[Path]()
    while pending:
        match pending.pop():
            case Binary(operator="|", left=left, right=right):
                pending += (right, left)
            case Path(base=None) as path:
                found.append(path)
            case _:
                return ()
    return tuple(found)


def locations_of(text: Text) -> tuple[Path, ...]:
    """As :func:`locations`, for an XPath of a patch; none if it cannot be read."""
    read = tree(text.text)
    return locations(read) if read is not None else ()


def steps_before_computed(text: Text) -> Text:
    """The part of an ``ensure`` path before the first computed name or predicate; all of it if nothing is computed."""
    plain = filled(text, lambda piece: HIDDEN * (piece.end - piece.at))
    if HIDDEN not in plain:
        return text
    read = tree(plain.replace(HIDDEN, "x"))
    steps = [step for path in locations(read) for step in path.steps] if read is not None else []
    ends = [end for step in steps for end in (step.head_end, step.end) if end <= plain.index(HIDDEN)]
    return part_of(text, 0, max(ends, default=0))


def names(steps: tuple[Step, ...]) -> tuple[str, ...] | None:
    """The names of plain steps (``@`` before that of an attribute); None if they include an axis or node type."""
    found = []
    for step in steps:
        if step.axis == "self" and step.test == "node()":
            continue
        if step.axis not in ("child", "attribute") or step.test.endswith(")"):
            return None
        found.append(("@" if step.axis == "attribute" else "") + step.test)
    return tuple(found)


def shown(text: str, limit: int = 60) -> str:
    """Part of a patch for a message, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
