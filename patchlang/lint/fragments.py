"""XML fragments as written, with the places of their names and values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..patterns import pattern
from ..record import field, record

_ATTRIBUTE = pattern(r"(?<!\s)\s++([^\s=/>]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)')")


@record(frozen=False)
class FragmentNode:
    """An element as written: where its name is, and its attributes and text with their places."""

    name: str
    start: int
    attributes: list[tuple[str, str, int, int]] = field(default_factory=list)
    texts: list[tuple[str, int]] = field(default_factory=list)
    nodes: list[FragmentNode] = field(default_factory=list)
    declared: dict[str, str] = field(default_factory=dict)


def read(text: str) -> list[FragmentNode]:
    """The elements of a fragment with their places; none if it is not well-formed."""
    from xml.parsers import expat

    reader = expat.ParserCreate("UTF-8")
    reader.ordered_attributes = True
    reader.buffer_text = False
    root = FragmentNode("", 0)
    open_nodes = [root]
    head = "<fragment>"
    data = f"{head}{text}</fragment>".encode()
    offsets = _Offsets(data, len(head))

    def start(name: str, attributes: list[str]) -> None:
        at = offsets.of(reader.CurrentByteIndex)
        if at < 0:
            return  # our own root
        node = FragmentNode(name, at + 1)
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
    """The attributes of a start tag after its name."""
    for _ in range(count):
        found = _ATTRIBUTE.match(text, at)
        if found is None:
            return
        yield found
        at = found.end()


class _Offsets:
    """From bytes to the characters of the fragment, for places in order."""

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
