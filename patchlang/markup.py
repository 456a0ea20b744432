"""XML as written: escapes, start tags, indentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lxml import etree

from .out_of_memory import raise_if_exhausted
from .patterns import pattern

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
XMLNS_NAMESPACE = "http://www.w3.org/2000/xmlns/"

_TAG_NAME = pattern(rb"<([^\s/>]+)")
_ATTRIBUTE = pattern(rb"(?<!\s)\s++([^\s=/>]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)')")
_NOT_XML = pattern("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MADE_BY_LXML = pattern(r"ns[0-9]+")
_REFERENCE = pattern(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(\w+));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

# prefix (None: the default) → namespace; "" means no namespace
Scope = dict[str | None, str]


def means_the_same(around: Scope, scope: Scope) -> bool:
    """Whether what is written where ``around`` is bound means the same where ``scope`` is. More prefixes do no harm."""
    if around is scope:
        return True
    same_default = around.get(None, "") == scope.get(None, "")
    return same_default and all(scope.get(prefix) == uri for prefix, uri in around.items() if prefix is not None)


class Chunk(NamedTuple):
    """A run of text: its value and its source in the input; None if it is new."""

    value: str
    raw: bytes | None = None


def read_by_expat(data: bytes) -> bool:
    """Whether expat accepts it: it knows the names of XML 1.0's fourth edition, and the next run reads our result."""
    from xml.parsers import expat

    reader = expat.ParserCreate("UTF-8")
    try:
        reader.Parse(data, True)
    except expat.ExpatError as e:
        raise_if_exhausted(e)
        return False
    return True


def unusable_character(text: str) -> str | None:
    """The first character that XML 1.0 does not allow, as ``U+0000``; None if there is none."""
    if text.isprintable():
        return None
    found = _NOT_XML.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def escape_text(text: str) -> bytes:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;").encode()


def escape_attribute(text: str) -> bytes:
    """As Go's encoding/xml writes it, for double quotes."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;").encode()


def _unescape(raw: bytes) -> str:
    def character(found: re.Match[str]) -> str:
        hexadecimal, decimal, name = found.groups()
        return chr(int(hexadecimal, 16)) if hexadecimal else chr(int(decimal)) if decimal else _NAMED[name]

    return _REFERENCE.sub(character, raw.decode())


def trailing_indent(text: str | None) -> str | None:
    """The last line break of a text and the white space after it, to its end; None if there is no such."""
    at = (text or "").rfind("\n")
    return None if at < 0 or text is None or text[at:].strip(" \t\r\n") else text[at:]


def attributes_of(element: etree._Element) -> dict[str, str]:
    """The attributes by Clark name, in order."""
    return {str(name): str(value) for name, value in element.attrib.items()}


def set_attributes(element: etree._Element, items: Iterable[tuple[Any, Any]]) -> None:
    """Replaces the attributes, in this order."""
    element.attrib.clear()
    for name, value in items:
        element.set(name, value)


def declarations(raw: bytes) -> Scope:
    """The namespace declarations in a start tag as written."""
    if b"xmlns" not in raw:
        return {}
    named = ((token[1].decode(), token) for token in _tokens(raw))
    return {name[6:] or None: _unescape(_value(token)) for name, token in named if _declares(name)}


def attribute_spans(raw: bytes) -> Iterator[tuple[str, tuple[int, int]]]:
    """The attributes in a start tag as written, each with its place there: its name, the sign and the value."""
    for token in _tokens(raw):
        if not _declares(name := token[1].decode()):
            yield name, (token.start(1), token.end())


def _tokens(raw: bytes) -> list[re.Match[bytes]]:
    found = _TAG_NAME.match(raw)
    return list(_ATTRIBUTE.finditer(raw, found.end() if found else 0))


def _value(token: re.Match[bytes]) -> bytes:
    return token[2] if token[2] is not None else token[3]


def _declares(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")


def _split(clark: str) -> tuple[str, str]:
    """Namespace and local name; no namespace is ``""``."""
    if not clark.startswith("{"):
        return "", clark
    uri, local = clark[1:].split("}", 1)
    return uri, local


class StartTag:
    """The start tag of an element, written where ``scope`` is bound around it.

    An input element has ``raw``, its tag as written, ``meant``, the prefixes bound around it there, and
    ``before``, its attributes there: unchanged ones keep their bytes, new attributes go last. A new element has its
    original ``prefix``. ``preferred`` are prefixes by namespace for names that need a new declaration.
    """

    def __init__(
        self,
        element: etree._Element,
        scope: Scope,
        preferred: Mapping[str, str],
        raw: bytes | None = None,
        meant: Scope | None = None,
        before: Mapping[str, str] | None = None,
        prefix: str | None = None,
    ) -> None:
        self.element = element
        self.scope = scope
        self.preferred = preferred
        self.raw = raw
        self.meant = meant or {}
        self.before = before or {}
        self.prefix = prefix
        self.name = ""
        self.bound = dict(scope)
        self._declare: Scope = {}
        self._kept: Scope = {}
        self._used: set[str | None] = set()

    def write(self) -> bytes:
        """The tag; then ``name`` is the qualified name and ``bound`` what is bound inside."""
        uri, local = _split(str(self.element.tag))
        tokens = _tokens(self.raw) if self.raw else []
        declared = declarations(self.raw) if self.raw else self._own_declarations()
        if not uri and declared.get(None):
            del declared[None]
        self._kept = declared
        self.bound.update(declared)
        if not uri and self.bound.get(None):
            self._bind(None, "")
        self.name = self._qualified(uri, local, self._written_prefix(), attribute=False)
        pieces = self._attributes(tokens, declared)
        if not self.raw:
            self._declare = {**declared, **self._declare}
        xmlns = [
            b' xmlns%s="%s"' % (f":{prefix}".encode() if prefix else b"", escape_attribute(value))
            for prefix, value in self._declare.items()
        ]
        ending = self.raw[tokens[-1].end() if tokens else len(self._raw_name()) + 1 :] if self.raw else b">"
        return b"".join([b"<", self.name.encode(), *xmlns, *pieces, ending])

    def _raw_name(self) -> bytes:
        found = _TAG_NAME.match(self.raw or b"")
        return found[1] if found else b""

    def _written_prefix(self) -> str | None:
        if self.raw:
            prefix, colon, _ = self._raw_name().decode().partition(":")
            return prefix if colon else None
        return self.prefix

    def _own_declarations(self) -> Scope:
        """What a new element declares, unless it is already bound around it."""
        parent = self.element.getparent()
        inherited = {} if parent is None else parent.nsmap
        return {
            prefix: uri
            for prefix, uri in self.element.nsmap.items()
            if inherited.get(prefix) != uri
            and self.scope.get(prefix) != uri
            and not _MADE_BY_LXML.fullmatch(prefix or "")
        }

    def _attributes(self, tokens: list[re.Match[bytes]], declared: Scope) -> list[bytes]:
        """The attributes in order, as written if unchanged; declarations stay next to their neighbor."""
        meant = {**self.meant, **declarations(self.raw or b"")}
        written: dict[str, re.Match[bytes]] = {}
        before: dict[str, list[bytes]] = {}
        waiting: list[bytes] = []
        values = attributes_of(self.element)
        for token in tokens:
            name = token[1].decode()
            if _declares(name):
                waiting += [token[0]] if (name[6:] or None) in declared else []
                continue
            prefix, colon, local = name.partition(":")
            uri = XML_NAMESPACE if prefix == "xml" else meant.get(prefix, "") if colon else ""
            clark = f"{{{uri}}}{local}" if uri else name
            written[clark] = token
            if clark in values:
                before[clark], waiting = waiting, []
        pieces: list[bytes] = []
        for clark, value in values.items():
            pieces += before.get(clark, [])
            pieces.append(self._attribute(clark, value, written.get(clark)))
        return pieces + waiting

    def _attribute(self, clark: str, value: str, token: re.Match[bytes] | None) -> bytes:
        uri, local = _split(clark)
        if token is not None:
            prefix = token[1].decode().rpartition(":")[0]
            if not uri or uri == XML_NAMESPACE or self.bound.get(prefix) == uri:
                if self.before.get(clark) == value:
                    return token[0]
                return b' %s="%s"' % (token[1], escape_attribute(value))
        written_prefix = token[1].decode().rpartition(":")[0] if token is not None else None
        name = self._qualified(uri, local, written_prefix or None, attribute=True) if uri else local
        return b' %s="%s"' % (name.encode(), escape_attribute(value))

    def _qualified(self, uri: str, local: str, written: str | None, *, attribute: bool) -> str:
        """The name with a prefix bound to its namespace here; declares one if there is none."""
        if uri == XML_NAMESPACE:
            return f"xml:{local}"
        if not uri:
            return local
        candidates = [written] if not attribute else []
        candidates += self.bound
        for prefix in candidates:
            if self.bound.get(prefix, "") == uri and (prefix is not None or not attribute):
                self._used.add(prefix)
                return f"{prefix}:{local}" if prefix else local
        prefix = self._new_prefix(uri, written, attribute=attribute)
        self._bind(prefix, uri)
        return f"{prefix}:{local}" if prefix else local

    def _new_prefix(self, uri: str, written: str | None, *, attribute: bool) -> str | None:
        """A prefix to declare; in a new element it may shadow one bound around it, if the tag does not use that.

        The contents of an input element were written with certain prefixes bound: they keep their meaning.
        """
        if self.raw is not None:
            meant = {**self.meant, **declarations(self.raw)}.get(written, "")
            if meant == uri and written not in self._used and not (attribute and written is None):
                return written
        taken = self._used | self._declare.keys() if self.raw is None else self._used | self.bound.keys()
        wanted = [p for p in (self.preferred.get(uri), self.prefix) if p and p not in taken]
        named = [p for p in wanted if not _MADE_BY_LXML.fullmatch(p)]
        if named:
            return named[0]
        if self.raw is None and not attribute and written is None and None not in {*self._declare, *self._kept}:
            return None
        number = 0
        while f"ns{number}" in self.bound:
            number += 1
        return f"ns{number}"

    def _bind(self, prefix: str | None, uri: str) -> None:
        self._declare[prefix] = uri
        self.bound[prefix] = uri
        self._used.add(prefix)
