"""The code actions for findings: write the intended text, or ignore the finding with a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lsprotocol import types

from ...patterns import pattern
from ..completion.core import own_line
from . import convert
from .buffers import Buffer
from .checking import Finding
from .positions import Range

_COMMENT = pattern(r"[ \t]*#[ \t]*patchlang:[ \t]*ignore[ \t]*\[([^\]\n]*)\]")
_INDENT = pattern(r"[ \t]*")
REASON = "say why"


def actions(
    buffer: Buffer, findings: Iterable[Finding], wanted: Range, uri_of: convert.UriOf
) -> list[types.CodeAction]:
    """The actions for the findings that overlap a range of a text."""
    found: list[types.CodeAction] = []
    for one in findings:
        if one.range.touches(wanted):
            shown = convert.diagnostic(one, uri_of)
            found += (_action(title, edit, buffer, shown, preferred) for title, edit, preferred in _edits(buffer, one))
    return found


def _edits(buffer: Buffer, finding: Finding) -> Iterator[tuple[str, types.TextEdit, bool]]:
    if finding.meant is not None:
        yield f"Write `{finding.instead}`", types.TextEdit(convert.range_to(finding.meant), finding.instead), True
    if finding.ignorable:
        yield f"Ignore {finding.rule} here, with a reason", _ignoring(buffer, finding), False


def _ignoring(buffer: Buffer, finding: Finding) -> types.TextEdit:
    """A comment above the line of a finding, or one more rule in an existing comment."""
    text, lines = buffer.text, buffer.lines
    start = own_line(text, lines.offset(finding.range.start))
    above = text.rfind("\n", 0, start - 1) + 1 if start else 0
    there = comment_above(text, above, start)
    if there:
        place = lines.range(there.end(1), there.end(1))
        return types.TextEdit(convert.range_to(place), f"{', ' if there[1].strip() else ''}{finding.rule}")
    indent = _INDENT.match(text, start)
    end = text.find("\n", start)
    ending = "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"
    comment = f"{indent[0] if indent else ''}# patchlang: ignore[{finding.rule}] {REASON}{ending}"
    return types.TextEdit(convert.range_to(lines.range(start, start)), comment)


def comment_above(text: str, above: int, start: int) -> re.Match[str] | None:
    """The comment that ignores findings in the lines from ``above`` to ``start``; its first group is the rules."""
    return _COMMENT.match(text, above, start)


def _action(
    title: str, edit: types.TextEdit, buffer: Buffer, shown: types.Diagnostic, preferred: bool
) -> types.CodeAction:
    return types.CodeAction(
        title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[shown],
        is_preferred=preferred,
        edit=types.WorkspaceEdit(changes={buffer.uri: [edit]}),
    )
