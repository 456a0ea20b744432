"""XML as it is written: escapes, start tags, indentation."""

from __future__ import annotations

import re
from typing import NamedTuple

from lxml import etree

_TAG_NAME = re.compile(rb"<([^\s/>]+)")
_ATTRIBUTE = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"

Scope = dict[str | None, str]


class Chunk(NamedTuple):
    """A run of text: its value and how it is written."""

    value: str
    raw: bytes


def unusable_character(text: str) -> str | None:
    """The first character that XML 1.0 cannot hold, as ``U+0000``; None where there is none."""
    found = _NOT_XML.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def escape_text(text: str) -> bytes:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;").encode()


def escape_attribute(text: str) -> bytes:
    """As Go's encoding/xml writes it, for double quotes."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;").encode()


def new_chunk(text: str) -> Chunk:
    return Chunk(text, escape_text(text))


def trailing_indent(text: str | None) -> str | None:
    """The last line break of a white-space text and what follows it; None where there is no line break."""
    at = (text or "").rfind("\n")
    return None if at < 0 or text is None else text[at:]


def attributes_of(element: etree._Element) -> dict[str, str]:
    """The attributes by Clark name, in order."""
    return {str(name): str(value) for name, value in element.attrib.items()}


def scope_of(element: etree._Element) -> Scope:
    """The prefixes bound at an element."""
    return dict(element.nsmap)


def start_tag(
    element: etree._Element, scope: Scope, raw: bytes | None = None, before: dict[str, str] | None = None
) -> tuple[bytes, bytes, Scope]:
    """The qualified name of an element, its start tag and the prefixes bound in it; ``scope`` are those around it.

    ``raw`` is how the tag is written in the input, ``before`` its attributes there (None where they are unchanged):
    what did not change keeps its bytes, new attributes go last.
    """
    if raw is not None and before is None:
        found = _TAG_NAME.match(raw)
        assert found is not None
        return found[1], raw, scope_of(element)
    bound: Scope = dict(scope)
    pieces: list[bytes] = []
    written: set[str] = set()
    ending = b">"
    if raw is not None and before is not None:
        tag_name = _TAG_NAME.match(raw)
        assert tag_name is not None
        at = tag_name.end()
        tokens = list(_ATTRIBUTE.finditer(raw, at))
        for token in tokens:
            name = token[1].decode()
            if name == "xmlns" or name.startswith("xmlns:"):
                bound[name[6:] or None] = scope_of(element).get(name[6:] or None, "")
        for token in tokens:
            name = token[1].decode()
            at = token.end()
            if name == "xmlns" or name.startswith("xmlns:"):
                pieces.append(token[0])
                continue
            clark = _clark(name, bound)
            value = element.get(clark)
            written.add(clark)
            if value is not None:
                changed = before.get(clark) != value
                pieces.append(b' %s="%s"' % (token[1], escape_attribute(value)) if changed else token[0])
        ending = raw[at:]
    declare: Scope = {}
    for prefix, uri in scope_of(element).items() if raw is None else ():
        if bound.get(prefix) != uri and (prefix is not None or element.prefix is None):
            declare[prefix] = uri
    name = _qualified(element.tag, bound, declare, scope_of(element), attribute=False)
    for clark, value in attributes_of(element).items():
        if clark not in written:
            qualified = _qualified(clark, bound, declare, scope_of(element), attribute=True)
            pieces.append(b' %s="%s"' % (qualified.encode(), escape_attribute(value)))
    declarations = [
        b' xmlns%s="%s"' % (b":" + prefix.encode() if prefix else b"", escape_attribute(uri))
        for prefix, uri in declare.items()
    ]
    written_name = name.encode()
    return written_name, b"".join([b"<", written_name, *declarations, *pieces, ending]), {**bound, **declare}


def _clark(name: str, bound: Scope) -> str:
    prefix, colon, local = name.partition(":")
    if not colon:
        return name
    uri = XML_NAMESPACE if prefix == "xml" else bound.get(prefix, "")
    return f"{{{uri}}}{local}"


def _qualified(clark: str, bound: Scope, declare: Scope, nsmap: Scope, *, attribute: bool) -> str:
    """The name with a prefix that is bound here; one is declared where none is."""
    if not clark.startswith("{"):
        if not attribute and {**bound, **declare}.get(None):
            declare[None] = ""
        return clark
    uri, local = clark[1:].split("}", 1)
    if uri == XML_NAMESPACE:
        return f"xml:{local}"
    visible = {**bound, **declare}
    for prefix, known in visible.items():
        if known == uri and (prefix is not None or not attribute):
            return f"{prefix}:{local}" if prefix else local
    prefix = next((p for p, known in nsmap.items() if known == uri and p is not None), None)
    if prefix is None or visible.get(prefix) not in (None, uri):
        number = 0
        while f"ns{number}" in visible:
            number += 1
        prefix = f"ns{number}"
    declare[prefix] = uri
    return f"{prefix}:{local}"
