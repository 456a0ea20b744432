"""The smallest change of a YAML text that makes it represent other data.

Only nodes whose value differs are rewritten, as whole lines in block style; comments, key order, quotes and layout of
everything else are copied. The result is read back and must equal the wanted data exactly, types included; if it does
not (an alias shares what was changed, a style cannot hold a value), larger nodes are rewritten, in the end all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..patterns import pattern
from ..record import replace
from ..strictjson import JsonError
from ..values import TooBigError, count, identical
from . import jsontext
from .plan import Places
from .textnode import Kind, Node
from .yamlblock import BlockWriter
from .yamllines import column, line_break
from .yamlread import MAX_YAML_NODES, Document, Read, YamlError
from .yamlread import read as read_yaml
from .yamlwrite import Layout, element, member, scalar

_PASSES = 3
_DEPTHS = (64, 4, 3, 2, 1, 0)
_CHOMPING = pattern(r"((?:[!&]\S*+\s++)*+[|>][1-9]?)[-+]?([1-9]?)")


class UnwritableError(ValueError):
    """Data that YAML text cannot represent."""


def rewrite(document: Document, new: Any, read: Read = read_yaml) -> str:
    """The document's text changed so that ``read`` reads it as ``new``. Raises UnwritableError, TooBigError.

    The text itself is returned if it already means ``new``. No data and an empty map are the same here: a
    text without a node stays as it is.
    """
    if identical(document.value, new) or (document.root is None and new == {}):
        return document.text
    if not document.aliases and count(new) > MAX_YAML_NODES:
        raise TooBigError(f"more than {MAX_YAML_NODES} YAML nodes")
    if (text := _json_rewritten(document, new, read)) is not None:
        return text
    for attempt in _attempts(document, read):
        if (text := attempt.run(new)) is not None:
            return text
    raise UnwritableError("the result cannot be written as YAML")


def _attempts(document: Document, read: Read) -> Iterator[_Attempt]:
    layout, ended = _layout(document), _ended(document, read)
    if ended is not document:
        yield _Attempt(document, layout, _DEPTHS[0], read, passes=1)
    yield _Attempt(ended, layout, _DEPTHS[0], read)
    for depth in _DEPTHS:
        yield _Attempt(ended, layout, depth, read, moved_aliases=True)
    yield _Attempt(ended, replace(layout, literal=False), 0, read)


def _json_rewritten(document: Document, new: Any, read: Read) -> str | None:
    """The text, if it is JSON, possibly below comments, and stays so; otherwise None."""
    text, root = document.text, document.root
    if root is None or not root.flow or root.kind is Kind.SCALAR:
        return None
    try:
        within = text[root.start : root.end]
        if not identical(jsontext.read(within), document.value):
            return None
        result = text[: root.start] + jsontext.rewrite(within, new, document.value) + text[root.end :]
        return result if identical(read(result).value, new) else None
    except (JsonError, YamlError, TooBigError, TypeError):
        return None


def _ended(document: Document, read: Read) -> Document:
    """The same data in a text after which something can follow.

    A block scalar at the end whose last line has no break gets ``-``, which keeps that break out of the value.
    """
    text, last = document.text, document.root
    if last is None or text.endswith(("\n", "\r")):
        return document
    while last.children:
        last = last.children[-1].value
    if last.style not in ("|", ">") or (header := _CHOMPING.match(text, last.start)) is None:
        return document
    written = f"{text[: last.start]}{header[1]}{header[2]}-{text[header.end() :]}"
    return _same(written, document, read) or document


def _same(text: str, document: Document, read: Read) -> Document | None:
    """Another text of the same data, with the very values of the document, whose origins are known."""
    try:
        found = read(text)
    except (YamlError, TooBigError):
        return None
    return Document(text, document.value, lambda: found.root) if identical(found.value, document.value) else None


class _Attempt:
    """Tries with nodes below a depth rewritten as a whole, instead of changed in place."""

    def __init__(
        self,
        document: Document,
        layout: Layout,
        depth: int,
        read: Read,
        *,
        passes: int = _PASSES,
        moved_aliases: bool = False,
    ) -> None:
        self.document, self.layout, self.depth, self.read = document, layout, depth, read
        self.passes, self.moved_aliases = passes, moved_aliases

    def run(self, new: Any) -> str | None:
        """The new text. A second pass expands the aliases that the first pass changed too."""
        document: Document | None = self.document
        for _ in range(self.passes):
            if document is None:
                return None
            document = self.closest(self.rendered(document, new), new)
            if document is not None and identical(document.value, new):
                return document.text
        return None

    def closest(self, text: str, new: Any) -> Document | None:
        """The text read back; with a final line break if its last block scalar lacks one."""
        first: Document | None = None
        for candidate in (text,) if text.endswith(("\n", "\r")) else (text, text + line_break(text)):
            try:
                document = self.read(candidate)
            except (YamlError, TooBigError):
                continue
            if identical(document.value, new):
                return document
            first = first or document
        return first

    def rendered(self, document: Document, new: Any) -> str:
        text, root = document.text, document.root
        if root is None or root.start == root.end == len(text):
            break_ = line_break(text)
            head = text if not text or text.endswith(("\n", "\r")) else text + break_
            return head + "".join(line + break_ for line in _lines(new, self.layout))
        places = Places(root, document.value, new)
        writer = BlockWriter(text, self.layout, self.depth, places)
        result = writer.root(root, document.value, new)
        if orphans := self.orphans(document, writer):
            opened = BlockWriter(text, self.layout, _DEPTHS[0], Places(root, document.value, None), orphans)
            same = _same(opened.root(root, document.value, document.value), document, self.read)
            return self.rendered(same, new) if same else result
        return result

    def orphans(self, document: Document, writer: BlockWriter) -> set[Node]:
        """The aliases that must be expanded: their target is removed, or may move after them."""
        pairs = [(alias, alias.target) for alias in document.aliases if alias.target]
        found = {alias for alias, target in pairs if writer.lost(target) and not writer.lost(alias)}
        if self.moved_aliases:
            may_move = writer.places.may_move
            found |= {alias for alias, target in pairs if may_move(alias) or may_move(target)}
        return found


def _lines(value: Any, layout: Layout) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in member(key, item, layout)]
    if isinstance(value, list) and value:
        return [line for item in value for line in element(item, layout)]
    return [scalar(value)]


def _layout(document: Document) -> Layout:
    """The first indents that the text shows."""
    layout = Layout()
    found: dict[Kind, int] = {}
    pending = [document.root] if document.root else []
    while pending and not {Kind.MAP, Kind.LIST} <= found.keys():
        node = pending.pop()
        pending += [child.value for child in reversed(node.children) if child.value.children]
        for child in node.children if node.kind is Kind.MAP and not node.flow else ():
            inner = child.value
            if not inner.children or inner.flow or inner.kind in found:
                continue
            if "\n" in document.text[child.start : inner.children[0].start]:
                columns = column(document.text, inner.children[0].start) - column(document.text, child.start)
                found[inner.kind] = columns
    return replace(layout, indent=found.get(Kind.MAP, 0) or layout.indent, dash=found.get(Kind.LIST, layout.dash))
