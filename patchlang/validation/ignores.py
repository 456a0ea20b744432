"""Comments that ignore findings: ``# patchlang: ignore[PL301] reason``.

On a line of its own such a comment is about the next line, else about its own. Where a text begins in that line that
goes on over further lines (a block scalar: a patch in a ConfigMap, the JSON of an annotation) it is about all of it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import yaml

from .. import rules
from ..diagnostics import Diagnostic, Rule, Severity
from ..document.nested_source import Encoded, outermost
from ..record import record
from ..source import SourceFile, Span

_COMMENT = re.compile(r"(?<!\S)#[ \t]*patchlang:[ \t]*ignore\b(?:[ \t]*\[([^\]\n]*)\])?[ \t]*([^\n\r]*)")
_ID = re.compile(r"[^\s,]+")
_STAGES = ("PL3", "PL7", "PL9")
"""Advice, what is wrong around the patches, what libvirt does not know. What the sidecar refuses cannot be ignored."""


@record
class Ignore:
    """One comment. ``ids`` are the rules named in it; it is about what begins between ``start`` and ``end``."""

    span: Span
    ids: tuple[tuple[str, Span], ...]
    reason: str
    start: int
    end: int


def can_be_ignored(rule: str) -> bool:
    """Whether findings of a rule, by its id, can be ignored."""
    return rule.startswith(_STAGES)


def collect(source: SourceFile) -> Iterator[Ignore]:
    """The comments in a YAML text, with their places in the file that it is written in."""
    if isinstance(source, Encoded) or not _COMMENT.search(source.text):
        return
    text = source.text
    scalars = list(_scalars(source))
    starts = [start for start, _, _ in scalars]
    for found in _COMMENT.finditer(text):
        at = bisect_right(starts, found.start()) - 1
        if at >= 0 and scalars[at][1] <= found.start() < scalars[at][2]:
            continue  # not a comment but text of a scalar
        start, end = _line_meant(text, found.start())
        first = bisect_right(starts, start - 1)
        reach = max([end, *(stop for begin, _, stop in scalars[first:] if begin <= end)], default=end)
        meant = outermost(Span(source, start, reach))
        ids = tuple(
            (name[0], outermost(Span(source, name.start(), name.end())))
            for name in _ID.finditer(text, found.start(1), found.end(1))
            if found[1]
        )
        comment = outermost(Span(source, found.start(), found.end()))
        yield Ignore(comment, ids, found[2].strip(), meant.start, meant.end)


def _scalars(source: SourceFile) -> Iterator[tuple[int, int, int]]:
    """Where each scalar begins, where its content does, and where it ends; up to what is no YAML."""
    try:
        for event in yaml.parse(source.text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent) and event.start_mark and event.end_mark:
                start, end = event.start_mark.index, event.end_mark.index
                yield start, source.text.find("\n", start, end) + 1 or end if event.style in ("|", ">") else start, end
    except yaml.YAMLError:
        return


def _line_meant(text: str, comment: int) -> tuple[int, int]:
    """Start and end of the line that a comment is about."""
    start = text.rfind("\n", 0, comment) + 1
    if text[start:comment].strip():
        return start, _end_of_line(text, start)
    while start < len(text) and text[start : _end_of_line(text, start)].strip()[:1] in ("", "#"):
        start = _end_of_line(text, start) + 1
    return start, _end_of_line(text, start)


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def apply(
    diagnostics: Iterable[Diagnostic], ignores: Iterable[Ignore], complete: Callable[[str, str], bool]
) -> list[Diagnostic]:
    """The diagnostics that no comment ignores, and findings on the comments themselves (PL801, PL802, PL803).

    Places are in files. ``complete`` says of a file's name and a rule's id whether all findings are there: where they
    are not, a comment may be of use all the same.
    """
    by_file: dict[str, list[Ignore]] = {}
    for ignore in ignores:
        by_file.setdefault(ignore.span.source.name, []).append(ignore)
    used: set[tuple[int, str]] = set()
    left: list[Diagnostic] = []
    for diagnostic in diagnostics:
        known = by_file.get(diagnostic.span.source.name, []) if diagnostic.span else []
        hits = [ignore for ignore in known if _ignores(ignore, diagnostic)]
        used |= {(id(ignore), diagnostic.rule.id) for ignore in hits}
        if not hits:
            left.append(diagnostic)
    for file, known in by_file.items():
        for ignore in known:
            left += _findings(ignore, used, partial(complete, file))
    return left


def _ignores(ignore: Ignore, diagnostic: Diagnostic) -> bool:
    rule = diagnostic.rule.id
    if diagnostic.span is None or not can_be_ignored(rule):
        return False
    return ignore.start <= diagnostic.span.start <= ignore.end and any(name == rule for name, _ in ignore.ids)


def _findings(ignore: Ignore, used: set[tuple[int, str]], complete: Callable[[str], bool]) -> Iterator[Diagnostic]:
    known = {value.id for value in vars(rules).values() if isinstance(value, Rule)}
    if not ignore.ids:
        help = "write `# patchlang: ignore[PL301] reason`"
        yield _warning(rules.BAD_IGNORE, "the comment names no rule", ignore.span, help)
    elif not ignore.reason:
        help = "write the reason behind the `]`"
        yield _warning(rules.IGNORE_WITHOUT_REASON, "the comment does not say why", ignore.span, help)
    for name, span in ignore.ids:
        if name not in known:
            help = "`patchlang explain` lists them all"
            yield _warning(rules.BAD_IGNORE, f"there is no rule `{name}`", span, help)
        elif not can_be_ignored(name):
            message = f"`{name}` cannot be ignored: the sidecar refuses such a patch"
            yield _warning(rules.BAD_IGNORE, message, span, "only advice and findings on manifests can be ignored")
        elif complete(name) and (id(ignore), name) not in used:
            yield _warning(rules.UNUSED_IGNORE, f"no finding of `{name}` here", span, "take the comment out")


def _warning(rule: Rule, message: str, span: Span, help: str) -> Diagnostic:
    return Diagnostic(rule, message, span, help, Severity.WARNING)
