"""Regular expressions: our ``capture``, and CEL's ``regex`` library with limits. CEL runs all of them with RE2.

The text to search is counted before the call (:func:`.syntax.guard`): CEL keeps what it passes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from ..patterns import pattern
from .evaluation import now

MAX_PATTERN = 1000
_EXTRACT = "regex.extract(text, pattern).optMap(found, [found]).orValue([])"
_EXTRACT_ALL = "regex.extractAll(text, pattern)"
_REPLACE = "regex.replace(text, pattern, put, count)"


def capture(text: str, pattern: str) -> list[str]:
    """The first match and its groups; a group that did not participate is empty."""
    _begin("capture", pattern)
    groups = _capturing_groups(pattern)
    now().search(2 * len(text) * len(groups))
    found = _re2("capture", _EXTRACT, text, _only_group(pattern, groups, None))
    if not found:
        return []
    rest = (_re2("capture", _EXTRACT, text, _only_group(pattern, groups, at)) for at in groups)
    return [found[0], *(one[0] if one else "" for one in rest)]


def extract(text: str, pattern: str) -> list[str]:
    """CEL's ``regex.extract``: the first match or its only group, as a list; empty if nothing matches."""
    _begin("regex.extract", pattern)
    found: list[str] = _re2("regex.extract", _EXTRACT, text, pattern)
    return found


def extract_all(text: str, pattern: str) -> list[str]:
    """CEL's ``regex.extractAll``: the same for every match."""
    _begin("regex.extractAll", pattern)
    now().copy(
        len(_marked("regex.extractAll", text, pattern, "x")) - len(_marked("regex.extractAll", text, pattern, ""))
    )
    found: list[str] = _re2("regex.extractAll", _EXTRACT_ALL, text, pattern)
    return found


_REWRITE = pattern(r"\\([0-9])|\\?[\s\S]")


def replace(text: str, pattern: str, put: str, count: int = -1) -> str:
    """CEL's ``regex.replace``: replaces all matches, or the first ``count``, with ``put``, where \\1 is a group."""
    name = "regex.replace"
    _begin(name, pattern)
    rest = len(_marked(name, text, pattern, "", count))
    matches = len(_marked(name, text, pattern, "x", count)) - rest
    pieces = _REWRITE.findall(put)
    groups = sum(map(bool, pieces))
    # a group is at most as long as its match
    now().search(rest + matches * (len(pieces) - groups) + groups * (len(text) - rest))
    made: str = _re2(name, _REPLACE, text, pattern, put, count)
    return made


def _begin(name: str, pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"{name}: the regular expression is longer than {MAX_PATTERN} characters")


def _marked(name: str, text: str, pattern: str, mark: str, count: int = -1) -> str:
    """The text with ``mark``, one character or none, in place of each match."""
    made: str = _re2(name, _REPLACE, text, pattern, mark, count)
    return made


@lru_cache(maxsize=4)
def _program(expression: str) -> cel.Expression:
    texts = dict.fromkeys(("text", "pattern", "put"), cel.Type.STRING)
    config = cel.NewEnvConfigFromYaml("extensions: [{name: optional}, {name: regex}]")
    return cel.NewEnv(config=config, variables={**texts, "count": cel.Type.INT}).compile(expression)


def _re2(name: str, expression: str, text: str, pattern: str, put: str = "", count: int = 0) -> Any:
    data = {"text": text, "pattern": pattern, "put": put, "count": count}
    value = _program(expression).eval(data=data)
    if value.type().name() == "ERROR":
        raise ValueError(f"{name}: {_why(str(value.value()))}")
    return value.plain_value()


def _why(raw: str) -> str:
    """RE2's error without its quotes from the pattern."""
    if "more than one capturing group" in raw:
        return "the regular expression has several groups; `(?:...)` groups without capturing, `capture` returns all"
    if "invalid replacement" in raw:
        return "the replacement names a missing group; write a group as `\\1` to `\\9`, and double a plain backslash"
    return "the regular expression is not valid RE2"


_REGEX_PIECE = pattern(
    r"\\Q.*?(?:\\E|$)|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*+(?:\]|\Z)|\((?:\?(?:P?<\w+>)?)?", re.DOTALL
)


def _capturing_groups(pattern: str) -> list[int]:
    """The offsets of the parentheses that capture, in RE2's syntax."""
    pieces = ((m.start(), m.group()) for m in _REGEX_PIECE.finditer(pattern))
    return [at for at, piece in pieces if piece == "(" or (piece.startswith("(?") and piece.endswith(">"))]


def _only_group(pattern: str, groups: list[int], keep: int | None) -> str:
    """The pattern with every capturing group but the one at offset ``keep`` made non-capturing."""
    for at in reversed(groups):
        if at != keep:
            named = re.match(r"\(\?P?<\w+>", pattern[at:])
            pattern = f"{pattern[:at]}(?:{pattern[at + (named.end() if named else 1) :]}"
    return pattern
