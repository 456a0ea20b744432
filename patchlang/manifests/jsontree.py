"""JSON text to nodes with places, those of :mod:`patchlang.document.yamltree`: what Go's ``encoding/json`` reads."""

from __future__ import annotations

import json
from json.decoder import scanstring  # type: ignore[attr-defined]

from .. import rules
from ..diagnostics import Diagnostic, fail
from ..document.yamltree import Mapping, Node, Scalar, Sequence
from ..patterns import pattern
from ..source import SourceFile, Span

_BLANKS = pattern(r"[ \t\r\n]*")
_ATOM = pattern(r"true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_DEEPEST = 50


def parse(source: SourceFile) -> tuple[Node, list[Diagnostic]]:
    """The value of a JSON text. Strings are scalars that are not ``plain``; all other scalars are.

    Of duplicate keys the last one counts, as in Go; each is a diagnostic. Raises PatchError (PL702) for text that is
    not JSON.
    """
    reader = _Reader(source)
    node, end = reader.value(reader.skip(0), 0)
    if end < len(source.text):
        raise reader.error("extra text after the end of the JSON", end)
    return node, reader.found


class _Reader:
    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.text = source.text
        self.found: list[Diagnostic] = []

    def error(self, message: str, at: int) -> Exception:
        at = min(at, max(0, len(self.text.rstrip()) - 1))
        help = None
        if self.text[at : at + 1] == "'":
            help = "JSON uses double quotes"
        elif message.startswith("a ") and self.text[at : at + 1] in ("]", "}"):
            help = "remove the comma before it"
        return fail(rules.BAD_ANNOTATION, f"not JSON: {message}", Span(self.source, at, at + 1), help)

    def skip(self, at: int) -> int:
        blanks = _BLANKS.match(self.text, at)
        return blanks.end() if blanks else at

    def value(self, at: int, depth: int) -> tuple[Node, int]:
        """The value at ``at``, and where the following text begins."""
        if depth > _DEEPEST:
            raise self.error("nested too deeply", at)
        match self.text[at : at + 1]:
            case '"':
                text, end = self.string(at)
                return Scalar(text, False, Span(self.source, at, end)), self.skip(end)
            case "[":
                return self.sequence(at, depth)
            case "{":
                return self.mapping(at, depth)
            case _:
                atom = _ATOM.match(self.text, at)
                if atom is None:
                    raise self.error("a value is missing here", at)
                return Scalar(atom[0], True, Span(self.source, at, atom.end())), self.skip(atom.end())

    def string(self, at: int) -> tuple[str, int]:
        try:
            text, end = scanstring(self.text, at + 1, True)
        except json.JSONDecodeError as e:
            raise self.error(e.msg[0].lower() + e.msg[1:].removesuffix(" at"), min(e.pos, len(self.text))) from None
        return text, end

    def sequence(self, start: int, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        at = self.skip(start + 1)
        while self.text[at : at + 1] != "]" or items:
            node, at = self.value(at, depth + 1)
            items.append(node)
            if self.text[at : at + 1] == "]":
                break
            at = self.expect(",", at, "`,` or `]` is missing here")
        return Sequence(tuple(items), Span(self.source, start, at + 1)), self.skip(at + 1)

    def mapping(self, start: int, depth: int) -> tuple[Node, int]:
        entries: dict[str, tuple[Scalar, Node]] = {}
        at = self.skip(start + 1)
        while self.text[at : at + 1] != "}" or entries:
            if self.text[at : at + 1] != '"':
                raise self.error("a key in double quotes is missing here", at)
            text, end = self.string(at)
            key = Scalar(text, False, Span(self.source, at, end))
            if text in entries:
                message = f"key `{text}` appears twice"
                self.found.append(Diagnostic(rules.DUPLICATE_KEY, message, key.span, "keep one of them"))
            node, at = self.value(self.expect(":", self.skip(end), "`:` is missing here"), depth + 1)
            entries[text] = (key, node)
            if self.text[at : at + 1] == "}":
                break
            at = self.expect(",", at, "`,` or `}` is missing here")
        return Mapping(tuple(entries.values()), Span(self.source, start, at + 1)), self.skip(at + 1)

    def expect(self, mark: str, at: int, message: str) -> int:
        """Where the text after the mark begins."""
        if self.text[at : at + 1] != mark:
            raise self.error(message, at)
        return self.skip(at + 1)
