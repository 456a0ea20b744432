"""Literals in expressions that fail whenever they are evaluated: paths, patterns, quantities, formats."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from .. import rules
from ..cel.syntax import token_at
from ..cel.tree import Call, ListExpr, Literal, Node, walk
from ..diagnostics import Diagnostic, PatchError
from ..document import model
from ..patterns import pattern
from ..source import SourceFile, Span, Text
from ..xpath.parser import XPathSyntaxError, parse
from .reading import cel, expressions, xpath_literals

_CONVERSIONS = frozenset({"double", "duration", "int", "parseJSON", "quantity", "timestamp", "uint"})
_PATTERNS = frozenset({"capture", "matches", "regex.extract", "regex.extractAll", "regex.replace"})
_CLAUSE = pattern(r"%(%|[bdefosxX]|\.[0-9]+[ef])?")
_CLAUSES = "use %s %d %x %X %b %o %e %f or %.3f, without widths"
_NOWHERE = Span(SourceFile("", ""), 0, 0)
_EMPTY = Literal("string", "")


def unusable_literal(patch: model.Patch) -> Iterator[Diagnostic]:
    """A literal that its function refuses, whatever the VMI and the domain are.

    An invalid path in ``xpath('…')``, regular expression, quantity, number, duration, JSON text, or format. Not what
    is computed.
    """
    for expression in expressions(patch.spec):
        for query in xpath_literals(expression):
            try:
                parse(query.text)
            except XPathSyntaxError as e:
                place = query.span(e.offset, e.offset + 1)
                message = f"not XPath 1.0: {e.message}"
                yield Diagnostic(rules.BAD_XPATH, message, place, e.help, patch=patch.metadata.name.text)
        for literal, message, help in _refused(expression.text):
            place = _place(expression, literal)
            yield Diagnostic(rules.EVALUATION, message, place, help, patch=patch.metadata.name.text)


@lru_cache(maxsize=1024)
def _refused(text: str) -> tuple[tuple[Literal, str, str | None], ...]:
    read = cel(text)
    return tuple(_found(read)) if read is not None else ()


def _found(read: Node) -> Iterator[tuple[Literal, str, str | None]]:
    for node in walk(read):
        match node:
            case Call("format", True, children=(Literal("string") as literal, ListExpr() as values)):
                wrong = _wrong_format(str(literal.value), values)
            case Call(function, False, children=(Literal("string") as literal,)) if function in _CONVERSIONS:
                wrong = _tried(Call(function, literal))
            case Call(function, is_method, children=(_, Literal("string") as literal, *_)) if function in _PATTERNS:
                others = (_EMPTY,) if function == "regex.replace" else ()
                wrong = _tried(Call(function, _EMPTY, literal, *others, is_method=is_method))
            case _:
                continue
        if wrong is not None:
            yield literal, *wrong


def _wrong_format(text: str, values: ListExpr) -> tuple[str, str | None] | None:
    clauses = [clause for clause in _CLAUSE.finditer(text) if clause[1] != "%"]
    if any(clause[1] is None for clause in clauses):
        return "`format` does not know this clause", _CLAUSES
    given = len(values.children)
    if len(clauses) > given and not values.optional:
        counts = f"{len(clauses)} clause{'s' * (len(clauses) > 1)} for {given} value{'s' * (given != 1)}"
        return f"`format` has {counts}", "give a value for each `%`; a plain `%` is written `%%`"
    return None


def _tried(call: Call) -> tuple[str, str | None] | None:
    """What evaluating a call says if it fails."""
    from ..cel.compiled import compile_expression
    from ..cel.library import Names
    from ..cel.unparse import write
    from ..run_scope import Scope

    try:
        probe = Text(f"[dyn({write(call)})].size() == 1", lambda _start, _end: _NOWHERE)
        compile_expression(probe, Names()).evaluate(Scope({}))
    except PatchError as e:
        return e.diagnostic.message, e.diagnostic.help
    return None


def _place(expression: Text, literal: Literal) -> Span:
    token = token_at(expression.text, literal.position)
    return expression.span(token.start, token.end) if token is not None else expression.span()
