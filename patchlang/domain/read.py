"""Bytes to an lxml tree, trusting nothing in them: no DTD, no entities, no network, limits."""

from __future__ import annotations

import re
from xml.parsers import expat

from lxml import etree

from .. import rules
from ..diagnostics import fail
from ..out_of_memory import raise_if_exhausted
from ..patterns import pattern

MAX_NODES = 200_000
MAX_ATTRIBUTES = 1000
"""Limit per element; libxml2 walks all of them to find one."""
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, encoding="utf-8")
_CROWDED = etree.XPath(f"boolean(//*[@*[{MAX_ATTRIBUTES + 1}]])")
# what libxml2 quotes of text: an unescaped `&` in a password is an entity to it, and it shows comments and URIs
_NAMED = pattern(r"(within comment|\bxmlns\b|PI|Bytes?|encoding)\b.*", re.DOTALL)
_ENCODING = pattern(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_ASCII = b"us-ascii"


def read_root(data: bytes) -> etree._Element:
    """The root of a domain. Raises PatchError (PL501, PL502, PL503)."""
    try:
        if not data.isascii():  # which is faster, and needs no memory
            data.decode()
    except UnicodeDecodeError as e:
        raise fail(rules.BAD_DOMAIN, f"the domain XML is not UTF-8 (byte {e.start})") from None
    declared = _ENCODING.match(data)
    if declared and declared[1].lower() not in (b"utf-8", b"utf8", _ASCII):
        raise fail(
            rules.BAD_DOMAIN, f"the domain XML declares encoding {declared[1].decode()}; only UTF-8 is supported"
        )
    if declared and declared[1].lower() == _ASCII and not data.isascii():
        at = next(number for number, byte in enumerate(data) if byte > 127)
        raise fail(
            rules.BAD_DOMAIN,
            f"the domain XML declares encoding {declared[1].decode()}, but does not use it (byte {at})",
        )
    if len(data) > 2 * MAX_NODES and data.count(b"<") > 2 * MAX_NODES:
        raise fail(rules.BAD_DOMAIN, f"the domain XML has more than {MAX_NODES} nodes")
    named = b"<!DOCTYPE" in data
    if named and _has_doctype(data):
        raise _doctype()
    try:
        root = etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as e:
        raise_if_exhausted(e)
        line, column = e.position
        message = _NAMED.sub(r"\1", str(e.msg).split(", line ")[0].strip())
        if message.startswith("Entity"):
            message = "an entity is not defined; write a plain `&` as `&amp;`"
        raise fail(
            rules.BAD_DOMAIN, f"the domain XML is not well-formed at line {line}, column {column}: {message}"
        ) from None
    if named and root.getroottree().docinfo.internalDTD is not None:
        raise _doctype()
    if is_crowded(root, data):
        raise fail(rules.BAD_DOMAIN, f"the domain XML has an element with more than {MAX_ATTRIBUTES} attributes")
    if root.tag != "domain":
        raise fail(rules.WRONG_ROOT, f"the root of the domain XML is `{str(root.tag)[:80]}`, not `domain`")
    return root


def as_declared(data: bytes) -> bytes:
    """The resulting domain, in the encoding that it declares.

    Non-ASCII characters become character references; where those are not allowed, as in names, the declaration changes.
    """
    declared = _ENCODING.match(data)
    if declared is None or declared[1].lower() != _ASCII or data.isascii():
        return data
    referring = data.decode().encode("ascii", "xmlcharrefreplace")
    try:
        if _all_in(referring) == _all_in(data):
            return referring
    except etree.XMLSyntaxError as e:
        raise_if_exhausted(e)
    return data[: declared.start(1)] + b"utf-8" + data[declared.end(1) :]


def _all_in(data: bytes) -> list[tuple[object, ...]]:
    nodes = etree.fromstring(data, _PARSER).iter()
    return [(node.tag, node.text, node.tail, dict(node.attrib)) for node in nodes]


def is_crowded(root: etree._Element, data: bytes) -> bool:
    """Whether an element parsed from ``data`` has more than :data:`MAX_ATTRIBUTES` attributes."""
    return _has_long_tag(data) and bool(_CROWDED(root))


def _has_long_tag(data: bytes) -> bool:
    """Whether a start tag could have that many attributes. The shortest is ` a=""`, and a tag contains no `<`."""
    half = MAX_ATTRIBUTES * len(' a=""') // 2
    return any(data.find(b"<", at, at + half) < 0 for at in range(0, len(data) - half, half))


def _doctype() -> Exception:
    return fail(rules.DOCTYPE, "the domain XML has a DOCTYPE; entities and DTDs are not allowed")


def _has_doctype(data: bytes) -> bool:
    """Not just the word in a comment or text; the declaration itself is not read."""

    class FoundError(Exception):
        pass

    def stop(*_: object) -> None:
        raise FoundError

    reader = expat.ParserCreate("UTF-8")
    reader.StartDoctypeDeclHandler = stop
    try:
        reader.Parse(data, True)
    except FoundError:
        return True
    except expat.ExpatError as e:
        raise_if_exhausted(e)
    return False
