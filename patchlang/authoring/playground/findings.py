"""Findings for the page: each with its pane, and its place there as browsers count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...compile import Program
from ...diagnostics import Diagnostic
from ...grammar.index import versions
from ...loading import load_sources
from ...patterns import pattern
from ...source import SourceFile, Span
from ...validation import ignores
from ...validation.discovery import Input
from ...validation.options import Options
from ...validation.unit import check
from .offsets import utf16_of_characters
from .request import Json

_PLACE = pattern(r"\bline (\d{1,9}), column (\d{1,9})")
"""How messages about inputs name a place: these have no spans."""


def load(sources: Sequence[SourceFile]) -> tuple[Program | None, list[Diagnostic]]:
    """The program of patch files, or None; and the findings of ``validate`` and of loading."""
    options = Options(libvirt=versions()[-1])
    inputs = [Input(source.name, True, source.text.encode(errors="surrogatepass")) for source in sources]
    outcome = check(inputs, options)
    found = ignores.apply(outcome.diagnostics, outcome.ignores, lambda _file, _rule: False)
    program, diagnostics = load_sources(sources)
    return program, merged(found, diagnostics)


def merged(*several: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of several checks, without duplicates."""
    found: dict[tuple[str, str, str, int], Diagnostic] = {}
    for diagnostic in (one for some in several for one in some):
        span = diagnostic.span
        place = (span.source.name, span.start) if span else ("", -1)
        found.setdefault((diagnostic.rule.id, diagnostic.message, *place), diagnostic)
    return list(found.values())


def in_patches(diagnostics: Iterable[Diagnostic]) -> Iterator[Json]:
    """Findings with places in patch files, or without a place."""
    for one in diagnostics:
        yield {"pane": "patch" if one.span else None, **_place(one.span), **_said(one)}


def in_input(diagnostic: Diagnostic, pane: str, text: str) -> Json:
    """A finding about the text of another pane, if it has a place there or its message names one."""
    if diagnostic.span is not None:
        return {"pane": pane, **_place(diagnostic.span), **_said(diagnostic)}
    found = _PLACE.search(diagnostic.message)
    if found is None:
        return {"pane": pane, **_place(None), **_said(diagnostic)}
    source = SourceFile("", text)
    line = min(max(int(found[1]), 1), text.count("\n") + 1)
    start = source.start_of(line)
    end = start + len(source.line(line))
    at = min(start + int(found[2]) - 1, end)
    return {"pane": pane, **_place(Span(source, at, end)), **_said(diagnostic)}


def place(span: Span) -> Json:
    """A place in a patch file: its name, offsets, line, and column."""
    offsets = utf16_of_characters(span.source.text, (span.start, max(span.start, span.end)))
    begin = span.begin
    return {
        "file": span.source.name,
        "from": offsets[span.start],
        "to": offsets[max(span.start, span.end)],
        "line": begin.line,
        "column": begin.column,
    }


def _place(span: Span | None) -> Json:
    return place(span) if span else dict.fromkeys(("file", "from", "to", "line", "column"))


def _said(one: Diagnostic) -> Json:
    return {
        "rule": one.rule.id,
        "name": one.rule.slug,
        "severity": one.severity.value,
        "message": one.message + one.origin,
        "help": one.help,
        "related": [{**place(span), "text": text} for span, text in one.related],
    }
