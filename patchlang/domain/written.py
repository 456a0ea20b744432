"""XML fragments as written: parsed once, with marks in place of values, and without directives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from lxml import etree

from .. import rules
from ..cel.template import Cut, cut
from ..diagnostics import PatchError, did_you_mean, fail
from ..markup import escape_attribute, read_by_expat, unusable_character
from ..out_of_memory import raise_if_exhausted
from ..patterns import pattern
from ..record import record, replace
from ..source import Span, Text
from .directives import NAMES, PREFIX, Directive, StartTag, start_tags
from .read import MAX_ATTRIBUTES, is_crowded

# a private-use character marks where a computed value goes while the XML around it is parsed
MARK = "\ue000"
HOLE = pattern(f"{MARK}([0-9]+){MARK}")
_WRITTEN_MARK = pattern(f"{MARK}|&#(0*57344|x0*e000);", re.IGNORECASE)
_ESCAPE = pattern("&(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);")
_RESERVED = "the prefix `patch` is reserved for `patch:when` and `patch:forEach`"


@record
class WrittenFragment:
    """The elements below ``root``, the expressions by mark number, the directives of elements.

    ``places`` are those of the element names in the source.
    """

    source: Text
    root: etree._Element
    expressions: tuple[Text, ...]
    directives: Mapping[etree._Element, Mapping[str, Text]]
    places: Mapping[etree._Element, tuple[int, int]]

    def span(self, element: etree._Element) -> Span:
        return self.source.span(*self.places[element])


def read_fragment(source: Text, namespaces: Mapping[str, str]) -> WrittenFragment:
    """Parse a fragment of one or more elements. Raises PatchError (PL203, PL204, PL209)."""
    if _WRITTEN_MARK.search(source.text):
        raise fail(rules.BAD_FRAGMENT, "the fragment contains the private-use character U+E000", source.span())
    pieces = cut(source, lambda number: f"{MARK}{number}{MARK}")
    if bad := unusable_character(pieces.text):
        raise fail(rules.BAD_FRAGMENT, f"the fragment contains {bad}, which is not allowed in XML", source.span())
    tags = list(start_tags(pieces.text))
    own = [_directives(source, pieces, tag) for tag in tags] if "patch" in pieces.text else [{} for _ in tags]
    plain = _without_directives(pieces, tags)
    root = _parse(source, plain, namespaces)
    _check_top(source, root)
    _drop_layout(root)
    for node in root.iter():
        node.sourceline = 0  # type: ignore[assignment]  # it has no line in the input; the stubs are wrong
    elements = list(root.iter(etree.Element))[1:]
    places = [(pieces.places[tag.start], pieces.places[tag.start + len(tag.name)]) for tag in tags]
    return WrittenFragment(
        source,
        root,
        pieces.expressions,
        {element: found for element, found in zip(elements, own, strict=True) if found},
        dict(zip(elements, places, strict=True)),
    )


def _directives(source: Text, pieces: Cut, tag: StartTag) -> dict[str, Text]:
    def span(start: int, end: int) -> Span:
        return source.span(pieces.places[start], pieces.places[end])

    if tag.declares is not None:
        place = span(tag.declares, tag.declares + len("xmlns:patch"))
        raise fail(rules.BAD_FRAGMENT, _RESERVED, place, "choose another prefix, or remove the declaration")
    if tag.name.startswith(PREFIX):
        place = span(tag.start, tag.start + len(tag.name))
        help = 'write it as an attribute of the element: `<disk patch:when="…">`'
        raise fail(rules.BAD_FRAGMENT, _RESERVED, place, help)
    found: dict[str, Text] = {}
    for one in tag.directives:
        start = one.end - len(pieces.text[one.start : one.end].lstrip())
        name_span = span(start, start + len(PREFIX + one.name))
        if one.name not in NAMES:
            help = did_you_mean(one.name, NAMES, "available")
            raise fail(rules.BAD_FRAGMENT, f"unknown `{PREFIX}{one.name}`", name_span, help)
        if one.name in found:
            raise fail(rules.BAD_FRAGMENT, f"`{PREFIX}{one.name}` appears twice", name_span)
        found[one.name] = _expression(source, pieces, one, span)
    return found


def _expression(source: Text, pieces: Cut, one: Directive, span: Callable[[int, int], Span]) -> Text:
    """The CEL of a directive, as a separate text."""
    written = pieces.text[one.value_start : one.value_end]
    whole = span(one.value_start, one.value_end)
    if not written.strip():
        raise fail(rules.BAD_FRAGMENT, f"`{PREFIX}{one.name}` is empty", whole)
    if MARK in written:
        help = f'write just the expression: `{PREFIX}{one.name}="…"`'
        raise fail(rules.BAD_FRAGMENT, f"`{PREFIX}{one.name}` takes CEL without `$[ ]`", whole, help)
    if escape := _ESCAPE.search(written):
        at = one.value_start + escape.start()
        help = "it is not parsed as XML: write `&&`, `<`, `>` as they are"
        place = span(at, at + len(escape[0]))
        raise fail(rules.BAD_FRAGMENT, f"`{escape[0]}` in `{PREFIX}{one.name}` is not CEL", place, help)
    start = one.value_start + len(written) - len(written.lstrip())
    text = written.strip()

    def locate(begin: int, end: int | None) -> Span:
        return span(start + begin, start + (len(text) if end is None else end))

    return Text(text, locate)


def _without_directives(pieces: Cut, tags: Sequence[StartTag]) -> Cut:
    text, places, done = "", list[int](), 0
    for one in (one for tag in tags for one in tag.directives):
        text += pieces.text[done : one.start]
        places += pieces.places[done : one.start]
        done = one.end
    return replace(pieces, text=text + pieces.text[done:], places=(*places, *pieces.places[done:]))


def _parse(source: Text, pieces: Cut, namespaces: Mapping[str, str]) -> etree._Element:
    declared = "".join(f' xmlns:{p}="{escape_attribute(uri).decode()}"' for p, uri in namespaces.items() if p != "xml")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    data = f"<fragment{declared}>\n{pieces.text}\n</fragment>".encode()
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as e:
        raise_if_exhausted(e)
        raise _syntax_error(source, pieces, e) from None
    if not read_by_expat(data):
        raise fail(rules.BAD_FRAGMENT, "not every XML parser accepts a name in the fragment", source.span())
    if is_crowded(root, data):
        raise fail(rules.BAD_FRAGMENT, f"an element has more than {MAX_ATTRIBUTES} attributes", source.span())
    return root


def _syntax_error(source: Text, pieces: Cut, error: etree.XMLSyntaxError) -> PatchError:
    line, column = error.position
    lines = pieces.text.split("\n")
    offset = sum(len(part) + 1 for part in lines[: max(line - 2, 0)]) + max(column - 1, 0)
    at = pieces.places[max(0, min(offset, len(pieces.text)))]
    message = re.sub(r" line \d+", "", str(error.msg).split(", line ")[0]).strip()
    span = source.span(at, min(at + 1, len(source.text)))
    if prefix := re.match(r"Namespace prefix (\S+)", message):
        return fail(
            rules.UNKNOWN_PREFIX,
            f"the prefix `{prefix[1]}` is not declared",
            span,
            "declare it in `spec.namespaces` or on the element",
        )
    if MARK in message or re.search(rf"<[^<>\"']*{MARK}", pieces.text):
        return fail(rules.BAD_FRAGMENT, "`$[ ]` is allowed in attribute values and text, not in names", span)
    if named := re.match(r"Entity '(\w+)' not defined", message):
        known = "write the character itself: XML only knows `&amp;`, `&lt;`, `&gt;`, `&quot;`, and `&apos;`"
        return fail(rules.BAD_FRAGMENT, f"unknown entity `&{named[1]};`", span, known)
    if "EntityRef" in message or "Entity" in message:
        return fail(rules.BAD_FRAGMENT, "a `&` is not escaped, or names an unknown entity", span, "write `&amp;`")
    if "fragment" in message:
        message = "a tag is not closed, or is closed twice"
    help = next((help for words, help in _INSTEAD.items() if words in message), None)
    return fail(rules.BAD_FRAGMENT, f"not well-formed XML: {message}", span, help)


# libxml2's messages → what to write
_INSTEAD = {
    "AttValue": 'quote the value: `name="…"`',
    "not closed": "close an element with `</name>`, an empty one with `/>`",
    "tag mismatch": "close an element with the same name and case that it opens with",
    "Couldn't find end of Start Tag": "close a tag with `>`, or with `/>` for an empty element",
    "invalid element name": "a name begins with a letter or `_`; in text, write `&lt;` for `<`",
    "Unescaped '<'": "write `&lt;`",
    "redefined": "remove one of them",
    "XML declaration": "remove `<?xml …?>`",
    "attribute name": 'write attributes as `name="…"`, and close an empty element with `/>`',
    "mandates value": 'write it as `name="…"`',
    "Extra content": "close an element once, with `</name>` or `/>`",
    "attributes construct error": "put a space between attributes",
}


def _check_top(source: Text, root: etree._Element) -> None:
    texts = [root.text, *(child.tail for child in root)]
    if any((text or "").strip() for text in texts):
        raise fail(
            rules.BAD_FRAGMENT,
            "the fragment has text next to its elements",
            source.span(),
            "put it in an element; to change the text of an element, use `set`",
        )
    if not any(isinstance(child.tag, str) for child in root):
        raise fail(rules.BAD_FRAGMENT, "the fragment has no element", source.span(), "such as `<title>a</title>`")


def _drop_layout(element: etree._Element) -> None:
    """Drop white space between elements; an element that contains text keeps all of it."""
    for parent in element.iter():
        children = list(parent)
        texts = [parent.text, *(child.tail for child in children)]
        if children and not any((text or "").strip() for text in texts):
            parent.text = None
            for child in children:
                child.tail = None
