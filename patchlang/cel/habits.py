"""What is written in CEL by habit of other languages, where CEL's parser stops, and what CEL has instead."""

from __future__ import annotations

from ..patterns import pattern

_NEAR = 60
# what stands before the place where the parser stops
_BEFORE = (
    (pattern(r"\bnot\s*$"), "CEL writes `!`: `!(a in list)`"),
    (pattern(r"\b[fF]$"), "join texts: `'a-' + x`, or `'a-%s'.format([x])`"),
)
# the same with the first character behind it
_AROUND = (
    (pattern(r"\?\?$"), "write `m.?key.orValue('…')`"),
    (pattern(r"\w\?\.\w*$"), "an optional member is `.?`: `vmi.spec.?hostname.orValue('…')`"),
    (pattern(r"\[[^\[\]]*:$"), "a piece of a text is `.substring(0, 3)`, of a list `.slice(0, 3)`"),
)
_WORDS = {
    "for": "CEL writes `list.map(x, …)` and `list.filter(x, …)`",
    "is": "compare with `==`; whether something is there, ask by `has(…)` or `in`",
    "else": "CEL writes `c ? 'a' : 'b'`",
    "then": "CEL writes `c ? 'a' : 'b'`",
    "`": "texts stand in `'`",
    "{{": "that is Helm's; CEL stands in `$[ ]`",
    "|": "CEL says `||`; what a pipe does, methods do: `x.lowerAscii()`",
    "&": "CEL says `&&`",
    ";": "an expression has no end sign",
    "#": "YAML has comments, CEL none",
    "@": "that is XPath's: read the domain by `xpath('…/@name')`",
}
_ENDS = pattern(r"[-+*/%&|<>=!?:,.(\[{]\s*$")
_OPERAND = pattern(r"['\"\w]")


def help_for(source: str, offset: int) -> str | None:
    """What to write, by what stands where the parser of CEL has stopped; None where nobody can tell."""
    before, here = source[max(0, offset - _NEAR) : offset], source[offset : offset + _NEAR].lstrip()
    for word, help in _WORDS.items():
        if here.startswith(word) and not (word.isalpha() and here[len(word) : len(word) + 1].isalnum()):
            return help
    for habits, text in ((_BEFORE, before), (_AROUND, before + source[offset : offset + 1])):
        for habit, help in habits:
            if habit.search(text):
                return help
    if here:
        return "an operator or a comma is missing before it" if _OPERAND.match(here) else None
    missing = [close for start, close in ("()", "[]", "{}") if source.count(start) > source.count(close)]
    if missing:
        return f"`{missing[0]}` is missing"
    if before.count("?") > before.count(":") and ".?" not in before:
        return "`c ? a : b` has two sides"
    return "something is missing behind the last sign" if _ENDS.search(before) else None
