"""Where each node of a domain is in its bytes.

libxml2 found the bytes well-formed and there is no DOCTYPE, so every ``<`` outside comments, CDATA sections and
processing instructions begins a tag. Most domains have one element per line: then the line number locates an element.
In all others one regular expression finds the starts of all nodes. Ends are derived from the starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import accumulate, islice
from typing import Any

from lxml import etree

from ..markup import Scope, declarations
from ..patterns import pattern

Element = etree._Element
# alternating text and children, beginning and ending with text
Content = list[Element | str]

_MARKUP = pattern(rb"<(?:[^/!?]|!--.*?(?:-->|\Z)|\?.*?(?:\?>|\Z)|!\[CDATA\[.*?(?:\]\]>|\Z))", re.DOTALL)
_START_TAG = pattern(rb"<[^\"'>]*(?:(?:\"[^\"]*\"|'[^']*')[^\"'>]*)*>")
_BLANK = pattern(rb"[ \t]*")
_MAX_LINE = 65_000
"""libxml2 counts lines in 16 bits."""


class Index:
    """The original nodes (elements, comments, processing instructions) of a tree, in its bytes.

    The tree may be edited meanwhile, as long as ``contents`` has what an element held before its content changed,
    and ``parents`` the parent of each removed node.
    """

    def __init__(
        self, data: bytes, root: Element, contents: Mapping[Element, Content], parents: Mapping[Element, Element]
    ) -> None:
        self.data = data
        self._root = root
        self._contents = contents
        self._parents = parents
        self._starts: dict[Element, int] = {}
        self._tag_ends: dict[Element, int] = {}
        self._ends: dict[Element, int] = {}
        self._scopes: dict[Element, Scope] = {}
        self._lengths = [0]

    def start(self, node: Element) -> int:
        start = self._starts.get(node)
        if start is None:
            start = self._start_by_line(node)
            if start is None:
                self._starts = dict(zip(self._all_nodes(), _all_starts(self.data), strict=False))
                return self._starts[node]
            self._starts[node] = start
        return start

    def end(self, node: Element) -> int:
        """The offset after the node."""
        end = self._ends.get(node)
        if end is None:
            end = self._ends[node] = self._find_end(node)
        return end

    def raw(self, node: Element) -> bytes:
        """The node as written."""
        return self.data[self.start(node) : self.end(node)]

    def start_tag(self, element: Element) -> bytes:
        return self.data[self.start(element) : self._start_tag_end(element)]

    def end_tag(self, element: Element) -> bytes:
        """The end tag as written; empty if the element is self-closed."""
        return b"" if self.self_closed(element) else self.data[self._closing(element) : self.end(element)]

    def self_closed(self, element: Element) -> bool:
        end = self._start_tag_end(element)
        return self.data[end - 2 : end] == b"/>"

    def content(self, element: Element) -> tuple[int, int]:
        """The offsets where the content of an element begins and ends."""
        start = self._start_tag_end(element)
        return start, start if self.self_closed(element) else self._closing(element)

    def text(self, owner: Element, *, tail: bool) -> bytes:
        """The text before an element's first child, or after a node, as written; CDATA sections included."""
        if not tail and self.self_closed(owner):
            return b""
        start = self.end(owner) if tail else self._start_tag_end(owner)
        return self.data[start : self._text_end(start)]

    def scope_around(self, node: Element) -> Scope:
        """The prefixes bound around a node."""
        parent = self._parent(node)
        return {} if parent is None else self.scope_in(parent)

    def scope_in(self, element: Element) -> Scope:
        """The prefixes bound inside an element; the same object as around it if it declares none."""
        pending: list[Element] = []
        node: Element | None = element
        while node is not None and node not in self._scopes:
            pending.append(node)
            node = self._parent(node)
        scope = {} if node is None else self._scopes[node]
        for inner in reversed(pending):
            declared = declarations(self.start_tag(inner))
            scope = self._scopes[inner] = {**scope, **declared} if declared else scope
        return scope

    # -- the tree as it was ----------------------------------------------------------------------------------------

    def _parent(self, node: Element) -> Element | None:
        return self._parents[node] if node in self._parents else node.getparent()

    def _last_child(self, element: Element) -> Element | None:
        content = self._contents.get(element)
        if content is None:
            return next(element.iterchildren(reversed=True), None)
        item = content[-2] if len(content) > 1 else None
        return item if isinstance(item, Element) else None

    def _all_nodes(self) -> Iterator[Element]:
        pending = [self._root]
        while pending:
            node = pending.pop()
            yield node
            content = self._contents.get(node)
            children = node if content is None else [item for item in content if isinstance(item, Element)]
            pending += reversed(list(children))

    # -- the bytes -------------------------------------------------------------------------------------------------

    def _start_by_line(self, node: Element) -> int | None:
        """The start of an element that is alone on its line; None if lines do not show that."""
        number = _line(node)
        if not self._trusts_lines or not number or not isinstance(node.tag, str):
            return None
        start, end = self._line_start(number), self._line_start(number + 1) - 1
        blank = _BLANK.match(self.data, start, end)
        tag = blank and _START_TAG.match(self.data, blank.end(), end)
        if not tag or self.data.count(b"<", tag.end(), end) != self.data.count(b"</", tag.end(), end):
            return None
        self._tag_ends[node] = tag.end()
        return tag.start()

    def _line_start(self, number: int) -> int:
        """The offset of a line, counted from 1, or the end after the last line."""
        missing = number - len(self._lengths)
        if missing > 0:
            self._lengths += islice(self._more_lengths, missing)
        return self._lengths[number - 1] + number - 1

    @cached_property
    def _trusts_lines(self) -> bool:
        """Whether libxml2's line numbers tell where start tags end: if any were wrong, the last element's would be."""
        data = self.data
        if b"<!" in data or b"<?" in data or b"\r" in data or data.count(b"\n") > _MAX_LINE:
            return False
        last, at = self._root, len(data)
        while (child := self._last_child(last)) is not None:
            last = child
        while data.startswith(b"</", at := data.rindex(b"<", 0, at)):
            pass
        tag = _START_TAG.match(data, at)
        return tag is not None and _line(last) == data.count(b"\n", 0, tag.end()) + 1

    @cached_property
    def _more_lengths(self) -> Iterator[int]:
        """The cumulative length of all lines up to each."""
        return accumulate(map(len, self.data.split(b"\n")))

    def _find_end(self, node: Element) -> int:
        start = self.start(node)
        if self.data.startswith(b"<!--", start):
            return self.data.index(b"-->", start + 4) + 3
        if self.data.startswith(b"<?", start):
            return self.data.index(b"?>", start) + 2
        if self.self_closed(node):
            return self._start_tag_end(node)
        return self.data.index(b">", self._closing(node)) + 1

    def _closing(self, element: Element) -> int:
        """The offset of the end tag of an element that is not self-closed."""
        last = self._last_child(element)
        return self._text_end(self._start_tag_end(element) if last is None else self.end(last))

    def _text_end(self, start: int) -> int:
        at = self.data.index(b"<", start)
        while self.data.startswith(b"<![", at):
            at = self.data.index(b"<", self.data.index(b"]]>", at))
        return at

    def _start_tag_end(self, element: Element) -> int:
        start = self.start(element)
        end = self._tag_ends.get(element)  # if a line gave the start, it also gave this
        if end is None:
            found = _START_TAG.match(self.data, start)
            assert found is not None, "a tag starts here"
            end = self._tag_ends[element] = found.end()
        return end


def _line(node: Element) -> int:
    """The line where the start tag of an element ends; 0 if unknown."""
    number: Any = node.sourceline
    return number or 0


def _all_starts(data: bytes) -> list[int]:
    """Where elements, comments and processing instructions start, beginning with the root."""
    starts = [found.start() for found in _MARKUP.finditer(data)]
    starts = [at for at in starts if not data.startswith(b"<![", at)]
    root = next(number for number, at in enumerate(starts) if not data.startswith((b"<!", b"<?"), at))
    return starts[root:]
