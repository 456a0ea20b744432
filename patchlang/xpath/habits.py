"""Habits from other languages, and what XPath 1.0 has instead."""

from __future__ import annotations

from ..patterns import pattern

_SIGNS = {
    "==": "XPath compares with a single `=`",
    "&&": "XPath writes `and`",
    "||": "XPath writes `or`",
    "=~": "XPath 1.0 has no regular expressions: use `contains(…, '…')` or `starts-with(…, '…')`",
    "~=": "XPath 1.0 has no regular expressions: use `contains(…, '…')` or `starts-with(…, '…')`",
    "<>": "XPath writes `!=`",
    "->": "separate steps with `/`",
    "!": "XPath writes `not(…)`",
    "&": "XPath writes `and`",
    "?": "XPath has no optionals: a missing node selects nothing",
    "`": "use `'` or `\"` as quotes",
    "\\": "XPath has no escapes: quote text that contains `'` with `\"`",
    "{": "write a variable as `$name`",
    "%": "write the remainder as `a mod b`",
    ";": "a path does not end in `;`",
}
_FUNCTIONS = {
    "ends-with": "XPath 1.0 lacks it: `substring(a, string-length(a) - string-length(b) + 1) = b`",
    "lower-case": "use `translate(…, 'ABC…', 'abc…')`",
    "upper-case": "use `translate(…, 'abc…', 'ABC…')`",
    "matches": "XPath 1.0 has no regular expressions: use `contains(…, '…')` or `starts-with(…, '…')`",
    "replace": "`translate` replaces characters; `substring-before` and `substring-after` split text",
    "exists": "a path alone tests for existence, as in `[alias]`",
    "empty": "`not(alias)` tests for absence",
    "tokenize": "`substring-before` and `substring-after` split text",
    "string-join": "`concat(a, b)` joins text; CEL has `.join(…)`",
    "min": "compute it in CEL: `math.least(…)`",
    "max": "compute it in CEL: `math.greatest(…)`",
    "if": "a condition is a predicate: `[…]`",
}


_CEL = pattern(r"\s*+(?:!\s*+)?(?:(?:vmi|variables|item|facts|cloudInit)\.|(?:annotation|label|has|xpath)\()")


def help_for(text: str, offset: int) -> str | None:
    """What to write instead of what is at ``offset``, where the parser stopped; None if unclear."""
    if _CEL.match(text):
        return "this is CEL, but a path is XPath: write a condition in CEL as `when`"
    # for a symbol of two characters, the parser may stop at the second one
    here = (text[offset : offset + 2], text[max(0, offset - 1) : offset + 1], text[offset : offset + 1])
    if (found := next((_SIGNS[sign] for sign in here if sign in _SIGNS), None)) is not None:
        return found
    before = text[max(0, offset - 20) : offset].rstrip()
    if not text[offset : offset + 20].strip() and before.endswith("/"):
        return "remove the last `/`"
    if before.endswith("not"):
        return "write it with brackets: `not(…)`"
    if text[offset : offset + 1] == "@" and (before[-1:].isalnum() or before.endswith("]")):
        return "separate the attribute with `/`: `/@name`"
    if text[offset : offset + 20].strip():
        return None
    if before.endswith("@"):
        return "an attribute has a name: `@name`"
    missing = [close for start, close in ("()", "[]") if text.count(start) > text.count(close)]
    return f"`{missing[-1]}` is missing" if missing else "something is missing after the last operator"


def function_help(name: str) -> str | None:
    """What does the work of another language's function."""
    return _FUNCTIONS.get(name.lower())
