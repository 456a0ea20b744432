"""Where each node of a domain stands in its bytes.

libxml2 has found the bytes well-formed and there is no DOCTYPE, so every ``<`` outside of comments, CDATA sections and
processing instructions begins a tag: one regular expression finds all starts, and ends are looked up when they matter.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import accumulate

from lxml import etree

from .xmltext import Scope, declarations

Element = etree._Element
# text and children in turn, text first and last
Content = list[Element | str]

_MARKUP = re.compile(rb"<(?:[^/!?]|!--.*?-->|\?.*?\?>|!\[CDATA\[.*?\]\]>)", re.DOTALL)
_START_TAG = re.compile(rb"<[^\"'>]*(?:(?:\"[^\"]*\"|'[^']*')[^\"'>]*)*>")


class Index:
    """The nodes (elements, comments, processing instructions) of an unedited tree in its bytes.

    The tree may be edited afterwards, as long as ``contents`` gets what an element held before its content changes.
    """

    def __init__(self, data: bytes, root: Element, contents: Mapping[Element, Content]) -> None:
        self.data = data
        self._root = root
        self._contents = contents
        # the proxies are kept: lxml finds the same object for a node only as long as one is alive
        self._starts: dict[Element, int] = dict(zip(root.iter(), _starts(data), strict=False))
        self._ends: dict[Element, int] = {}
        self._tag_ends: dict[Element, int] = {}

    def __contains__(self, node: Element) -> bool:
        return node in self._starts

    def start(self, node: Element) -> int:
        return self._starts[node]

    def end(self, node: Element) -> int:
        """The offset behind the node."""
        end = self._ends.get(node)
        if end is None:
            end = self._ends[node] = self._find_end(node)
        return end

    def raw(self, node: Element) -> bytes:
        """The node as written."""
        return self.data[self._starts[node] : self.end(node)]

    def start_tag(self, element: Element) -> bytes:
        return self.data[self._starts[element] : self._start_tag_end(element)]

    def end_tag(self, element: Element) -> bytes:
        """The end tag as written; empty where the element is self-closed."""
        return b"" if self.self_closed(element) else self.data[self._closing(element) : self.end(element)]

    def self_closed(self, element: Element) -> bool:
        end = self._start_tag_end(element)
        return self.data[end - 2 : end] == b"/>"

    def content(self, element: Element) -> tuple[int, int]:
        """The offsets where the content of an element begins and ends."""
        start = self._start_tag_end(element)
        return start, start if self.self_closed(element) else self._closing(element)

    def text(self, owner: Element, *, tail: bool) -> bytes:
        """The text before an element's first child, or behind a node, as written; CDATA sections included."""
        if not tail and self.self_closed(owner):
            return b""
        start = self.end(owner) if tail else self._start_tag_end(owner)
        return self.data[start : self._text_end(start)]

    def scope_around(self, node: Element) -> Scope:
        """The prefixes bound around a node."""
        offsets, scopes = self._scopes
        return scopes[bisect_right(offsets, self._starts[node])]

    def scope_in(self, element: Element) -> Scope:
        """The prefixes bound inside an element."""
        offsets, scopes = self._scopes
        return scopes[bisect_right(offsets, self._starts[element] + 1)]

    @cached_property
    def _scopes(self) -> tuple[list[int], list[Scope]]:
        """The offsets where other prefixes are bound than before; what is bound before the first, and from each on."""
        offsets: list[int] = []
        scopes: list[Scope] = [{}]
        around: list[tuple[int, Scope]] = []

        def leave(until: int) -> None:
            while around and around[-1][0] <= until:
                end, outer = around.pop()
                offsets.append(end)
                scopes.append(outer)

        for element in self._declaring():
            start = self._starts[element]
            leave(start)
            if element is not self._root:  # behind which no node stands
                around.append((self.end(element), scopes[-1]))
            offsets.append(start + 1)
            scopes.append({**scopes[-1], **declarations(self.start_tag(element))})
        leave(len(self.data))
        return offsets, scopes

    def _declaring(self) -> Iterable[Element]:
        """The elements whose start tags declare namespaces, in document order; some others do no harm."""
        nodes, starts = list(self._starts), list(self._starts.values())
        found: dict[Element, None] = {}
        at = self.data.find(b"xmlns")
        while at >= 0:
            number = bisect_right(starts, at) - 1
            if number >= 0 and isinstance(nodes[number].tag, str):
                found[nodes[number]] = None
            at = self.data.find(b"xmlns", at + 5)
        return found

    def _closing(self, element: Element) -> int:
        """The offset of the end tag of an element that is not self-closed."""
        content = self._contents.get(element)
        if content is None:
            last = next(element.iterchildren(reversed=True), None)
        else:
            last = next((item for item in reversed(content) if isinstance(item, Element)), None)
        return self._text_end(self._start_tag_end(element) if last is None else self.end(last))

    def _find_end(self, node: Element) -> int:
        start = self._starts[node]
        if self.data.startswith(b"<!--", start):
            return self.data.index(b"-->", start + 4) + 3
        if self.data.startswith(b"<?", start):
            return self.data.index(b"?>", start) + 2
        if self.self_closed(node):
            return self._start_tag_end(node)
        return self.data.index(b">", self._closing(node)) + 1

    def _text_end(self, start: int) -> int:
        at = self.data.index(b"<", start)
        while self.data.startswith(b"<![", at):
            at = self.data.index(b"<", self.data.index(b"]]>", at))
        return at

    def _start_tag_end(self, element: Element) -> int:
        end = self._tag_ends.get(element)
        if end is None:
            found = _START_TAG.match(self.data, self._starts[element])
            assert found is not None, "a tag starts here"
            end = self._tag_ends[element] = found.end()
        return end


def _starts(data: bytes) -> list[int]:
    """Where elements, comments and processing instructions start, from the root on."""
    if b"<!" in data or b"<?" in data:
        starts = [found.start() for found in _MARKUP.finditer(data)]
        starts = [at for at in starts if not data.startswith(b"<![", at)]
        root = next(number for number, at in enumerate(starts) if not data.startswith((b"<!", b"<?"), at))
        return starts[root:]
    # as above, in half the time: every `<` but that of an end tag starts an element
    pieces = data.replace(b"</", b"\0/").split(b"<")
    return [at + number for number, at in enumerate(accumulate(map(len, pieces[:-1])))]
