"""An edited tree back to bytes: the input is copied, and only what an edit touched is rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import cast

from lxml import etree

from ..markup import Chunk, Scope, StartTag, attributes_of, declarations, escape_attribute, escape_text, means_the_same
from ..record import record
from .index import Content, Element, Index

# an element and its text (False), or a node and the text after it (True)
Slot = tuple[Element, bool]
# a range of the input, and its replacement
Piece = bytes | memoryview
Patch = tuple[int, int, Iterable[Piece]]
# touched elements and all their ancestors, each with its touched children
Dirty = dict[Element, list[Element]]


def content_of(element: Element) -> Content:
    content: Content = [element.text or ""]
    for child in element:
        content += [child, child.tail or ""]
    return content


@record(frozen=False)
class Changes:
    """What edits touched: tags and attributes, content, and text as it is to be written.

    ``starts`` and ``contents`` hold input elements with their original state, ``parents`` removed input
    nodes with their parent, ``new`` all other nodes with their original prefix: lxml may choose
    another for the same namespace.
    """

    starts: dict[Element, tuple[str, dict[str, str]]]
    contents: dict[Element, Content]
    chunks: dict[Slot, tuple[Chunk, ...]]
    parents: dict[Element, Element]
    new: dict[Element, str | None]

    def dirty(self) -> Dirty:
        """Touched elements and all their ancestors."""
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
    """Whether ``now`` is the same XML as ``before`` in the input. Only compares what edits reached."""
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


@record(slots=False)
class Splicer:
    """Writes the tree; ``dirty`` is the one of ``changes``."""

    index: Index
    changes: Changes
    dirty: Dirty
    preferred: Mapping[str, str]

    def document(self, root: Element) -> bytes:
        """The document, including what is before and after the root."""
        patches: list[Patch] = []
        self._patch(root, None, patches)
        return b"".join(self._spliced(0, len(self.index.data), patches))

    def _spliced(self, start: int, end: int, patches: Iterable[Patch]) -> list[Piece]:
        """Part of the input, not yet copied, with its patches in order."""
        data = memoryview(self.index.data)
        spliced: list[Piece] = []
        for at, behind, pieces in patches:
            spliced += (data[start:at], *pieces)
            start = behind
        spliced.append(data[start:end])
        return spliced

    def _patch(self, node: Element, around: Scope | None, patches: list[Patch]) -> None:
        """What to rewrite of an element in its old place; ``around`` is given if more prefixes are bound."""
        if node in self.changes.starts or (node in self.changes.contents and self.index.self_closed(node)):
            scope = self.index.scope_around(node) if around is None else around
            patches.append((self.index.start(node), self.index.end(node), self._element(node, True, scope)))
        else:
            scope_in = None if around is None else {**around, **self.index.scope_in(node)}
            self._patch_inside(node, scope_in, patches)

    def _patch_inside(self, node: Element, around: Scope | None, patches: list[Patch]) -> None:
        index = self.index
        dirty = sorted([child for child in self.dirty.get(node, ()) if child not in self.changes.new], key=index.start)
        old = self.changes.contents.get(node)
        if old is None:
            for child in dirty:
                self._patch(child, around, patches)
            return
        new = content_of(node)
        was, now = _identities(node, old, {}), _identities(node, new, self.changes.chunks)
        first = _in_common(was, now)
        last = min(_in_common(reversed(was), reversed(now)), len(old) - first, len(new) - first)

        def offset(at: int) -> int:
            """Where an item of the old content begins, or where the content ends."""
            if at == len(old):
                return index.content(node)[1]
            item = old[at] if at % 2 else old[at - 1] if at else None
            if not isinstance(item, Element):
                return index.content(node)[0]
            return index.start(item) if at % 2 else index.end(item)

        kept_before, kept_after = set(old[1:first:2]), set(old[len(old) - last :])
        for child in dirty:
            if child in kept_before:
                self._patch(child, around, patches)
        scope = index.scope_in(node) if around is None else around
        pieces = self._written(node, new, range(first, len(new) - last), scope)
        patches.append((offset(first), offset(len(old) - last), pieces))
        for child in dirty:
            if child in kept_after:
                self._patch(child, around, patches)

    def _node(self, node: Element, scope: Scope) -> Iterable[Piece]:
        known = node not in self.changes.new
        if known and node not in self.dirty:
            around = self.index.scope_around(node)
            if not isinstance(node.tag, str) or means_the_same(around, scope):
                return (self.index.raw(node),)
        if not isinstance(node.tag, str):
            return (self._with_breaks(_written_alone(node)),)
        return self._element(node, known, scope)

    def _element(self, node: Element, known: bool, scope: Scope) -> Iterable[Piece]:
        name, tag, inner = self._start(node, known, scope)
        if known and means_the_same(self.index.scope_in(node), inner):
            patches: list[Patch] = []
            self._patch_inside(node, inner, patches)
            body = self._spliced(*self.index.content(node), patches)
        else:
            content = content_of(node)
            body = self._written(node, content, range(len(content)), inner)
        closed = tag.endswith(b"/>")
        if not any(body):
            if closed:
                return (tag,)
            if not known and self._closes_empties:
                return (tag[:-1] + b"/>",)
        if closed:
            tag = tag[:-2].rstrip() + b">"
        end = self.index.end_tag(node) if known else b""
        if not end.startswith(b"</" + name.encode()) or end[2 + len(name.encode()) :].strip() != b">":
            end = b"</" + name.encode() + b">"
        return (tag, *body, end)

    def _written(self, node: Element, content: Content, which: range, scope: Scope) -> list[Piece]:
        pieces: list[Piece] = []
        for at in which:
            item, before = content[at], content[at - 1] if at else node
            if isinstance(item, Element):
                pieces += self._node(item, scope)
            elif isinstance(before, Element):
                pieces.append(self.text(before, tail=at > 0))
        return pieces

    def _start(self, node: Element, known: bool, scope: Scope) -> tuple[str, bytes, Scope]:
        if not known:
            if (tag := _plain_start(node, scope)) is not None:
                return str(node.tag), tag, scope
            start = StartTag(node, scope, self.preferred, prefix=self.changes.new[node])
            tag = start.write()
            return start.name, tag, start.bound
        raw, around = self.index.start_tag(node), self.index.scope_around(node)
        before = self.changes.starts.get(node)
        if means_the_same(around, scope) and (before is None or before == (node.tag, attributes_of(node))):
            name = raw[1:].split(maxsplit=1)[0].split(b">")[0].split(b"/")[0].decode()
            return name, raw, {**scope, **declarations(raw)} if around is not scope else self.index.scope_in(node)
        attributes = before[1] if before else attributes_of(node)
        start = StartTag(node, scope, self.preferred, raw, around, attributes)
        tag = start.write()
        return start.name, tag, start.bound

    def text(self, owner: Element, *, tail: bool) -> bytes:
        """A text as it is written."""
        chunks = self.changes.chunks.get((owner, tail))
        if chunks is not None:
            return b"".join([self._new_text(c.value) if c.raw is None else c.raw for c in chunks])
        if owner in self.changes.new:
            return self._new_text((owner.tail if tail else owner.text) or "")
        return self.index.text(owner, tail=tail)

    def _new_text(self, text: str) -> bytes:
        return self._with_breaks(escape_text(text))

    def _with_breaks(self, new: bytes) -> bytes:
        """New text, with the line endings that most of the input has: to XML, both are the same."""
        return new.replace(b"\n", b"\r\n") if b"\n" in new and self._is_windows else new

    @cached_property
    def _is_windows(self) -> bool:
        data = self.index.data
        return b"\r" in data and 2 * data.count(b"\r\n") > data.count(b"\n")

    @property
    def _closes_empties(self) -> bool:
        """New empty elements look like those of the input: KubeVirt writes both tags, others self-close them."""
        return b"/>" in self.index.data


def _plain_start(node: Element, scope: Scope) -> bytes | None:
    """The start tag of a new element; None if namespaces are involved."""
    tag, attributes = str(node.tag), node.attrib.items()
    if scope.get(None) or "{" in "".join([tag, *[str(name) for name, _ in attributes]]):
        return None
    if not node.nsmap.items() <= scope.items():
        return None
    written = [b' %s="%s"' % (str(name).encode(), escape_attribute(str(value))) for name, value in attributes]
    return b"".join([b"<", tag.encode(), *written, b">"])


def _identities(node: Element, content: Content, touched: Mapping[Slot, object]) -> list[Element | None]:
    """For each item of a content what it is: a child, or the owner of a text; None for touched text."""
    children = cast("list[Element]", content[1::2])
    found: list[Element | None] = [node] * len(content)
    found[1::2] = found[2::2] = children
    if touched:
        slots = [(node, False), *((child, True) for child in children)]
        found[::2] = [None if slot in touched else slot[0] for slot in slots]
    return found


def _in_common(old: Iterable[Element | None], new: Iterable[Element | None]) -> int:
    """How many leading items are the same."""
    count = 0
    for before, now in zip(old, new, strict=False):
        if before is not now or now is None:
            break
        count += 1
    return count
