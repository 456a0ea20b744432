"""Where each node of a domain stands in its bytes, as expat tells it."""

from __future__ import annotations

import re
from xml.parsers import expat

from . import rules
from .diagnostics import fail
from .xmltext import Scope, declarations

_START_TAG = re.compile(rb"<(?:[^\"'>]|\"[^\"]*\"|'[^']*')*>")


class Index:
    """Nodes (elements, comments, processing instructions) under the root by their number in document order.

    Raises PatchError (PL501) for the few names that libxml2 takes and expat does not.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.starts: list[int] = []
        self._closes: list[int] = []
        self._parents: list[int] = []
        self._scopes: dict[int, Scope] = {-1: {}}
        open_elements = [-1]
        reader = expat.ParserCreate("UTF-8")
        starts, closes, parents = self.starts, self._closes, self._parents

        def start(_name: str, _attributes: object) -> None:
            parents.append(open_elements[-1])
            open_elements.append(len(starts))
            starts.append(reader.CurrentByteIndex)
            closes.append(-1)

        def end(_name: str) -> None:
            closes[open_elements.pop()] = reader.CurrentByteIndex

        def other(*_: object) -> None:
            if len(open_elements) > 1:
                parents.append(open_elements[-1])
                starts.append(reader.CurrentByteIndex)
                closes.append(-1)

        reader.StartElementHandler = start
        reader.EndElementHandler = end
        reader.CommentHandler = other
        reader.ProcessingInstructionHandler = other
        reader.ordered_attributes = True
        try:
            reader.Parse(data, True)
        except expat.ExpatError as e:
            place = f"line {e.lineno}, column {e.offset + 1}"
            raise fail(
                rules.BAD_DOMAIN, f"the domain XML is not well-formed at {place}: {expat.ErrorString(e.code)}"
            ) from None

    def raw(self, number: int) -> bytes:
        """The node as written."""
        return self.data[self.starts[number] : self.end(number)]

    def start_tag(self, number: int) -> bytes:
        return self.data[self.starts[number] : self._start_tag_end(number)]

    def end_tag(self, number: int) -> bytes:
        """The end tag of an element as written; empty where it is self-closed."""
        return b"" if self.self_closed(number) else self.data[self._closes[number] : self.end(number)]

    def content(self, number: int) -> tuple[int, int]:
        """The offsets where the content of an element begins and ends."""
        start = self._start_tag_end(number)
        return start, start if self.self_closed(number) else self._closes[number]

    def self_closed(self, number: int) -> bool:
        end = self._start_tag_end(number)
        return self.data[end - 2 : end] == b"/>"

    def end(self, number: int) -> int:
        """The offset behind the node."""
        start = self.starts[number]
        if self.data.startswith(b"<!--", start):
            return self.data.index(b"-->", start + 4) + 3
        if self.data.startswith(b"<?", start):
            return self.data.index(b"?>", start) + 2
        if self.self_closed(number):
            return self._start_tag_end(number)
        return self.data.index(b">", self._closes[number]) + 1

    def text(self, number: int, *, tail: bool) -> bytes:
        """The text before an element's first child, or behind a node, as written; CDATA sections included."""
        if not tail and self.self_closed(number):
            return b""
        offset = at = self.end(number) if tail else self._start_tag_end(number)
        while True:
            at = self.data.index(b"<", at)
            if not self.data.startswith(b"<![CDATA[", at):
                return self.data[offset:at]
            at = self.data.index(b"]]>", at) + 3

    def scope_around(self, number: int) -> Scope:
        """The prefixes bound around a node."""
        return self.scope_in(self._parents[number])

    def scope_in(self, number: int) -> Scope:
        """The prefixes bound inside an element; ``-1`` stands for the document."""
        pending: list[int] = []
        while number not in self._scopes:
            pending.append(number)
            number = self._parents[number]
        scope = self._scopes[number]
        for inner in reversed(pending):
            declared = declarations(self.start_tag(inner))
            scope = self._scopes[inner] = {**scope, **declared} if declared else scope
        return scope

    def _start_tag_end(self, number: int) -> int:
        found = _START_TAG.match(self.data, self.starts[number])
        assert found is not None, "expat saw a tag here"
        return found.end()
