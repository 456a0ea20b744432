"""Comments that ignore findings: ``# patchlang: ignore[PL301] reason``.

A comment that is alone on its line applies to the next line; any other applies to its own line. If a text begins in
that line and continues over more lines (a block scalar: a patch in a ConfigMap, the JSON of an annotation), it applies
to all of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import yaml

from .. import rules
from ..diagnostics import Diagnostic, Rule, Severity
from ..document.nested_source import Encoded, outermost
from ..patterns import pattern
from ..record import record
from ..source import SourceFile, Span

_COMMENT = pattern(r"(?<!\S)#[ \t]*patchlang:[ \t]*ignore\b(?:[ \t]*\[([^\]\n]*)\])?[ \t]*([^\n\r]*)")
_ID = pattern(r"[^\s,]+")
_STAGES = ("PL3", "PL7", "PL9")
"""Advice, manifest problems, libvirt's grammar. What the sidecar refuses cannot be ignored."""


@record
class Ignore:
    """One comment. ``ids`` are the rules that it names; it applies to what begins between ``start`` and ``end``."""

    span: Span
    ids: tuple[tuple[str, Span], ...]
    reason: str
    start: int
    end: int


def can_be_ignored(rule: str) -> bool:
    """Whether findings of a rule, by its id, can be ignored."""
    return rule.startswith(_STAGES)


def collect(source: SourceFile) -> Iterator[Ignore]:
    """The comments in a YAML text, with their places in the file that contains it."""
    if isinstance(source, Encoded) or not _COMMENT.search(source.text):
        return
    text = source.text
    scalars = list(_scalars(source))
    starts = [start for start, _, _ in scalars]
    lines = _Lines(text)
    for found in _COMMENT.finditer(text):
        at = bisect_right(starts, found.start()) - 1
        if at >= 0 and scalars[at][1] <= found.start() < scalars[at][2]:
            continue  # not a comment but the text of a scalar
        start, end = lines.meant(found.start())
        there = scalars[bisect_right(starts, start - 1) : bisect_right(starts, end)]
        reach = max([end, *(stop for _, _, stop in there)])
        meant = outermost(Span(source, start, reach))
        ids = tuple(
            (name[0], outermost(Span(source, name.start(), name.end())))
            for name in _ID.finditer(text, found.start(1), found.end(1))
            if found[1]
        )
        comment = outermost(Span(source, found.start(), found.end()))
        yield Ignore(comment, ids, found[2].strip(), meant.start, meant.end)


def _scalars(source: SourceFile) -> Iterator[tuple[int, int, int]]:
    """Where each scalar begins, where its content does, and where it ends; up to the first invalid YAML."""
    try:
        for event in yaml.parse(source.text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent) and event.start_mark and event.end_mark:
                start, end = event.start_mark.index, event.end_mark.index
                yield start, source.text.find("\n", start, end) + 1 or end if event.style in ("|", ">") else start, end
    except yaml.YAMLError:
        return


class _Lines:
    """The lines of a text, for comments in their order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0

    def meant(self, comment: int) -> tuple[int, int]:
        """Start and end of the line that a comment applies to."""
        start = self._text.rfind("\n", 0, comment) + 1
        if self._text[start:comment].strip():
            return start, self._end(start)
        start = max(start, self._next)  # up to there the previous comment has already looked
        while start < len(self._text) and self._text[start : self._end(start)].strip()[:1] in ("", "#"):
            start = self._end(start) + 1
        self._next = start
        return start, self._end(start)

    def _end(self, start: int) -> int:
        end = self._text.find("\n", start)
        return len(self._text) if end < 0 else end


def apply(
    diagnostics: Iterable[Diagnostic], ignores: Iterable[Ignore], complete: Callable[[str, str], bool]
) -> list[Diagnostic]:
    """The diagnostics that no comment ignores, and findings about the comments themselves (PL801, PL802, PL803).

    Places are in files. ``complete`` says for a file name and a rule id whether all findings are there: if they
    are not, a comment may still be useful.
    """
    found, written = list(diagnostics), list(ignores)
    ignored, used = _meet(found, written)
    left = [diagnostic for diagnostic in found if id(diagnostic) not in ignored]
    known = frozenset(value.id for value in vars(rules).values() if isinstance(value, Rule))
    for ignore in sorted(written, key=lambda one: one.span.source.name):
        left += _findings(ignore, known, used, partial(complete, ignore.span.source.name))
    return left


# a range of a file, and a rule
_Stretch = tuple[str, str, int, int]


def _meet(diagnostics: Iterable[Diagnostic], ignores: Iterable[Ignore]) -> tuple[set[int], set[_Stretch]]:
    """The diagnostics, by identity, that comments ignore, and the comments that ignore one.

    Both are processed together in text order, so that many of them take no longer than necessary.
    """
    stretches = {(_file(one), name, one.start, one.end) for one in ignores for name, _ in one.ids}
    pending: dict[tuple[str, str], list[_Stretch]] = {}
    for stretch in sorted(stretches, key=lambda one: one[2], reverse=True):
        pending.setdefault(stretch[:2], []).append(stretch)
    begun: dict[tuple[str, str], list[_Stretch]] = {}
    ignored, used = set[int](), set[_Stretch]()
    placed = [(one.span.start, one) for one in diagnostics if one.span and can_be_ignored(one.rule.id)]
    for place, diagnostic in sorted(placed, key=lambda one: one[0]):
        key = _file(diagnostic), diagnostic.rule.id
        here = begun.setdefault(key, [])
        while (left := pending.get(key)) and left[-1][2] <= place:
            here.append(left.pop())
        here[:] = [stretch for stretch in here if stretch[3] >= place]
        used.update(here)
        if here:
            ignored.add(id(diagnostic))
    return ignored, used


def _file(found: Diagnostic | Ignore) -> str:
    return found.span.source.name if found.span else ""


def _findings(
    ignore: Ignore, known: frozenset[str], used: set[_Stretch], complete: Callable[[str], bool]
) -> Iterator[Diagnostic]:
    if not ignore.ids:
        help = "write `# patchlang: ignore[PL301] reason`"
        yield _warning(rules.BAD_IGNORE, "the comment names no rule", ignore.span, help)
    elif not ignore.reason:
        help = "write the reason after the `]`"
        yield _warning(rules.IGNORE_WITHOUT_REASON, "the comment does not say why", ignore.span, help)
    for name, span in ignore.ids:
        if name not in known:
            help = "run `patchlang explain` for a list"
            yield _warning(rules.BAD_IGNORE, f"no rule `{name}`", span, help)
        elif not can_be_ignored(name):
            message = f"`{name}` cannot be ignored: the sidecar refuses such a patch"
            yield _warning(rules.BAD_IGNORE, message, span, "only advice and findings on manifests can be ignored")
        elif complete(name) and (_file(ignore), name, ignore.start, ignore.end) not in used:
            yield _warning(rules.UNUSED_IGNORE, f"no finding of `{name}` here", span, "remove the comment")


def _warning(rule: Rule, message: str, span: Span, help: str) -> Diagnostic:
    return Diagnostic(rule, message, span, help, Severity.WARNING)
