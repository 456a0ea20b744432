"""Edits inside a node, for checks of single edits: each rewritten as an edit from the document.

``within`` P with ``set`` of Q is ``set`` of P/Q under the surrounding conditions. Written text keeps its place in
the file. An edit whose paths cannot be combined this way is skipped: better to say nothing than something wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from ..cel import syntax as cel_syntax
from ..cel.template import ComputedPiece
from ..diagnostics import Diagnostic
from ..document import model
from ..record import fields, replace
from ..source import Span, Text
from ..xpath.tree import Expr, Path
from .reading import calls_xpath, cel, locations, quoted, template, tree, xpath_calls

T = TypeVar("T", bound=Text)

_ANY = model.Expect(0, None)
# limit of combined paths: beyond it nothing is said
_MOST = 50
_LONGEST = 500


class _UnknownError(Exception):
    """The paths cannot be combined."""


def flat(patch: model.Patch, *, copies: bool = False) -> model.Patch:
    """The patch with nested edits after their parents. With ``copies``, also those of a copy, as if on the original."""
    edits = patch.spec.domain
    if not any(isinstance(edit, model.Within | model.Copy) and edit.edits for edit in edits):
        return patch
    found = tuple(one for edit in edits for one in _flat(edit, copies))
    return replace(patch, spec=replace(patch.spec, domain=found))


def distinct(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Findings without duplicates: problems around several edits are found with each of them."""
    return list({(one.rule, one.message, str(one.span)): one for one in found}.values())


def _flat(edit: model.DomainEdit, copies: bool) -> Iterator[model.DomainEdit]:
    if not isinstance(edit, model.Within | model.Copy):
        yield edit
        return
    yield replace(edit, edits=())
    if isinstance(edit, model.Copy) and not copies:
        return
    around = edit.path if isinstance(edit, model.Within) else edit.source
    for inner in edit.edits:
        try:
            moved = _inside(edit, around, inner)
        except _UnknownError:
            continue
        yield from _flat(moved, copies)


def _inside(outer: model.Within | model.Copy, path: model.XPath, inner: model.DomainEdit) -> model.DomainEdit:
    """An edit rewritten to start at the document."""
    nodes = path if outer.unless is None else _with_predicate(path, outer.unless)
    values: dict[str, Any] = {}
    for field in fields(inner):
        value = getattr(inner, field.name)
        if isinstance(value, model.XPath) and field.name not in ("unless", "at"):
            values[field.name] = _joined(nodes, value)
        else:
            values[field.name] = _from_document(path, field.name, value)
    if isinstance(inner, model.Ensure) and not inner.path.text.startswith("/"):
        values["within"] = values["within"] or nodes
    values["when"] = _both(outer.when, values["when"])
    values["for_each"] = values["for_each"] or outer.for_each
    if outer.unless is not None or (outer.expect is not None and outer.expect.low == 0):
        takes_none = not isinstance(inner, model.QemuArgs) and not (isinstance(inner, model.Test) and inner.expression)
        values["expect"] = _ANY if takes_none else None
    return replace(inner, **values)


def _from_document(path: model.XPath, name: str, value: Any) -> Any:
    match value:
        case model.Expression():
            return _rebased(path, value, [(0, len(value.text))])
        case model.Template() if name in ("args", "env", "message"):
            parts = [one for one in template(value) if isinstance(one, ComputedPiece)]
            return _rebased(path, value, [(one.at + 2, one.end - 1) for one in parts])
        case tuple() if name in ("args", "env"):
            return tuple(_from_document(path, name, one) for one in value)
        case _:
            return value


# -- paths -----------------------------------------------------------------------------------------------------------


def _joined(path: model.XPath, below: Text) -> model.XPath:
    """A path that starts at the nodes of another, as one path."""
    starts, ends = _locations(path), _locations(below)
    if len(starts) * len(ends) > _MOST:
        raise _UnknownError
    pieces: list[_Piece] = []
    for end in ends:
        for start in starts if not end.absolute else starts[:1]:
            pieces += [_Piece(" | ", below, 0)] if pieces else []
            pieces += _one_path(path, start, below, end)
    return _built(model.XPath, pieces, below)


def _one_path(path: Text, start: Path, below: Text, end: Path) -> list[_Piece]:
    written = _cut(below, end.start, end.end)
    if end.absolute:
        return [written]
    first = _cut(path, start.start, start.end)
    if written.text == ".":
        return [first]
    return [first, _Piece("/", below, end.start), written]


def _locations(path: Text) -> Sequence[Path]:
    read = tree(path.text)
    found = locations(read) if read is not None else ()
    if not found:
        raise _UnknownError
    return found


def _with_predicate(path: model.XPath, unless: model.XPath) -> model.XPath:
    pieces: list[_Piece] = []
    for one in _locations(path):
        pieces += [_Piece(" | ", path, 0)] if pieces else []
        pieces += [_cut(path, one.start, one.end), _Piece("[not(", unless, 0), _cut(unless, 0, len(unless.text))]
        pieces.append(_Piece(")]", unless, 0))
    return _built(model.XPath, pieces, path)


# -- CEL -------------------------------------------------------------------------------------------------------------


def _rebased(path: model.XPath, text: T, expressions: Sequence[tuple[int, int]]) -> T:
    """The same, with CEL's ``xpath('…')`` starting at the document instead of at a node of the path."""
    pieces: list[_Piece] = []
    done = 0
    for start, end in expressions:
        read = cel(text.text[start:end])
        if read is None:
            continue
        written = {token.start: token for token in cel_syntax.tokens(text.text[start:end])}
        calls = sorted(xpath_calls(read), key=lambda call: call[0].position)
        for literal, query in calls:
            found = quoted(written.get(literal.position), query)
            if found is None:
                raise _UnknownError
            at = start + found
            for put, before, on in _from_node(path, query, text.text[at - 1]):
                pieces += [_cut(text, done, at + put), *before]
                done = at + on
    if not pieces:
        return text
    return _built(type(text), [*pieces, _cut(text, done, len(text.text))], text)


def _from_node(path: model.XPath, query: str, quote: str) -> Iterator[tuple[int, list[_Piece], int]]:
    """What to insert before each relative path of a query, with its place and where the query continues."""
    first = _locations(path)[0]
    prefix = path.text[first.start : first.end]
    other = "'" if quote == '"' else '"'
    if quote in prefix:
        if other in prefix:
            raise _UnknownError
        prefix = prefix.replace(quote, other)
    read = tree(query)
    for one in _relative(read) if read is not None else ():
        alone = query[one.start : one.end] == "."
        before = [_Piece(prefix, path, first.start, written=True), *([] if alone else [_Piece("/", path, first.end)])]
        yield one.start, before, one.end if alone else one.start


def _relative(expr: Expr) -> Iterator[Path]:
    match expr:
        case Path(base=None, absolute=absolute):
            if not absolute:
                yield expr
        case Path(base=Expr() as base):
            yield from _relative(base)
        case _:
            for child in expr.children:
                yield from _relative(child)


def _both(one: model.Expression | None, other: model.Expression | None) -> model.Expression | None:
    if one is not None and len(one.text) > _LONGEST:  # it would be read again for each edit
        if other is not None and calls_xpath(one.text):
            raise _UnknownError
        one = one if calls_xpath(one.text) else None
    if one is None or other is None:
        return one or other
    pieces = [_Piece("(", one, 0), _cut(one, 0, len(one.text)), _Piece(") && (", other, 0)]
    return _built(model.Expression, [*pieces, _cut(other, 0, len(other.text)), _Piece(")", other, 0)], other)


# -- texts put together from pieces of others ------------------------------------------------------------------------


class _Piece:
    """A text that is written at ``at`` in another, or (not ``written``) is inserted there."""

    def __init__(self, text: str, source: Text, at: int, *, written: bool = False) -> None:
        self.text = text
        self.source = source
        self.at = at
        self.written = written
        self.begin = 0


def _cut(source: Text, start: int, end: int) -> _Piece:
    return _Piece(source.text[start:end], source, start, written=True)


def _built(kind: type[T], pieces: Sequence[_Piece], whole: Text) -> T:
    length = 0
    for piece in pieces:
        piece.begin = length
        length += len(piece.text)

    def locate(start: int, end: int | None) -> Span:
        """All of it is ``whole``. A part ends where it is written; it starts there too, if in the same text."""
        if start == 0 and end in (None, length):
            return whole.span()
        stop = length if end is None else end
        known = [one for one in pieces if one.written and one.begin < max(stop, start + 1)]
        last = known[-1] if known else pieces[0]
        first = next((one for one in known if one.source is last.source and one.begin + len(one.text) > start), last)
        until = last.at + min(max(stop - last.begin, 0), len(last.text))
        return last.source.span(min(first.at + max(start - first.begin, 0), until), until)

    return kind("".join(piece.text for piece in pieces), locate)
