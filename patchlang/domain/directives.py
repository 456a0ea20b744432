"""``patch:when`` and ``patch:forEach`` on the elements of a fragment: found without parsing it as XML.

Their quotes contain plain CEL, with ``&&`` and ``<``, so they are cut out before the XML is parsed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..patterns import pattern
from ..record import record

PREFIX = "patch:"
NAMES = ("when", "forEach")

_MARKUP = pattern(r"<(!--|!\[CDATA\[|\?|[^\s<>/!?\"'=]+)")
_ATTRIBUTE = pattern(r"[ \t\r\n]+([^\s<>/\"'=]+)[ \t\r\n]*=[ \t\r\n]*(?:\"([^\"]*)\"|'([^']*)')")
_ENDS = {"!--": "-->", "![CDATA[": "]]>", "?": "?>"}


@record
class Directive:
    """An attribute with our prefix: ``name`` without it, its whole extent, and that of its value."""

    name: str
    start: int
    end: int
    value_start: int
    value_end: int


@record
class StartTag:
    """Where the name of an element is, and its directives. ``declares``: where it binds our prefix."""

    name: str
    start: int
    directives: tuple[Directive, ...]
    declares: int | None


def start_tags(text: str) -> Iterator[StartTag]:
    """The start tags of a text that may be XML, in order."""
    at = 0
    while found := _MARKUP.search(text, at):
        end = _ENDS.get(found[1])
        if end is not None:
            at = text.find(end, found.end())
            if at < 0:
                return
            continue
        at = found.end()
        directives: list[Directive] = []
        declares: int | None = None
        while attribute := _ATTRIBUTE.match(text, at):
            at = attribute.end()
            name = attribute[1]
            if name.startswith(PREFIX):
                value = attribute.span(2 if attribute[2] is not None else 3)
                directives.append(Directive(name.removeprefix(PREFIX), attribute.start(), at, *value))
            elif name == "xmlns:patch":
                declares = attribute.start(1)
        yield StartTag(found[1], found.start(1), tuple(directives), declares)


def blanked(text: str) -> str:
    """The text with the directives blanked out."""
    if PREFIX not in text:
        return text
    result, done = "", 0
    for tag in start_tags(text):
        for one in tag.directives:
            result += text[done : one.start] + " " * (one.end - one.start)
            done = one.end
    return result + text[done:]
