"""Domain XML as a tree that can be edited and undone, and whose untouched parts come back as the bytes they were.

lxml holds the tree; the first edit makes expat tell where in the input each node stands. :meth:`DomainTree.result`
then copies the input, writing anew only edited start tags and inserted text and elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from xml.parsers import expat

from lxml import etree

from . import rules
from .diagnostics import fail
from .model import Position
from .xmltext import Chunk, attributes_of, escape_text, new_chunk, start_tag, trailing_indent

MAX_NODES = 200_000
_START_TAG = re.compile(rb"<(?:[^\"'>]|\"[^\"]*\"|'[^']*')*>")
_XML_SPACE = " \t\r\n"

Element = etree._Element


def parse(data: bytes) -> DomainTree:
    """Read a domain as it comes from KubeVirt or another sidecar.

    Raises PatchError: PL501 not well-formed, not UTF-8 or too many nodes, PL502 a DOCTYPE, PL503 another root.
    """
    return DomainTree(data, _parse_root(data))


def _parse_root(data: bytes) -> Element:
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        raise fail(rules.BAD_DOMAIN, f"the domain XML is not UTF-8 (byte {e.start})") from None
    declared = re.match(r"\ufeff?<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)", text)
    if declared and declared[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise fail(rules.BAD_DOMAIN, f"the domain XML says it is {declared[1]}; only UTF-8 is read")
    if data.count(b"<") > 2 * MAX_NODES:
        raise fail(rules.BAD_DOMAIN, f"the domain XML has more than {MAX_NODES} nodes")
    if b"<!DOCTYPE" in data and _has_doctype(data):
        raise fail(rules.DOCTYPE, "the domain XML has a DOCTYPE; entities and DTDs are refused")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, encoding="utf-8")
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as e:
        line, column = e.position
        message = str(e.msg).split(", line ")[0]
        raise fail(
            rules.BAD_DOMAIN, f"the domain XML is not well-formed at line {line}, column {column}: {message}"
        ) from None
    if root.tag != "domain":
        raise fail(rules.WRONG_ROOT, f"the root of the domain XML is `{_printable(root.tag)}`, not `domain`")
    return root


def _printable(tag: object) -> str:
    return str(tag)[:80]


def _has_doctype(data: bytes) -> bool:
    """Not merely the word in a comment or a text; nothing of the declaration itself is read."""

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
    except expat.ExpatError:
        pass
    return False


class _Index:
    """Where each node of the input stands, by its place in document order (elements, comments, PIs under the root)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.starts: list[int] = []
        self.closes: list[int] = []
        open_elements: list[int] = []
        reader = expat.ParserCreate("UTF-8")
        starts, closes = self.starts, self.closes

        def start(_name: str, _attributes: object) -> None:
            open_elements.append(len(starts))
            starts.append(reader.CurrentByteIndex)
            closes.append(-1)

        def end(_name: str) -> None:
            closes[open_elements.pop()] = reader.CurrentByteIndex

        def other(*_: object) -> None:
            if open_elements:
                starts.append(reader.CurrentByteIndex)
                closes.append(-1)

        reader.StartElementHandler = start
        reader.EndElementHandler = end
        reader.CommentHandler = other
        reader.ProcessingInstructionHandler = other
        reader.ordered_attributes = True
        reader.Parse(data, True)

    def start_tag_end(self, ordinal: int) -> int:
        found = _START_TAG.match(self.data, self.starts[ordinal])
        assert found is not None, "expat saw a tag here"
        return found.end()

    def self_closed(self, ordinal: int) -> bool:
        end = self.start_tag_end(ordinal)
        return self.data[end - 2 : end] == b"/>"

    def end(self, ordinal: int) -> int:
        """The offset behind the node."""
        start = self.starts[ordinal]
        if self.data.startswith(b"<!--", start):
            return self.data.index(b"-->", start + 4) + 3
        if self.data.startswith(b"<?", start):
            return self.data.index(b"?>", start) + 2
        if self.self_closed(ordinal):
            return self.start_tag_end(ordinal)
        return self.data.index(b">", self.closes[ordinal]) + 1

    def text_after(self, offset: int) -> bytes:
        """The text as written from ``offset`` to the next tag, CDATA sections included."""
        at = offset
        while True:
            at = self.data.index(b"<", at)
            if not self.data.startswith(b"<![CDATA[", at):
                return self.data[offset:at]
            at = self.data.index(b"]]>", at) + 3


class DomainTree:
    """A domain under edit. Every change goes through its methods and can be undone back to a :meth:`mark`."""

    def __init__(self, data: bytes, root: Element) -> None:
        self.root = root
        self.document = root.getroottree()
        self._data = data
        self._index: _Index | None = None
        # the proxies are kept: lxml finds the same object for a node only as long as one is alive
        self._ordinals: dict[Element, int] = {}
        self._undo: list[Callable[[], None]] = []
        self._chunks: dict[tuple[Element, bool], tuple[Chunk, ...]] = {}
        self._start_before: dict[Element, tuple[str, dict[str, str]]] = {}
        self._content_before: dict[Element, list[Element | str]] = {}
        self._uprooted: set[Element] = set()
        self._element_only: dict[Element, bool] = {}
        self._indent_unit: str | None = None
        self._grown = 0

    # -- what edits do -------------------------------------------------------------------------------------------

    def set_attribute(self, element: Element, name: str, value: str) -> bool:
        """``name`` in Clark notation. False where the attribute had this value."""
        if element.get(name) == value:
            return False
        self._touch_start(element)
        element.set(name, value)
        return True

    def remove_attribute(self, element: Element, name: str) -> bool:
        if name not in element.attrib:
            return False
        self._touch_start(element)
        del element.attrib[name]
        return True

    def rename_attribute(self, element: Element, name: str, to: str) -> bool:
        if name == to:
            return False
        self._touch_start(element)
        items = [(to if key == name else key, value) for key, value in element.attrib.items()]
        element.attrib.clear()
        element.attrib.update(items)
        return True

    def rename(self, element: Element, tag: str) -> bool:
        if element.tag == tag:
            return False
        self._touch_start(element)
        element.tag = tag
        return True

    def set_text(self, element: Element, text: str) -> bool:
        """The text of an element without element children; comments in it stay."""
        children = list(element)
        self._element_only.pop(element, None)
        if "".join([element.text or "", *(child.tail or "" for child in children)]) == text:
            return False
        self._touch_content(element)
        self._set_chunks(element, False, (new_chunk(text),) if text else ())
        for child in children:
            self._set_chunks(child, True, ())
        return True

    def remove_text(self, owner: Element, tail: bool) -> bool:
        """The text before the first child of an element, or (``tail``) the one behind a node."""
        parent = owner.getparent() if tail else owner
        if parent is None:
            return False
        self._touch_content(parent)
        self._element_only.pop(parent, None)
        self._set_chunks(owner, tail, ())
        return True

    def insert(self, nodes: Iterable[Element], anchor: Element, position: Position) -> None:
        """Put new nodes, which have no parent in the tree, at ``anchor``; they are indented like siblings."""
        inside = position in (Position.APPEND, Position.PREPEND)
        parent = anchor if inside else anchor.getparent()
        assert parent is not None, "the root has no siblings"
        self._touch_content(parent)
        if inside and (edge := _edge_child(parent, first=position is Position.PREPEND)) is not None:
            anchor, position = edge, Position.BEFORE if position is Position.PREPEND else Position.AFTER
        for node in nodes:
            self._grown += sum(1 for _ in node.iter())
            if self._grown > MAX_NODES:
                raise fail(rules.LIMIT, f"the patches insert more than {MAX_NODES} nodes")
            self._insert_one(node, anchor, position, parent)
            anchor, position = node, Position.AFTER

    def remove(self, node: Element) -> None:
        """An element with all in it. The white space before it goes along where the parent holds no other text."""
        parent = node.getparent()
        assert parent is not None, "the root stays"
        self._touch_content(parent)
        previous, tail = self._slot_before(node)
        before = () if self._is_element_only(parent) else self._get_chunks(previous, tail)
        after = self._get_chunks(node, True)
        self._set_chunks(node, True, ())
        self._detach(node, parent)
        self._set_chunks(previous, tail, before + after)

    def replace(self, node: Element, nodes: Iterable[Element]) -> None:
        """Put new nodes in place of ``node``; the text around it stays."""
        parent = node.getparent()
        assert parent is not None, "the root stays"
        self.insert(nodes, node, Position.AFTER)
        self._set_chunks(node, True, ())  # the white space that parted it from the new nodes
        self._detach(node, parent)

    def uproot(self, node: Element) -> None:
        """Take an element out, to be inserted elsewhere."""
        parent = node.getparent()
        assert parent is not None, "the root stays"
        scope = parent.nsmap
        self.remove(node)

        def undo() -> None:
            self._uprooted.discard(node)

        if node in self._ordinals and any(scope.get(p) != self.root.nsmap.get(p) for p in {*scope, *self.root.nsmap}):
            self._uprooted.add(node)
            self._undo.append(undo)

    # -- undoing -------------------------------------------------------------------------------------------------

    def mark(self) -> int:
        return len(self._undo)

    def rollback(self, mark: int) -> None:
        """Undo all changes since the mark."""
        self._element_only.clear()
        while len(self._undo) > mark:
            self._undo.pop()()

    # -- the result ----------------------------------------------------------------------------------------------

    def result(self) -> bytes:
        """The domain as bytes; the very input where the outcome equals it as XML."""
        dirty = self._dirty()
        if not self._undo or self._same(self.root, self.root, dirty):
            return self._data
        assert self._index is not None
        out: list[bytes] = [self._data[: self._index.starts[0]]]
        self._emit(self.root, out, dirty, {})
        out.append(self._data[self._index.end(0) :])
        return b"".join(out)

    def _dirty(self) -> set[Element]:
        """Touched elements of the input and all above them."""
        dirty: set[Element] = set()
        for element in [*self._start_before, *self._content_before]:
            node: Element | None = element
            while node is not None and node not in dirty:
                dirty.add(node)
                node = node.getparent()
        return dirty

    def _emit(self, node: Element, out: list[bytes], dirty: set[Element], scope: dict[str | None, str]) -> None:
        ordinal = self._ordinals.get(node)
        index = self._index
        assert index is not None
        if ordinal is not None and node not in dirty and node not in self._uprooted:
            out.append(self._data[index.starts[ordinal] : index.end(ordinal)])
            return
        if not isinstance(node.tag, str):
            out.append(etree.tostring(node, with_tail=False, encoding="utf-8"))
            return
        if ordinal is None or node in self._uprooted:
            name, tag, inner = start_tag(node, scope)
        else:
            raw = self._data[index.starts[ordinal] : index.start_tag_end(ordinal)]
            before = self._start_before.get(node)
            name, tag, inner = start_tag(node, scope, raw, before[1] if before else None)
        content = [self._slot_bytes(node, False)]
        for child in node:
            if node in self._uprooted and child in self._ordinals:
                self._uprooted.add(child)
            self._emit(child, content, dirty, inner)
            content.append(self._slot_bytes(child, True))
        body = b"".join(content)
        closed = tag.endswith(b"/>")
        if not body and (closed or (ordinal is None and b"/>" in self._data and b"></" not in self._data)):
            out.append(tag if closed else tag[:-1] + b"/>")
            return
        if closed:
            tag = tag[:-2].rstrip() + b">"
        out += [tag, body, b"</", name, b">"]

    def _slot_bytes(self, owner: Element, tail: bool) -> bytes:
        chunks = self._chunks.get((owner, tail))
        if chunks is None:
            return self._raw_slot(owner, tail)
        return b"".join(c.raw for c in chunks)

    def _raw_slot(self, owner: Element, tail: bool) -> bytes:
        ordinal = self._ordinals.get(owner)
        if ordinal is None:
            return escape_text((owner.tail if tail else owner.text) or "")
        assert self._index is not None
        if not tail and self._index.self_closed(ordinal):
            return b""
        at = self._index.end(ordinal) if tail else self._index.start_tag_end(ordinal)
        return self._index.text_after(at)

    # -- equality with the input ---------------------------------------------------------------------------------

    def _same(self, before: Element, now: Element, dirty: set[Element]) -> bool:
        """Is ``now`` as XML what ``before`` was in the input?"""
        if before is now and before not in dirty:
            return True
        if not isinstance(now.tag, str) or not isinstance(before.tag, str):
            return before is now or (before.tag == now.tag and before.text == now.text)
        tag, attributes = self._start_before.get(before, (before.tag, None))
        if tag != now.tag or (before.attrib if attributes is None else attributes) != now.attrib:
            return False
        old = self._content_before.get(before)
        old = content_of(before) if old is None else old
        new = content_of(now)
        return len(old) == len(new) and all(
            a == b if isinstance(a, str) or isinstance(b, str) else self._same(a, b, dirty)
            for a, b in zip(old, new, strict=True)
        )

    # -- primitives, each with its undo --------------------------------------------------------------------------

    def _load_index(self) -> None:
        if self._index is None:
            self._index = _Index(self._data)
            self._ordinals = {node: ordinal for ordinal, node in enumerate(self.root.iter())}

    def _touch_start(self, element: Element) -> None:
        self._load_index()
        tag, items = element.tag, attributes_of(element)
        if element in self._ordinals:
            self._start_before.setdefault(element, (tag, items))

        def undo() -> None:
            element.tag = tag
            element.attrib.clear()
            for name, value in items.items():
                element.set(name, value)

        self._undo.append(undo)

    def _touch_content(self, element: Element) -> None:
        self._load_index()
        if element in self._ordinals and element not in self._content_before:
            self._content_before[element] = content_of(element)

    def _get_chunks(self, owner: Element, tail: bool) -> tuple[Chunk, ...]:
        chunks = self._chunks.get((owner, tail))
        if chunks is not None:
            return chunks
        value = (owner.tail if tail else owner.text) or ""
        return (Chunk(value, self._raw_slot(owner, tail)),) if value else ()

    def _set_chunks(self, owner: Element, tail: bool, chunks: tuple[Chunk, ...]) -> None:
        key = (owner, tail)
        before, text = self._chunks.get(key), owner.tail if tail else owner.text

        def undo() -> None:
            if before is None:
                self._chunks.pop(key, None)
            else:
                self._chunks[key] = before
            _write(text)

        def _write(value: str | None) -> None:
            if tail:
                owner.tail = value
            else:
                owner.text = value

        self._undo.append(undo)
        self._chunks[key] = chunks
        _write("".join(c.value for c in chunks) or None)

    def _attach(self, node: Element, anchor: Element, position: Position) -> None:
        match position:
            case Position.AFTER:
                anchor.addnext(node)
            case Position.BEFORE:
                anchor.addprevious(node)
            case _:
                anchor.append(node)

        def undo() -> None:
            parent = node.getparent()
            assert parent is not None
            node.tail = None
            parent.remove(node)

        self._undo.append(undo)

    def _detach(self, node: Element, parent: Element) -> None:
        previous, following = node.getprevious(), node.getnext()

        def undo() -> None:
            if previous is not None:
                text, previous.tail = previous.tail, None
                previous.addnext(node)
                previous.tail = text
            elif following is not None:
                following.addprevious(node)
            else:
                parent.append(node)

        parent.remove(node)
        self._undo.append(undo)

    # -- white space ---------------------------------------------------------------------------------------------

    def _insert_one(self, node: Element, anchor: Element, position: Position, parent: Element) -> None:
        indent = self._indent_in(parent)
        if indent is not None:
            self._indent_new(node, indent)
        if position is Position.AFTER:
            after = self._get_chunks(anchor, True)
            self._set_chunks(anchor, True, ())
            self._attach(node, anchor, Position.AFTER)
            between = after if indent is None else (new_chunk(indent),)
            self._set_chunks(anchor, True, between if indent is not None else ())
            self._set_chunks(node, True, after)
            return
        if position is Position.BEFORE:
            self._attach(node, anchor, Position.BEFORE)
            self._set_chunks(node, True, () if indent is None else (new_chunk(indent),))
            return
        # the parent has no child yet
        text = self._get_chunks(parent, False)
        self._attach(node, parent, position)
        if indent is None:
            if position is Position.PREPEND:
                self._set_chunks(parent, False, ())
                self._set_chunks(node, True, text)
            return
        self._set_chunks(parent, False, (new_chunk(indent),))
        self._set_chunks(node, True, (new_chunk(indent.removesuffix(self._unit())),))

    def _indent_in(self, parent: Element) -> str | None:
        """Line break and indentation of the children of ``parent``; None where white space would be content."""
        if not self._is_element_only(parent):
            return None
        if _edge_child(parent, first=True) is not None:
            return trailing_indent(parent.text)
        own = self._own_indent(parent)
        return None if own is None else own + self._unit()

    def _own_indent(self, element: Element) -> str | None:
        parent = element.getparent()
        if parent is None:
            return "\n" if self._unit() else None
        previous = element.getprevious()
        return trailing_indent(parent.text if previous is None else previous.tail)

    def _unit(self) -> str:
        """One level of indentation: how the children of the root are indented in the input."""
        if self._indent_unit is None:
            text = self._content_before.get(self.root, [self.root.text or ""])[0]
            indent = trailing_indent(text if isinstance(text, str) else "")
            self._indent_unit = (indent or "").lstrip("\n")
        return self._indent_unit

    def _indent_new(self, node: Element, indent: str) -> None:
        """Lay out what is inside a new element; text content is left as it is."""
        if node in self._ordinals or not isinstance(node.tag, str) or not len(node):
            return
        if any((text or "").strip(_XML_SPACE) for text in (node.text, *(c.tail for c in node))):
            return
        inner = indent + self._unit()
        node.text = inner
        for child in node:
            self._indent_new(child, inner)
            child.tail = inner
        node[-1].tail = indent

    def _is_element_only(self, parent: Element) -> bool:
        known = self._element_only.get(parent)
        if known is None:
            known = not any(isinstance(c, str) and c.strip(_XML_SPACE) for c in content_of(parent))
            self._element_only[parent] = known
        return known

    def _slot_before(self, node: Element) -> tuple[Element, bool]:
        previous = node.getprevious()
        if previous is not None:
            return previous, True
        parent = node.getparent()
        assert parent is not None
        return parent, False


def content_of(element: Element) -> list[Element | str]:
    """Text and children in turn, text first and last."""
    content: list[Element | str] = [element.text or ""]
    for child in element:
        content += [child, child.tail or ""]
    return content


def _edge_child(parent: Element, *, first: bool) -> Element | None:
    """The first or last child; ``len(parent)`` would count them all."""
    return next(parent.iterchildren(reversed=not first), None)
