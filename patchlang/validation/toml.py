"""A table of a TOML file as a tree of nodes with places. ``tomllib`` parses it; this finds where everything is."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any

from .. import rules
from ..diagnostics import fail
from ..document.yamltree import Mapping, Node, Scalar, Sequence
from ..patterns import pattern
from ..source import SourceFile, Span

_WORD = pattern(
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*(?:"{3,5}|\Z)'
    r"|'''(?:[^']|'(?!''))*(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]|\\.)*"?'
    r"|'[^'\n]*'?"
    r"|#[^\n]*|\n|[\[\]{}=,.]"
    r"""|[^\s\[\]{}=,."'#]+"""
)
_FAULT = pattern(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_DEEPEST = 8
"""How many steps of a path are distinguished; no configuration key is that deep."""
_Path = tuple[str | int, ...]


def read_table(source: SourceFile, *path: str) -> Mapping | None:
    """The table of that name; None if there is none, or something else. Raises PatchError (PL012) for bad TOML."""
    import tomllib

    try:
        value: Any = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as e:
        raise fail(rules.BAD_CONFIGURATION, *_fault(source, str(e))) from None
    except RecursionError:
        raise fail(rules.BAD_CONFIGURATION, "the file is nested too deeply", Span(source, 0, 0)) from None
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return None
    return _Tree(source).mapping(path, value)


def _fault(source: SourceFile, said: str) -> tuple[str, Span]:
    """What ``tomllib`` says, and its place."""
    found = _FAULT.search(said)
    at = len(source.text)
    if found and found[1]:
        before = source.text.split("\n")[: int(found[1]) - 1]
        at = sum(len(line) + 1 for line in before) + int(found[2]) - 1
    words = said[: found.start()] if found else said
    return f"the file is not TOML: {words[:1].lower()}{words[1:]}", Span(source, at, min(at + 1, len(source.text)))


class _Tree:
    """Nodes of values, with their places."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.keys: dict[_Path, Span] = {}
        self.values: dict[_Path, Span] = {}
        self.words = [(found[0], found.start(), found.end()) for found in _WORD.finditer(source.text)]
        self.at = 0
        self._read()

    def mapping(self, path: _Path, value: AnyMapping[str, Any]) -> Mapping:
        entries = tuple(
            (Scalar(key, False, self._key_place((*path, key))), self._node((*path, key), one))
            for key, one in value.items()
        )
        return Mapping(entries, self._key_place(path))

    def _node(self, path: _Path, value: Any) -> Node:
        if isinstance(value, dict):
            return self.mapping(path, value)
        place = self.values.get(path) or self._key_place(path)
        if isinstance(value, list):
            return Sequence(tuple(self._node((*path, number), one) for number, one in enumerate(value)), place)
        if isinstance(value, str):
            return Scalar(value, False, place)
        return Scalar(self.source.text[place.start : place.end], True, place)

    def _key_place(self, path: _Path) -> Span:
        return self.keys.get(path) or self.values.get(path) or Span(self.source, 0, 0)

    # -- the text, which is known to be TOML -------------------------------------------------------------------------

    def _read(self) -> None:
        table: _Path = ()
        while (word := self._peek()) is not None:
            if word == "[":
                while self._peek() == "[":
                    self.at += 1
                table = self._key((), "]")
                while self._peek() == "]":
                    self.at += 1
            elif word == "\n" or word.startswith("#"):
                self.at += 1
            else:
                self._value(self._key(table, "="))

    def _key(self, table: _Path, end: str) -> _Path:
        """A dotted key, up to what ends it; each of its parts has a place."""
        path = table
        while (word := self._peek()) not in (None, end):
            if word not in (".", "\n"):
                path = (*path, _unquoted(str(word)))[:_DEEPEST]
                self.keys.setdefault(path, self._place())
            self.at += 1
        self.at += end == "="
        return path

    def _value(self, path: _Path) -> None:
        start = self.at
        match self._peek():
            case "[":
                self.at += 1
                for number in self._items("]"):
                    self._value((*path, number)[:_DEEPEST])
            case "{":
                self.at += 1
                for _ in self._items("}"):
                    self._value(self._key(path, "="))
            case _:
                while (word := self._peek()) not in (None, ",", "]", "}", "\n") and not str(word).startswith("#"):
                    self.at += 1
        end = min(max(start, self.at - 1), len(self.words) - 1)
        if start <= end:
            self.values[path] = Span(self.source, self.words[start][1], self.words[end][2])

    def _items(self, end: str) -> Iterator[int]:
        number = 0
        while (word := self._peek()) not in (None, end):
            if word in (",", "\n") or str(word).startswith("#"):
                self.at += 1
            else:
                before = self.at
                yield number
                number += 1
                self.at += self.at == before
        self.at += 1

    def _peek(self) -> str | None:
        return self.words[self.at][0] if self.at < len(self.words) else None

    def _place(self) -> Span:
        _, start, end = self.words[self.at]
        return Span(self.source, start, end)


def _unquoted(key: str) -> str:
    """A key as text. Escapes in one are rare; a key with escapes gets the start of the file as its place."""
    return key[1:-1] if key[:1] in ("'", '"') else key
