"""JSON text as data, and the smallest change of the text that makes it represent other data (RFC 8259)."""

from __future__ import annotations

import json
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from ..patterns import pattern
from ..strictjson import JsonError, TooManyValuesError, read_strict
from ..values import MAX_DEPTH, TooBigError, check_size, identical
from .plan import Places
from .textedit import FlowWriter
from .textnode import Child, Kind, Node

_BLANKS = pattern(r"[ \t\r\n]*")
_ATOM = pattern(r"[-+.\w]+")
_FIRST_INDENT = pattern(r"[\[{]\r?\n([ \t]+)")
# cloud-init reads JSON as YAML, which does not allow these, or treats them as line breaks
_YAML_ESCAPES = pattern("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_GO_ESCAPES = "<>&\u2028\u2029"
_SURROGATES = pattern("[\ud800-\udfff]")
_CONTROLS = "".join(map(chr, range(8))) + "\v" + "".join(map(chr, range(14, 32)))


def read(text: str) -> Any:
    """The data of a JSON text; the last of duplicate keys wins, as in Go. Raises JsonError, TooBigError."""
    try:
        value = read_strict(text)
    except RecursionError:
        raise JsonError(f"nested deeper than {MAX_DEPTH}") from None
    except TooManyValuesError as e:
        raise TooBigError(e.what) from None
    check_size(value)
    return value


def rewrite(text: str, new: Any, old: Any = None, *, go: bool = False) -> str:
    """The text changed so that it reads as ``new``; unchanged parts keep their characters, new parts follow its style.

    ``old`` is what :func:`read` returned for the text, if ``new`` was derived from it. ``go``: new text is escaped like
    Go's ``json.Marshal`` does (``<``, ``>`` and ``&`` too).
    """
    old = read(text) if old is None else old
    if identical(old, new):
        return text
    start = _skip(text, 0)
    node = _node(text, start)
    return text[:start] + _Writer(text, node, Places(node, old, new), go).render(node, old, new) + text[node.end :]


def write(
    value: Any, *, indent: str | None = None, at: str = "", comma: str = ",", colon: str = ":", go: bool = False
) -> str:
    """A value as JSON text. With ``indent``, on several lines that begin with ``at``."""
    quoted = go_string if go else _string
    inner = at + (indent or "")

    def part(item: Any) -> str:
        return write(item, indent=indent, at=inner, comma=comma, colon=colon, go=go)

    parts: list[tuple[str, ...]]
    match value:
        case dict() if value:
            parts = [(quoted(str(key)), colon, part(item)) for key, item in value.items()]
            left, right = "{}"
        case list() if value:
            parts = [(part(item),) for item in value]
            left, right = "[]"
        case str():
            return quoted(value)
        case _:
            return json.dumps(value)
    if indent is None:
        begin, between, end = left, comma, right
    else:
        begin, between, end = f"{left}\n{inner}", f",\n{inner}", f"\n{at}{right}"
    pieces = [begin]  # joined once, since one of them may be a megabyte
    for number, one in enumerate(parts):
        pieces += (between, *one) if number else one
    return "".join((*pieces, end))


def _string(text: str) -> str:
    return _YAML_ESCAPES.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False))


def go_string(text: str) -> str:
    """A string as Go's ``json.Marshal`` writes it."""
    written = _SURROGATES.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False))
    for character in _GO_ESCAPES:
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def go_size(value: Any) -> int:
    """The minimum length of a value as JSON, before Go's escaping."""
    match value:
        case str():
            ones = sum(map(value.count, '\\"\n\r\t'))
            return len(value) + ones + 5 * sum(map(value.count, _GO_ESCAPES + _CONTROLS))
        case dict():
            return sum(go_size(key) + go_size(item) for key, item in value.items())
        case list():
            return sum(map(go_size, value))
        case _:
            return 0


def _skip(text: str, at: int) -> int:
    return _BLANKS.match(text, at).end()  # type: ignore[union-attr]


def _node(text: str, start: int) -> Node:
    """The node that begins at ``start`` of a text that is known to be JSON."""
    first = text[start]
    if first == '"':
        return Node(Kind.SCALAR, start, scanstring(text, start + 1, True)[1], style='"')
    if first not in "[{":
        return Node(Kind.SCALAR, start, _ATOM.match(text, start).end())  # type: ignore[union-attr]
    children: list[Child] = []
    at = _skip(text, start + 1)
    while text[at] not in "]}":
        begin, key, name = at, None, None
        if first == "{":
            name, end = scanstring(text, at + 1, True)
            key = Node(Kind.SCALAR, at, end, style='"')
            at = _skip(text, _skip(text, end) + 1)
        value = _node(text, at)
        children.append(Child(begin, value.end, key, name, value))
        at = _skip(text, value.end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return Node(Kind.MAP if first == "{" else Kind.LIST, start, at + 1, children=children)


class _Writer(FlowWriter):
    def __init__(self, text: str, root: Node, places: Places, go: bool) -> None:
        super().__init__(text, places)
        self.go = go
        indent = _FIRST_INDENT.search(text)
        self.unit = indent[1] if indent else None
        maps = [node for node in root.below() if node.kind is Kind.MAP and node.children]
        key, value = (maps[0].children[0].key, maps[0].children[0].value) if maps else (None, None)
        self.colon = text[key.end : value.start] if key and value else ":"
        if "\n" in self.colon:
            self.colon = ": "
        self.separator = ", " if self.colon.endswith(" ") else ","

    def written(self, value: Any, indent: str | None, like: Node | None = None) -> str:
        unit = None if indent is None else self.unit
        return write(value, indent=unit, at=indent or "", comma=self.separator, colon=self.colon, go=self.go).replace(
            "\n", self.break_
        )

    def written_key(self, key: Any) -> str:
        return (go_string if self.go else _string)(str(key)) + self.colon
