"""Domain XML as an editable tree whose untouched parts keep their bytes.

lxml holds the tree; the first edit finds out where each node is in the input (:mod:`patchlang.domain.index`), and
:meth:`DomainTree.result` splices the result from the input (:mod:`patchlang.domain.splice`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lxml import etree

from .. import budget, rules
from ..budget import Budget
from ..diagnostics import fail
from ..document.model import Position
from ..markup import Chunk, attributes_of, declarations, set_attributes
from ..values import text_size
from . import weights
from .indent import Indentation, edge_child
from .index import Element, Index
from .protected import Protected
from .provenance import Provenance
from .read import MAX_ATTRIBUTES, as_declared, read_root
from .splice import Changes, Splicer, content_of, same_as_before

if TYPE_CHECKING:
    from ..result import Spot
    from ..xpath.match import Match
    from .origins import Origins

MAX_DEPTH = 256
"""Limit of nested elements; libxml2, and thus libvirt, reads no more."""
_PLACED = 2
"""Changes when a node is inserted or removed: of its place, and of the white space around it."""


def parse(data: bytes) -> DomainTree:
    """Read a domain from KubeVirt or another sidecar.

    Raises PatchError: PL501 not well-formed, not UTF-8 or too many nodes, PL502 a DOCTYPE, PL503 another root.
    """
    return DomainTree(data, read_root(data))


class DomainTree:
    """A domain being edited. Every change goes through its methods.

    ``preferred`` are prefixes by namespace, for names that need a new declaration; ``budget`` limits the run;
    ``origins``, if given, records where values come from; ``tells_spots``: traces say where matched nodes are in the
    input.
    """

    def __init__(self, data: bytes, root: Element) -> None:
        self.root = root
        self.document = root.getroottree()
        self.preferred: dict[str, str] = {}
        self.budget = Budget()
        self._data = data
        self._changes = Changes({}, {}, {}, {}, {})
        self.origins: Origins | None = None
        self.tells_spots = False
        self._drafts: dict[Element, str | None] = {}
        self.provenance = Provenance(self._changes, self._drafts)
        self.protected = Protected(root, self.provenance.path)
        self._indentation = Indentation(root, self._changes.contents, self._drafts)

    def mark(self) -> tuple[int, dict[str, str]]:
        """A point to come back to, as long as nothing has changed since."""
        return self.budget.kept, dict(self.preferred)

    def undo(self, mark: tuple[int, dict[str, str]]) -> bool:
        """Back to it. False if something has changed: the budget records every change of the domain."""
        kept, preferred = mark
        if self.budget.kept != kept:
            return False
        self.preferred = preferred
        return True

    # -- what edits do -------------------------------------------------------------------------------------------

    def set_attribute(self, element: Element, name: str, value: str) -> bool:
        """``name`` in Clark notation. False if the attribute already had this value."""
        if element.get(name) == value:
            return False
        self._count(value)
        if name not in element.attrib and len(element.attrib) >= MAX_ATTRIBUTES:
            raise fail(rules.LIMIT, f"an element would have more than {MAX_ATTRIBUTES} attributes")
        self.protected.before_attribute(element)
        self._touch_start(element)
        element.set(name, value)
        return True

    def remove_attribute(self, element: Element, name: str) -> bool:
        if name not in element.attrib:
            return False
        self._count()
        self.protected.before_attribute(element)
        self._touch_start(element)
        del element.attrib[name]
        return True

    def rename_attribute(self, element: Element, name: str, to: str) -> bool:
        if name == to:
            return False
        self._count()
        self.protected.before_attribute(element)
        self._touch_start(element)
        set_attributes(element, [(to if key == name else key, value) for key, value in element.attrib.items()])
        return True

    def rename(self, element: Element, tag: str) -> bool:
        if element.tag == tag:
            return False
        self._count()
        if (parent := element.getparent()) is not None:
            self.protected.before_change(parent)
        self._touch_start(element)
        element.tag = tag
        return True

    def set_text(self, element: Element, text: str) -> bool:
        """The text of an element without child elements; comments in it stay."""
        children = list(element)
        before = element.text or ""
        if children:
            before += "".join(child.tail or "" for child in children)
        if before == text:
            return False
        self._count(text, changes=1 + len(children))
        self._touch_content(element)
        self._indentation.forget(element)
        self._set_chunks(element, False, (Chunk(text),) if text else ())
        for child in children:
            self._set_chunks(child, True, ())
        return True

    def remove_text(self, owner: Element, tail: bool) -> bool:
        """The text before the first child of an element, or (``tail``) the text after a node."""
        parent = owner.getparent() if tail else owner
        if parent is None or not (owner.tail if tail else owner.text):
            return False
        self._count()
        self._touch_content(parent)
        self._indentation.forget(parent)
        self._set_chunks(owner, tail, ())
        return True

    def insert(self, nodes: Sequence[Element], anchor: Element, position: Position) -> None:
        """Put new nodes, which have no parent in the tree, at ``anchor``; they are indented like their siblings.

        Raises PatchError (PL413) if the tree exceeds its limits.
        """
        inside = position in (Position.APPEND, Position.PREPEND)
        parent = anchor if inside else anchor.getparent()
        assert parent is not None, "the root has no siblings"
        is_fresh, size = [], 0
        for node in nodes:  # a removed node comes back as it was
            is_fresh.append(node not in self._changes.new and node not in self._changes.parents)
            size += budget.CHANGE * _PLACED + (weights.of_new(node) if is_fresh[-1] else 0)
        self.budget.keep(size)
        self._touch_content(parent)
        edge = edge_child(parent, first=position is Position.PREPEND) if inside else None
        if edge is not None and self._indentation.is_element_only(parent):
            anchor, position = edge, Position.BEFORE if position is Position.PREPEND else Position.AFTER
        room = MAX_DEPTH - 1 - len([*parent.iterancestors()])
        for node, fresh in zip(nodes, is_fresh, strict=True):
            if _height(node) > room:
                raise fail(rules.LIMIT, f"elements would be nested more than {MAX_DEPTH} deep")
            if fresh:
                self._enroll(node)
            self._drafts.pop(node, None)
            self._insert_one(node, anchor, position, parent, fresh)
            anchor, position = node, Position.AFTER

    def remove(self, node: Element) -> None:
        """An element with everything in it.

        The white space before it is removed too, unless the parent has other text or a node follows directly.
        """
        parent = node.getparent()
        assert parent is not None, "the root is never removed"
        self._count(changes=_PLACED)
        self._touch_content(parent)
        previous, tail = self._slot_before(node)
        before, after = self._get_chunks(previous, tail), self._get_chunks(node, True)
        if self._indentation.is_element_only(parent) and (after or node.getnext() is None):
            before = tuple(chunk for chunk in before if not _is_blank(chunk))
        self._set_chunks(node, True, ())
        self._detach(node, parent)
        self._set_chunks(previous, tail, before + after)

    def replace(self, node: Element, nodes: Sequence[Element]) -> None:
        """Replace ``node`` with new nodes; the text around it stays."""
        parent = node.getparent()
        assert parent is not None, "the root is never removed"
        self._count(changes=2)
        self.protected.before_replacement(node, nodes)
        self.insert(nodes, node, Position.AFTER)
        self._set_chunks(node, True, ())  # the white space that separated it from the new nodes
        self._detach(node, parent)

    def _count(self, text: str = "", changes: int = 1) -> None:
        """Changes about to be made, with the text that they write."""
        self.budget.keep(budget.CHANGE * changes + budget.WRITTEN * text_size(text))

    def holds(self, node: Element) -> bool:
        """False for what an edit removed; true in a draft, too."""
        top = next(reversed([node, *node.iterancestors()]))
        return top is self.root or top in self._drafts

    def copy(self, node: Element) -> Element:
        """A new element equal to one of the tree, without the text after it. Raises PatchError (PL413)."""
        self.budget.hold(weights.of_built(node))
        new = self._copy(node)
        if self.origins is not None:
            self.origins.copied(node, new)
        return new

    def draft(self, node: Element, anchor: Element, position: Position) -> Element:
        """A copy that may be edited before :meth:`insert` puts it at ``anchor``: it has no place yet.

        Paths from the root do not find it. Raises PatchError (PL413).
        """
        new = self.copy(node)
        self.budget.keep(weights.of_new(new))
        self.root.append(new)
        self.root.remove(new)  # so it belongs to this document, which paths in it search
        self._drafts[new] = None
        self._enroll(new)
        parent = anchor if position in (Position.APPEND, Position.PREPEND) else anchor.getparent()
        indent = None if parent is None else self._indentation.within(parent)
        if indent is not None:
            self._indentation.lay_out(new, indent)
        self._drafts[new] = indent
        return new

    def _enroll(self, node: Element) -> None:
        """Record a node, with everything in it, as new to the tree."""
        made = {inner: inner.prefix for inner in node.iter()}
        self._changes.new.update(made)
        self.protected.made.update(made)

    def _copy(self, node: Element) -> Element:
        """Name by name: libxml2's own copy looks namespaces up by prefix, which may be bound differently inside."""
        parent = node.getparent()
        if node not in self._changes.new:
            declared = declarations(self._index.start_tag(node))
        else:
            inherited = {} if parent is None else parent.nsmap
            declared = {prefix: uri for prefix, uri in node.nsmap.items() if inherited.get(prefix) != uri}
        nsmap: dict[Any, str] = {prefix: uri for prefix, uri in declared.items() if uri}
        new = etree.Element(node.tag, nsmap=nsmap)
        for name, value in attributes_of(node).items():
            new.set(name, value)
        new.text = node.text
        for child in node:
            copied = self._copy(child) if isinstance(child.tag, str) else deepcopy(child)
            copied.tail = child.tail
            new.append(copied)
        return new

    @property
    def input(self) -> bytes:
        """The input bytes."""
        return self._data

    @property
    def changes(self) -> Changes:
        """What edits have touched so far."""
        return self._changes

    def spots(self, matches: Iterable[Match]) -> Iterator[Spot]:
        """Where matched nodes are in the input; nodes created by edits are skipped."""
        from .spots import spot

        for match in matches:
            if match.element not in self._changes.new:
                yield spot(self._index, match)

    # -- the result ----------------------------------------------------------------------------------------------

    def result(self) -> bytes:
        """The domain as bytes; the input itself if the result is the same XML."""
        if not self._changes.starts and not self._changes.contents:
            return self._data
        dirty = self._changes.dirty()
        if same_as_before(self.root, self.root, self._changes, dirty):
            return self._data
        return as_declared(Splicer(self._index, self._changes, dirty, self.preferred).document(self.root))

    # -- primitives ----------------------------------------------------------------------------------------------

    @cached_property
    def _index(self) -> Index:
        return Index(self._data, self.root, self._changes.contents, self._changes.parents)

    def _touch_start(self, element: Element) -> None:
        if element not in self._changes.new and element not in self._changes.starts:
            self.budget.keep(budget.TOUCHED)
            self._changes.starts[element] = (element.tag, attributes_of(element))

    def _touch_content(self, element: Element) -> None:
        self.protected.before_change(element)
        if element not in self._changes.new and element not in self._changes.contents:
            self.budget.keep(budget.TOUCHED + budget.CHILD * len(element))
            self._changes.contents[element] = content_of(element)

    def _get_chunks(self, owner: Element, tail: bool) -> tuple[Chunk, ...]:
        chunks = self._changes.chunks.get((owner, tail))
        if chunks is not None:
            return chunks
        value = (owner.tail if tail else owner.text) or ""
        if owner in self._changes.new:
            return (Chunk(value),) if value else ()
        raw = self._index.text(owner, tail=tail)
        return (Chunk(value, raw),) if raw else ()

    def _set_chunks(self, owner: Element, tail: bool, chunks: tuple[Chunk, ...]) -> None:
        self._changes.chunks[owner, tail] = chunks
        text = "".join([c.value for c in chunks]) or None
        if tail:
            owner.tail = text
        else:
            owner.text = text

    def _attach(self, node: Element, anchor: Element, position: Position) -> None:
        match position:
            case Position.AFTER:
                anchor.addnext(node)
            case Position.BEFORE:
                anchor.addprevious(node)
            case Position.PREPEND:
                text, anchor.text = anchor.text, None
                anchor.insert(0, node)
                anchor.text = text
            case Position.APPEND:
                anchor.append(node)

    def _detach(self, node: Element, parent: Element) -> None:
        if node not in self._changes.new:
            self._changes.parents.setdefault(node, parent)
        parent.remove(node)

    # -- white space ---------------------------------------------------------------------------------------------

    def _insert_one(self, node: Element, anchor: Element, position: Position, parent: Element, fresh: bool) -> None:
        indent = self._indentation.within(parent)
        if indent is not None and fresh:
            self._indentation.lay_out(node, indent)
        space = () if indent is None else (Chunk(indent),)
        match position:
            case Position.AFTER:
                after = self._get_chunks(anchor, True)
                self._set_chunks(anchor, True, ())
                self._attach(node, anchor, position)
                self._set_chunks(anchor, True, space)
                self._set_chunks(node, True, after)
            case Position.BEFORE:
                self._attach(node, anchor, position)
                self._set_chunks(node, True, space)
            case _:
                # the parent has no child yet, or has text
                text = self._get_chunks(parent, False)
                self._attach(node, parent, position)
                if indent is not None:
                    self._set_chunks(parent, False, space)
                    self._set_chunks(node, True, (Chunk(indent.removesuffix(self._indentation.unit)),))
                elif position is Position.PREPEND:
                    self._set_chunks(parent, False, ())
                    self._set_chunks(node, True, text)

    def _slot_before(self, node: Element) -> tuple[Element, bool]:
        previous = node.getprevious()
        if previous is not None:
            return previous, True
        parent = node.getparent()
        assert parent is not None, "the root has nothing before it"
        return parent, False


def _is_blank(chunk: Chunk) -> bool:
    """White space that is written as such; a character reference is there on purpose."""
    return not (chunk.value.strip(" \t\n") if chunk.raw is None else chunk.raw.strip())


def _height(node: Element) -> int:
    """The nesting depth of elements, including the node."""
    height, level = 0, [node]
    while level:
        height += 1
        level = [child for element in level for child in element]
    return height
