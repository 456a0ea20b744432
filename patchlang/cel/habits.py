"""Habits from other languages at which CEL's parser stops, and what CEL has instead."""

from __future__ import annotations

from ..patterns import pattern

_NEAR = 60
# what is before the place where the parser stops
_BEFORE = (
    (pattern(r"\bnot\s*$"), "CEL writes `!`: `!(a in list)`"),
    (pattern(r"\b[fF]$"), "join strings: `'a-' + x`, or `'a-%s'.format([x])`"),
)
# the same with the first character after it
_AROUND = (
    (pattern(r"\?[?:]$"), "write `m.?key.orValue('…')`"),
    (pattern(r"\w\?\.\w*$"), "the optional operator is `.?`: `vmi.spec.?hostname.orValue('…')`"),
    (pattern(r"\[[^\[\]]*:$"), "for part of a string use `.substring(0, 3)`, for part of a list `.slice(0, 3)`"),
)
_WORDS = {
    "for": "CEL writes `list.map(x, …)` and `list.filter(x, …)`",
    "is": "compare with `==`; test for presence with `has(…)` or `in`",
    "else": "CEL writes `c ? 'a' : 'b'`",
    "then": "CEL writes `c ? 'a' : 'b'`",
    "`": "strings are quoted with `'`",
    "{{": "that is Helm syntax; CEL goes in `$[ ]`",
    "|": "CEL writes `||`; use methods instead of pipes: `x.lowerAscii()`",
    "&": "CEL writes `&&`",
    ";": "an expression does not end in `;`",
    "#": "CEL has no comments; put them in the YAML",
    "/": "that is XPath syntax: read the domain with `xpath('/domain/…')`",
    "@": "that is XPath syntax: read the domain with `xpath('…/@name')`",
}
_ENDS = pattern(r"[-+*/%&|<>=!?:,.(\[{]\s*$")
_OPERAND = pattern(r"['\"\w]")


def help_for(source: str, offset: int) -> str | None:
    """What to write instead, given where CEL's parser stopped; None if that is unclear."""
    before, here = source[max(0, offset - _NEAR) : offset], source[offset : offset + _NEAR].lstrip()
    for word, help in _WORDS.items():
        if here.startswith(word) and not (word.isalpha() and here[len(word) : len(word) + 1].isalnum()):
            return help
    for habits, text in ((_BEFORE, before), (_AROUND, before + source[offset : offset + 1])):
        for habit, help in habits:
            if habit.search(text):
                return help
    if here[:1] in (")", "]", "}") and before.rstrip().endswith(","):
        return "remove the comma before this"
    if here:
        return "an operator or a comma is missing before this" if _OPERAND.match(here) else None
    missing = [close for start, close in ("()", "[]", "{}") if source.count(start) > source.count(close)]
    if missing:
        return f"`{missing[0]}` is missing"
    if before.count("?") > before.count(":") and ".?" not in before:
        return "`c ? a : b` has two sides"
    return "something is missing after the last operator" if _ENDS.search(before) else None
