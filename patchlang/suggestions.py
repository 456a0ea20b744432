"""What was meant where a finding says so, as data: what to write, and in place of what."""

from __future__ import annotations

from . import rules
from .diagnostics import Diagnostic, closest
from .patterns import pattern
from .record import record
from .source import Span

# as `did_you_mean` writes it
_MEANT = pattern(r"did you mean `([^`]+)`\?")
# what precedes the wrong name: a sign, the prefix of a directive, an axis
_LEAD = pattern(r"[@$]|patch:|[a-z]+(?:-[a-z]+)*::")
_NAME = pattern(r"[\w.\-]+")


@record
class Suggestion:
    """``text`` is to be written in place of the characters of ``span``."""

    span: Span
    text: str


def suggestion(diagnostic: Diagnostic) -> Suggestion | None:
    """What a finding's "did you mean" amounts to, in the text that the finding is in; None if it suggests nothing.

    The span of a finding may have more than the name that is wrong: its quotes, a sign such as ``@``, an axis. Of a
    text that is shown at another place, as an encoded one, there is none.
    """
    found = _MEANT.search(diagnostic.help) if diagnostic.help else None
    if found is None or diagnostic.span is None:
        return None
    meant, span = found[1], diagnostic.span
    text, start, end = span.source.text, span.start, span.end
    if end - start > 1 and text[start] == text[end - 1] and text[start] in "'\"":
        start, end = start + 1, end - 1
    lead = _LEAD.match(text, start, end)
    if lead and not meant.startswith(lead[0]):
        start = lead.end()
    if end - start <= 1 and (name := _NAME.match(text, start)):
        end = name.end()  # a finding about a syntax is at its first character
    prefix, colon, _ = text[start:end].partition(":")
    if colon and ":" not in meant and closest(prefix, [meant]):
        end = start + len(prefix)
    written = text[start:end]
    is_like = closest(written, [meant]) or closest(written, [meant.rpartition(":")[2]])
    if not is_like and diagnostic.rule is not rules.UNKNOWN_VALUE:
        return None
    return Suggestion(Span(span.source, start, end), meant)
