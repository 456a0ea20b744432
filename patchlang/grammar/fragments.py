"""XML fragments against the grammar: what they bring in, where it will stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from xml.parsers import expat

from ..record import field, record
from . import findings
from .axes import Places
from .findings import Finding
from .xpaths import Dialect, check_value

_ATTRIBUTE = re.compile(r"\s+([^\s=/>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_MOST = 100  # findings in one fragment: more of them help nobody
_HOLDERS = ("element", "document")


@record(frozen=False)
class Node:
    """An element as it is written: where its name is, its attributes and its text with their places."""

    name: str
    start: int
    attributes: list[tuple[str, str, int, int]] = field(default_factory=list)
    texts: list[tuple[str, int]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    declared: dict[str, str] = field(default_factory=dict)


@record
class Checked:
    """Where the elements of a fragment will stand, by their names, and what was found."""

    places: dict[str, Places]
    findings: tuple[Finding, ...]


@lru_cache(maxsize=2048)
def check(text: str, parents: Places, dialect: Dialect) -> Checked:
    """A fragment whose elements become children of the places. What is no XML has no findings here."""
    checker = _Checker(dialect)
    for node in read(text):
        checker.check(node, parents, dict(dialect.namespaces))
    return Checked(checker.places, tuple(checker.found))


@record(frozen=False)
class _Checker:
    dialect: Dialect
    found: list[Finding] = field(default_factory=list)
    places: dict[str, Places] = field(default_factory=dict)

    def check(self, node: Node, parents: Places, namespaces: dict[str, str]) -> None:
        version = self.dialect.unfolding.index.version
        scope = {**namespaces, **node.declared}
        name = self._name(node, scope)
        if (
            len(self.found) >= _MOST
            or name is None
            or any(parent.is_open or parent.kind not in _HOLDERS for parent in parents)
        ):
            return
        start, end = node.start, node.start + len(node.name)
        here = tuple(parent.elements[name] for parent in parents if name in parent.elements)
        if not here:
            self.found.append(findings.unknown_element(version, name, parents, start, end, below=False))
            return
        self.places[node.name] = tuple(dict.fromkeys((*self.places.get(node.name, ()), *here)))
        if any(place.is_open for place in here):
            return
        for attribute, value, at, value_at in node.attributes:
            owned = tuple(place.attributes[attribute] for place in here if attribute in place.attributes)
            if owned:
                self.found += check_value(value, owned, self.dialect, value_at)
            elif ":" not in attribute:
                found = findings.unknown_attribute(version, attribute, here, at, at + len(attribute))
                self.found.append(found)
        for text, at in node.texts:
            if all(place.text is None for place in here):
                self.found.append(findings.no_text(version, here, at, at + len(text)))
            elif len(node.texts) == 1 and not node.nodes:
                self.found += check_value(text, here, self.dialect, at)
        for child in node.nodes:
            self.check(child, here, scope)

    def _name(self, node: Node, scope: dict[str, str]) -> str | None:
        """The element's name with libvirt's prefix; None for one that is foreign to it."""
        prefix, colon, local = node.name.rpartition(":")
        uri = scope.get(prefix, "")
        if not uri:
            return None if colon else local
        known = self.dialect.unfolding.index.prefixes.get(uri)
        return f"{known}:{local}" if known else None


def read(text: str) -> list[Node]:
    """The elements of a fragment with their places; none where it is not well-formed."""
    reader = expat.ParserCreate("UTF-8")
    reader.ordered_attributes = True
    reader.buffer_text = False
    root = Node("", 0)
    open_nodes = [root]
    head = "<fragment>"
    data = f"{head}{text}</fragment>".encode()
    offsets = _Offsets(data, len(head))

    def start(name: str, attributes: list[str]) -> None:
        at = offsets.of(reader.CurrentByteIndex)
        if at < 0:
            return  # our own root
        node = Node(name, at + 1)
        values = dict(zip(attributes[::2], attributes[1::2], strict=True))
        for written in _written(text, at + 1 + len(name), len(values)):
            key, value = written[1], values.get(written[1], "")
            if key == "xmlns" or key.startswith("xmlns:"):
                node.declared[key[6:]] = value
            else:
                node.attributes.append(
                    (key, value, written.start(1), written.start(2 if written[2] is not None else 3))
                )
        open_nodes[-1].nodes.append(node)
        open_nodes.append(node)

    def end(_: str) -> None:
        if len(open_nodes) > 1:
            open_nodes.pop()

    def characters(data: str) -> None:
        if data.strip():
            blank = len(data) - len(data.lstrip())
            open_nodes[-1].texts.append((data.strip(), offsets.of(reader.CurrentByteIndex) + blank))

    reader.StartElementHandler = start
    reader.EndElementHandler = end
    reader.CharacterDataHandler = characters
    try:
        reader.Parse(data, True)
    except expat.ExpatError:
        return []
    return root.nodes


def _written(text: str, at: int, count: int) -> Iterator[re.Match[str]]:
    """The attributes of a start tag behind its name."""
    for _ in range(count):
        found = _ATTRIBUTE.match(text, at)
        if found is None:
            return
        yield found
        at = found.end()


class _Offsets:
    """From bytes to the characters of the fragment, for places that come in order."""

    def __init__(self, data: bytes, head: int) -> None:
        self.data = data
        self.byte = head
        self.character = 0

    def of(self, byte: int) -> int:
        if byte < self.byte:
            return -1
        self.character += len(self.data[self.byte : byte].decode())
        self.byte = byte
        return self.character
