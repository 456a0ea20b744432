"""What is written in XPath by habit of other languages, and what XPath 1.0 has instead."""

from __future__ import annotations

_SIGNS = {
    "==": "XPath compares with one `=`",
    "&&": "XPath says `and`",
    "||": "XPath says `or`",
    "=~": "XPath 1.0 has no patterns: `contains(…, '…')`, `starts-with(…, '…')`",
    "~=": "XPath 1.0 has no patterns: `contains(…, '…')`, `starts-with(…, '…')`",
    "<>": "XPath says `!=`",
    "->": "steps are separated by `/`",
    "!": "XPath says `not(…)`",
    "&": "XPath says `and`",
    "?": "XPath has no optionals: what is not there selects nothing",
    "`": "quotes are `'` and `\"`",
    "\\": "there are no escapes: put a text with `'` between `\"`",
    "{": "`$name` is a variable",
    "%": "the remainder is `a mod b`",
    ";": "a path has no end sign",
}
_FUNCTIONS = {
    "ends-with": "XPath 1.0 has no such function: `substring(a, string-length(a) - string-length(b) + 1) = b`",
    "lower-case": "`translate(…, 'ABC…', 'abc…')` makes one letter of another",
    "upper-case": "`translate(…, 'abc…', 'ABC…')` makes one letter of another",
    "matches": "XPath 1.0 has no patterns: `contains(…, '…')`, `starts-with(…, '…')`",
    "replace": "`translate` replaces letters, `substring-before` and `substring-after` take texts apart",
    "exists": "a path alone asks whether there is any, as `[alias]`",
    "empty": "`not(alias)` asks whether there is none",
    "tokenize": "`substring-before` and `substring-after` take texts apart",
    "string-join": "`concat(a, b)` joins texts; CEL has `.join(…)`",
    "min": "compute it in CEL: `math.least(…)`",
    "max": "compute it in CEL: `math.greatest(…)`",
    "if": "a condition is a predicate: `[…]`",
}


def help_for(text: str, offset: int) -> str | None:
    """What to write instead of what stands at ``offset``, where the parser stopped; None where nobody can tell."""
    # of a sign of two characters, the parser may stop at the second one
    here = (text[offset : offset + 2], text[max(0, offset - 1) : offset + 1], text[offset : offset + 1])
    if (found := next((_SIGNS[sign] for sign in here if sign in _SIGNS), None)) is not None:
        return found
    before = text[max(0, offset - 20) : offset].rstrip()
    if not text[offset : offset + 20].strip() and before.endswith("/"):
        return "leave the last `/` out"
    if before.endswith("not"):
        return "write it with brackets: `not(…)`"
    if text[offset : offset + 20].strip():
        return None
    if before.endswith("@"):
        return "an attribute has a name: `@name`"
    missing = [close for start, close in ("()", "[]") if text.count(start) > text.count(close)]
    return f"`{missing[-1]}` is missing" if missing else "something is missing behind the last sign"


def function_help(name: str) -> str | None:
    """What does the work of another language's function."""
    return _FUNCTIONS.get(name.lower())
