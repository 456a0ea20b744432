"""Maps the characters of a YAML scalar to its source: across quotes, escapes, indentation and folded lines."""

from __future__ import annotations

from collections.abc import Iterator

from ..patterns import pattern

_BREAKS = pattern(r"(?:\r?\n[ \t]*)+")
_BLANKS = pattern(r"[ \t]*")
_ESCAPE_LENGTHS = {"x": 4, "u": 6, "U": 10}


def offsets(text: str, raw: str) -> list[int]:
    """For each character of ``text``, and its end, the offset in ``raw``, including quotes or block mark."""
    match raw[:1]:
        case "|":
            return _literal(text, raw)
        case ">":
            return _folded(text, raw)
        case _:
            found = list(_flow(raw))
            if len(found) == len(text):
                end = len(raw) - 1 if raw[:1] in ("'", '"') else len(raw)
                return [*found, max(end, 0)]
            return _stretched(found, len(text), len(raw))


def _literal(text: str, raw: str) -> list[int]:
    """Line by line: whatever precedes a line's text is indentation."""
    at = raw.find("\n") + 1
    result: list[int] = []
    for line in text.split("\n"):
        end = raw.find("\n", at)
        end = len(raw) if end < 0 else end
        stop = end - 1 if raw[end - 1 : end] == "\r" and end > at else end
        start = max(at, stop - len(line))
        result += range(start, start + len(line))
        result.append(min(stop, len(raw)))
        at = min(end + 1, len(raw))
    return [min(offset, len(raw)) for offset in result]


def _folded(text: str, raw: str) -> list[int]:
    """Character by character: a line break is a blank, a line break or nothing in the text."""
    start = raw.find("\n") + 1
    body = raw[start:]
    indent = _indent(body) - _indent(text)
    at = start + _leading(body, indent)
    result: list[int] = []
    for char in text:
        while at < len(raw) and raw[at] != char and (raw[at] == "\r" or (raw[at] == "\n" and char != " ")):
            at = at + 1 if raw[at] == "\r" else at + 1 + _leading(raw[at + 1 : at + 1 + indent], indent)
        result.append(at)
        if at < len(raw):
            at += 1
            if raw[at - 1] == "\n":
                at += _leading(raw[at : at + indent], indent)
    return [*result, min(at, len(raw))]


def _indent(text: str) -> int:
    """The blanks before the first line that has other characters."""
    line = next((line for line in text.split("\n") if line.strip(" \r")), "")
    return len(line) - len(line.lstrip(" "))


def _leading(text: str, most: int) -> int:
    return min(len(text) - len(text.lstrip(" ")), max(most, 0))


def _flow(raw: str) -> Iterator[int]:
    """The offset of each character that a plain or quoted scalar gives."""
    quote = raw[:1] if raw[:1] in ("'", '"') else ""
    at = len(quote)
    end = len(raw) - len(quote)
    while at < end:
        blanks = _BLANKS.match(raw, at, end)
        breaks = _BREAKS.match(raw, blanks.end(), end) if blanks else None
        if breaks:
            places = [place for place in range(breaks.start(), breaks.end()) if raw[place] == "\n"]
            yield from places[1:] or places
            at = breaks.end()
        elif blanks and blanks.end() > at:
            yield from range(at, blanks.end())
            at = blanks.end()
        elif quote == '"' and raw[at] == "\\":
            breaks = _BREAKS.match(raw, at + 1, end)
            if breaks:
                yield from [place for place in range(breaks.start(), breaks.end()) if raw[place] == "\n"][1:]
                at = breaks.end()
            else:
                yield at
                at += _ESCAPE_LENGTHS.get(raw[at + 1 : at + 2], 2)
        else:
            yield at
            at += 2 if quote == "'" and raw.startswith("''", at) else 1


def _stretched(found: list[int], length: int, end: int) -> list[int]:
    """For a form that is not understood (unusual line breaks): every character still has a place."""
    return [*found[:length], *[end] * max(0, length - len(found)), end]
