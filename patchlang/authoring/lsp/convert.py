"""Convert our results to the protocol's types."""

from __future__ import annotations

from collections.abc import Callable

from lsprotocol import types

from ..completion.model import Completions, Hover, Kind
from . import positions
from .buffers import Buffer
from .checking import Finding

UriOf = Callable[[str], str]

_KINDS = {
    Kind.KEY: types.CompletionItemKind.Property,
    Kind.OP: types.CompletionItemKind.Operator,
    Kind.VALUE: types.CompletionItemKind.Value,
    Kind.ELEMENT: types.CompletionItemKind.Class,
    Kind.ATTRIBUTE: types.CompletionItemKind.Field,
    Kind.AXIS: types.CompletionItemKind.Keyword,
    Kind.FIELD: types.CompletionItemKind.Field,
    Kind.VARIABLE: types.CompletionItemKind.Variable,
    Kind.FUNCTION: types.CompletionItemKind.Function,
    Kind.METHOD: types.CompletionItemKind.Method,
    Kind.RULE: types.CompletionItemKind.Reference,
}
_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "advice": types.DiagnosticSeverity.Information,
}


def point(given: types.Position) -> positions.Point:
    return positions.Point(given.line, given.character)


def range_from(given: types.Range) -> positions.Range:
    return positions.Range(point(given.start), point(given.end))


def range_to(found: positions.Range) -> types.Range:
    return types.Range(
        types.Position(found.start.line, found.start.character), types.Position(found.end.line, found.end.character)
    )


def completions(found: Completions, buffer: Buffer) -> types.CompletionList:
    place = range_to(buffer.lines.range(found.start, found.end))
    items = [
        types.CompletionItem(
            one.label,
            kind=_KINDS[one.kind],
            detail=one.detail or None,
            sort_text=f"{number:04}",
            text_edit=types.TextEdit(place, one.insert),
        )
        for number, one in enumerate(found.items)
    ]
    return types.CompletionList(is_incomplete=False, items=items)


def hover(found: Hover, buffer: Buffer) -> types.Hover:
    return markdown(found.text, range_to(buffer.lines.range(found.start, found.end)))


def markdown(text: str, place: types.Range | None) -> types.Hover:
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), place)


def diagnostic(found: Finding, uri_of: UriOf) -> types.Diagnostic:
    related = [
        types.DiagnosticRelatedInformation(types.Location(uri_of(one.file), range_to(one.range)), one.message)
        for one in found.related
    ]
    return types.Diagnostic(
        range_to(found.range),
        found.message,
        severity=_SEVERITIES[found.severity],
        code=found.rule,
        source="patchlang",
        related_information=related or None,
    )
