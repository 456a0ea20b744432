"""Objects from JSON of any length: those of a List one by one, or consecutive documents.

Only one object and a piece of the file are in memory, however long the file is.
"""

from __future__ import annotations

import codecs
from collections.abc import Container, Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any, BinaryIO

from ..record import record

_PIECE = 1 << 20
_BLANKS = " \t\r\n"
_DECODER = JSONDecoder()
_DEEP = 100
"""The maximum number of blanks before an object of a List; ``kubectl`` writes eight."""
_NEAR = 16
"""An error this close to the end of what was read may mean that the text is truncated there."""


@record
class Found:
    """An object and its place: its bytes in the file, and the line and column (from 1) of its first character."""

    value: Any
    start: int
    length: int
    line: int
    column: int


class NotJsonError(Exception):
    """The text is not JSON: what is wrong, and the line and column."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def objects(file: BinaryIO, brief: Container[str] = ()) -> Iterator[Found]:
    """The items of a List, or the documents of the file. Raises NotJsonError.

    For an item whose kind is in ``brief``, ``value`` may be just its kind and metadata: the rest is not
    read if it has ``kubectl``'s layout.
    """
    return _Reader(file, brief).documents()


class _Reader:
    def __init__(self, file: BinaryIO, brief: Container[str]) -> None:
        self.file = file
        self.brief = brief
        self.decode = codecs.getincrementaldecoder("utf-8")().decode
        self.text = ""
        self.at = 0
        self.is_all = False
        # of the character up to which everything is counted
        self.counted = 0
        self.offset = 0
        self.line = 1
        self.column = 1

    def documents(self) -> Iterator[Found]:
        self.more()
        while self.skip():
            if self.text[self.at] == "{":
                yield from self.document()
            else:
                value, start, place = self.value()
                yield Found(value, start, self.count() - start, *place)

    def document(self) -> Iterator[Found]:
        """An object, key by key; if ``items`` is one of its lists, the items."""
        start, place = self.count(), (self.line, self.column)
        document: dict[str, Any] = {}
        is_list = False
        self.at += 1
        while self.expected() != "}" or document:
            if self.expected() != '"':
                raise self.error("a key in double quotes is missing here")
            key = self.value()[0]
            self.mark(":")
            if key == "items" and self.expected() == "[":
                is_list = True
                document[key] = None
                yield from self.items()
            else:
                document[key] = self.value()[0]
            if self.expected() == "}":
                break
            self.mark(",")
        self.at += 1
        if not is_list:
            yield Found(document, start, self.count() - start, *place)

    def items(self) -> Iterator[Found]:
        self.mark("[")
        is_first = True
        while self.expected() != "]" or not is_first:
            is_first = False
            value, start, place = self.head() or self.value()
            yield Found(value, start, self.count() - start, *place)
            if self.expected() == "]":
                break
            self.mark(",")
        self.at += 1

    def head(self) -> tuple[Any, int, tuple[int, int]] | None:
        """Kind and metadata of an object that is laid out line by line; None for any other.

        JSON strings do not span lines. So the object ends at the first brace with the same indentation.
        """
        text, at = self.text, self.at
        if not self.brief or text[at + 1 : at + 2] != "\n":
            return None
        begin, inner = text.rfind("\n", max(0, at - _DEEP), at) + 1, text.find('"', at)
        indent, line = text[begin:at], text[at + 1 : inner]
        if begin == 0 or indent.strip() or not line.startswith(f"\n{indent} ") or line.strip():
            return None
        end = text.find(f"\n{indent}}}", at)
        if end < 0:
            return None
        kind, metadata = (text.find(f'{line}"{name}": ', at, end) for name in ("kind", "metadata"))
        if kind < 0 or metadata < 0 or text.count("{", at, end) != text.count("}", at, end) + 1:
            return None
        try:
            value = _DECODER.raw_decode(text, kind + len(line) + len('"kind": '))[0]
            if not isinstance(value, str) or value not in self.brief:
                return None
            data = _DECODER.raw_decode(text, metadata + len(line) + len('"metadata": '))[0]
        except (ValueError, RecursionError):
            return None
        start, place = self.count(), (self.line, self.column)
        self.at = end + len(indent) + 2
        return {"kind": value, "metadata": data}, start, place

    def value(self) -> tuple[Any, int, tuple[int, int]]:
        """The value here, where it starts, and its line and column."""
        self.expected()
        start, place = self.count(), (self.line, self.column)
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                if end < len(self.text) or self.is_all:
                    self.at = end
                    return value, start, place
            except JSONDecodeError as e:
                cut_off = e.msg.startswith("Unterminated string") or e.pos >= len(self.text) - _NEAR
                if self.is_all or not cut_off:
                    self.at = min(e.pos, len(self.text))
                    raise self.error(e.msg[0].lower() + e.msg[1:].removesuffix(" at")) from None
            except RecursionError:
                raise self.error("nested too deeply") from None
            except ValueError:
                raise self.error("a number has too many digits") from None
            self.more()

    def mark(self, mark: str) -> None:
        if self.expected() != mark:
            raise self.error(f"`{mark}` is missing here")
        self.at += 1

    def expected(self) -> str:
        """The next character that is not blank. Raises NotJsonError at the end."""
        if not self.skip():
            raise self.error("the text is truncated here")
        return self.text[self.at]

    def skip(self) -> bool:
        """Advances to the next character that is not blank; False at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _BLANKS:
                self.at += 1
            if self.at < len(self.text):
                return True
            if self.is_all:
                return False
            self.more()

    def more(self) -> None:
        """Reads more: as much as is already buffered, so that a long object is not parsed too often."""
        self.count()
        rest = self.text[self.at :]
        data = self.file.read(max(_PIECE, len(rest)))
        self.is_all = not data
        try:
            self.text = rest + self.decode(data, self.is_all)
        except UnicodeDecodeError:
            raise self.error("not UTF-8 from here on") from None
        self.at = self.counted = 0
        if self.offset == 0 and self.text.startswith("\ufeff"):
            self.text, self.offset = self.text[1:], len(codecs.BOM_UTF8)

    def count(self) -> int:
        """The byte offset of the next character, whose line and column are then known."""
        passed = self.text[self.counted : self.at]
        if passed:
            self.offset += len(passed) if passed.isascii() else len(passed.encode())
            lines = passed.count("\n")
            self.line += lines
            self.column = len(passed) - passed.rfind("\n") if lines else self.column + len(passed)
            self.counted = self.at
        return self.offset

    def error(self, message: str) -> NotJsonError:
        self.count()
        return NotJsonError(message, self.line, self.column)
