"""What a CEL expression makes, as far as it is written out: lists, maps and messages of strings.

An admission policy uses them to write what it adds to a pod. They become nodes with places, as JSON and YAML do. A
computed part is a plain scalar whose text is its source. If parts are joined or chosen (``+``, ``? :``), all of
them count.
"""

from __future__ import annotations

import re

from ..cel.syntax import Token, tokens
from ..document.yamltree import Mapping, Node, Scalar, Sequence
from ..patterns import pattern
from ..source import SourceFile, Span

_DEEPEST = 50
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ESCAPE = pattern(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class UnbalancedError(Exception):
    """A bracket or quote is not closed; ``start`` is where."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


def read(source: SourceFile) -> Node:
    """What the expression makes. Raises UnbalancedError."""
    reader = _Reader(source)
    node = reader.expression(0, frozenset())
    if reader.at < len(reader.tokens):
        raise UnbalancedError(reader.tokens[reader.at].start)
    return node


class _Reader:
    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.tokens = [token for token in tokens(source.text) if token.kind != "comment"]
        self.at = 0

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, max(start, end))

    def expression(self, depth: int, ends: frozenset[str]) -> Node:
        """Everything up to one of these symbols, to a closing bracket or to the end; the symbol is not consumed."""
        start = token.start if (token := self.peek()) else len(self.source.text)
        parts: list[Node] = []
        joined = True
        while (token := self.peek()) and token.text not in ends and token.text not in (")", "]", "}"):
            if token.kind == "symbol" and token.text not in _CLOSING:
                if token.text in "\"'`\\":
                    raise UnbalancedError(token.start)
                joined &= token.text == "+"
                self.at += 1
                continue
            parts.append(self.operand(depth))
        end = self.tokens[self.at - 1].end if self.at else start
        return self.together(parts, joined, self.span(start, end))

    def together(self, parts: list[Node], joined: bool, span: Span) -> Node:
        if len(parts) == 1 and joined:
            return parts[0]
        if joined and parts and all(isinstance(part, Scalar) and not part.plain for part in parts):
            return Scalar("".join(part.text for part in parts if isinstance(part, Scalar)), False, span)
        lists = [part for part in parts if isinstance(part, Sequence)]
        maps = [part for part in parts if isinstance(part, Mapping)]
        if lists:
            return Sequence(tuple(item for part in lists for item in part.items), span)
        if maps:
            return maps[0] if len(maps) == 1 else Sequence(tuple(maps), span)
        return Scalar(self.source.text[span.start : span.end], True, span)

    def operand(self, depth: int) -> Node:
        """A literal, or a chain of names, calls and entries; arguments of calls are ignored."""
        token = self.tokens[self.at]
        if depth > _DEEPEST:
            raise UnbalancedError(token.start)
        if token.kind == "string":
            self.at += 1
            return Scalar(unquoted(token.text), False, self.span(token.start, token.end))
        if token.text == "[":
            return self.list(depth)
        if token.text == "{":
            return self.map(depth, token.start)
        if token.text == "(":
            return self.bracketed(depth)
        start = token.start
        while (part := self.peek()) and part.kind in ("name", "number"):
            self.at += 1
            if (dot := self.peek()) and dot.text == ".":
                self.at += 1
            else:
                break
        following = self.peek()
        if following and following.text == "{":
            return self.map(depth, start)
        while (part := self.peek()) and part.text in ("(", "["):
            self.bracketed(depth)
        end = self.tokens[self.at - 1].end
        return Scalar(self.source.text[start:end], True, self.span(start, end))

    def bracketed(self, depth: int) -> Node:
        """What is between brackets; several values, as in a call, form a list."""
        opening = self.tokens[self.at]
        self.at += 1
        node = self.expression(depth + 1, frozenset(","))
        while (token := self.peek()) and token.text == ",":
            self.at += 1
            self.expression(depth + 1, frozenset(","))
        self.close(opening)
        return node

    def list(self, depth: int) -> Sequence:
        opening = self.tokens[self.at]
        self.at += 1
        items: list[Node] = []
        while (token := self.peek()) and token.text != "]":
            items.append(self.expression(depth + 1, frozenset(",")))
            if (token := self.peek()) and token.text == ",":
                self.at += 1
            else:
                break
        return Sequence(tuple(items), self.span(opening.start, self.close(opening)))

    def map(self, depth: int, start: int) -> Mapping:
        opening = self.tokens[self.at]
        self.at += 1
        entries: list[tuple[Scalar, Node]] = []
        while (token := self.peek()) and token.text != "}":
            key = self.expression(depth + 1, frozenset(":,"))
            if not (token := self.peek()) or token.text != ":":
                break
            self.at += 1
            value = self.expression(depth + 1, frozenset(","))
            if isinstance(key, Scalar):
                entries.append((key, value))
            if (token := self.peek()) and token.text == ",":
                self.at += 1
            else:
                break
        return Mapping(tuple(entries), self.span(start, self.close(opening)))

    def close(self, opening: Token) -> int:
        """Consumes the closing bracket; returns where it ends. Raises UnbalancedError."""
        token = self.peek()
        if token is None or token.text != _CLOSING[opening.text]:
            raise UnbalancedError(opening.start)
        self.at += 1
        return token.end


def unquoted(literal: str) -> str:
    """The value of a CEL literal."""
    prefix = re.match(r"[rRbB]*", literal)
    body = literal[prefix.end() :] if prefix else literal
    quotes = 3 if body[:3] in ('"""', "'''") and len(body) >= 6 else 1
    text = body[quotes:-quotes]
    return text if prefix and "r" in prefix[0].lower() else _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    number = found[1] or found[2] or found[3]
    if number or found[4]:
        code = int(number, 16) if number else int(found[4], 8)
        return chr(code) if code < 0x110000 else found[0]
    return _LETTERS.get(found[5], found[5])
