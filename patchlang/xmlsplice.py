"""An edited tree back to bytes: the input is copied, and only what an edit touched is written anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from .xmlindex import Index
from .xmltext import Chunk, Scope, StartTag, attributes_of, declarations, escape_text, means_the_same

Element = etree._Element
# an element and its text (False), or a node and the text behind it (True)
Slot = tuple[Element, bool]
# touched elements and all above them, each with its touched children
Dirty = dict[Element, list[Element]]


def content_of(element: Element) -> list[Element | str]:
    """Text and children in turn, text first and last."""
    content: list[Element | str] = [element.text or ""]
    for child in element:
        content += [child, child.tail or ""]
    return content


@dataclass(slots=True)
class Changes:
    """What edits touched: tags and attributes, content, and texts as they are to be written.

    ``starts`` and ``contents`` hold elements of the input with what they were there, ``prefixes`` new elements with the
    prefix that they came with (lxml may take another for the same namespace).
    """

    starts: dict[Element, tuple[str, dict[str, str]]]
    contents: dict[Element, list[Element | str]]
    chunks: dict[Slot, tuple[Chunk, ...]]
    prefixes: dict[Element, str | None]

    def dirty(self) -> Dirty:
        """Touched elements and all above them."""
        found: Dirty = {}
        for element in [*self.starts, *self.contents]:
            below: Element | None = None
            node: Element | None = element
            while node is not None:
                known = node in found
                children = found.setdefault(node, [])
                if below is not None:
                    children.append(below)
                if known:
                    break
                below, node = node, node.getparent()
        return found


def same_as_before(before: Element, now: Element, changes: Changes, dirty: Dirty) -> bool:
    """Is ``now`` as XML what ``before`` was in the input? Compares no further than edits reached."""
    if before is now and before not in dirty:
        return True
    if not isinstance(now.tag, str) or not isinstance(before.tag, str):
        return before.tag is now.tag and _written_alone(before) == _written_alone(now)
    tag, attributes = changes.starts.get(before, (before.tag, before.attrib))
    if tag != now.tag or attributes != now.attrib:
        return False
    if before is now and before not in changes.contents:
        return all(same_as_before(child, child, changes, dirty) for child in dirty[before])
    old, new = changes.contents.get(before) or content_of(before), content_of(now)
    return len(old) == len(new) and all(
        a == b if isinstance(a, str) or isinstance(b, str) else same_as_before(a, b, changes, dirty)
        for a, b in zip(old, new, strict=True)
    )


def _written_alone(node: Element) -> bytes:
    """A comment or processing instruction as XML."""
    return bytes(etree.tostring(node, with_tail=False, encoding="utf-8"))


@dataclass(frozen=True)
class Splicer:
    """Writes the tree. ``numbers`` are the nodes of the input by their place in the index."""

    index: Index
    numbers: Mapping[Element, int]
    changes: Changes
    dirty: Dirty
    preferred: Mapping[str, str]

    def document(self, root: Element) -> bytes:
        """The document, with what stands before and after the root."""
        data, index = self.index.data, self.index
        return b"".join([data[: index.starts[0]], *self._node(root, {}), data[index.end(0) :]])

    def _node(self, node: Element, scope: Scope) -> Iterable[bytes]:
        number = self.numbers.get(node)
        if number is not None and node not in self.dirty:
            around = self.index.scope_around(number)
            if not isinstance(node.tag, str) or means_the_same(around, scope):
                return (self.index.raw(number),)
        if not isinstance(node.tag, str):
            return (_written_alone(node),)
        return self._element(node, number, scope)

    def _element(self, node: Element, number: int | None, scope: Scope) -> Iterable[bytes]:
        name, tag, inner = self._start(node, number, scope)
        if (
            number is not None
            and node not in self.changes.contents
            and means_the_same(self.index.scope_in(number), inner)
        ):
            body = self._same_children(node, number, inner)
        else:
            body = [self.text(node, tail=False)]
            for child in node:
                body += self._node(child, inner)
                body.append(self.text(child, tail=True))
        closed = tag.endswith(b"/>")
        if not any(body):
            if closed:
                return (tag,)
            if number is None and self._closes_empties:
                return (tag[:-1] + b"/>",)
        if closed:
            tag = tag[:-2].rstrip() + b">"
        end = self.index.end_tag(number) if number is not None else b""
        if not end.startswith(b"</" + name.encode()) or end[2 + len(name.encode()) :].strip() != b">":
            end = b"</" + name.encode() + b">"
        return (tag, *body, end)

    def _same_children(self, node: Element, number: int, scope: Scope) -> list[bytes]:
        """The content of an element that has its children and texts of the input: copied but for touched children."""
        data, index = self.index.data, self.index
        body: list[bytes] = []
        at, end = index.content(number)
        for child in sorted(self.dirty.get(node, ()), key=self.numbers.__getitem__):
            body.append(data[at : index.starts[self.numbers[child]]])
            body += self._node(child, scope)
            at = index.end(self.numbers[child])
        body.append(data[at:end])
        return body

    def _start(self, node: Element, number: int | None, scope: Scope) -> tuple[str, bytes, Scope]:
        if number is None:
            start = StartTag(node, scope, self.preferred, prefix=self.changes.prefixes.get(node, node.prefix))
            tag = start.write()
            return start.name, tag, start.bound
        raw, around = self.index.start_tag(number), self.index.scope_around(number)
        before = self.changes.starts.get(node)
        if means_the_same(around, scope) and (before is None or before == (node.tag, attributes_of(node))):
            name = raw[1:].split(maxsplit=1)[0].split(b">")[0].split(b"/")[0].decode()
            return name, raw, {**scope, **declarations(raw)} if around is not scope else self.index.scope_in(number)
        attributes = before[1] if before else attributes_of(node)
        start = StartTag(node, scope, self.preferred, raw, around, attributes)
        tag = start.write()
        return start.name, tag, start.bound

    def text(self, owner: Element, *, tail: bool) -> bytes:
        """A text as it is written."""
        chunks = self.changes.chunks.get((owner, tail))
        if chunks is not None:
            return b"".join(c.raw for c in chunks)
        number = self.numbers.get(owner)
        if number is None:
            return escape_text((owner.tail if tail else owner.text) or "")
        return self.index.text(number, tail=tail)

    @property
    def _closes_empties(self) -> bool:
        """New empty elements look like those of the input: KubeVirt writes them out, others close them at once."""
        return b"/>" in self.index.data
