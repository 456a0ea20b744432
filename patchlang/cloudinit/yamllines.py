"""The lines of a YAML text, with Windows, Unix or old Macintosh line breaks."""

from __future__ import annotations

from ..patterns import pattern

_BREAK = pattern(r"\r\n?|\n")
_COMMENT_LINE = pattern(r"(?:\r\n?|\n)(?:[ \t]*+(?:\r\n?|\n))*+( *+)#[^\r\n]*+")


def line_start(text: str, at: int) -> int:
    """Where a place's line begins."""
    size = 128  # looks back step by step, since a text may lack one kind of line break
    while at > 0:
        start = max(0, at - size)
        if found := max(text.rfind("\n", start, at), text.rfind("\r", start, at)) + 1:
            return found
        at, size = start, 2 * size
    return 0


def column(text: str, at: int) -> int:
    return at - line_start(text, at)


def line_end(text: str, at: int) -> tuple[int, int]:
    """Where a place's line ends, before and after its line break."""
    found = _BREAK.search(text, at)
    return (found.start(), found.end()) if found else (len(text), len(text))


def split_lines(text: str) -> list[str]:
    return _BREAK.split(text)


def line_break(text: str) -> str:
    """The line break that most lines of the text have."""
    windows = text.count("\r\n")
    count = {"\n": text.count("\n") - windows, "\r\n": windows, "\r": text.count("\r") - windows}
    return max(count, key=lambda one: count[one])


def foot_end(text: str, at: int, end: int, columns: int) -> int:
    """The end of the comment lines after ``at``, the end of a line, that are indented more than ``columns``."""
    while (found := _COMMENT_LINE.match(text, at, end)) and len(found[1]) > columns:
        at = found.end()
    return at


def shifted_left(lines: list[str], columns: int) -> list[str]:
    """Lines moved to the left, as far as they have blanks."""
    return [line[min(columns, len(line) - len(line.lstrip(" "))) :] for line in lines]


def without_blank_lines(text: str) -> str:
    """Without the blank lines at the beginning."""
    blanks = len(text) - len(text.lstrip())
    return text[line_start(text, blanks) :]
