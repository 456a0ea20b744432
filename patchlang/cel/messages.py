"""CEL's error messages in helpful words, without any value of the VMI or of the input."""

from __future__ import annotations

import re

from ..patterns import pattern

LOCATED = pattern(r"ERROR: <input>:(\d+):(\d+): (.*)")
# the guard of syntax.guard, applied to a map
OVER_MAP = pattern(r"'_\+_' applied to '\(map\([^']*, dyn\)|No matching overloads found : _\+_\(map, list\)")

# a type that CEL's checker made up, or inferred from a comparison with null
GUESSED_TYPE = pattern(r"T%\d|null_type")
# the mark of syntax.guard after a name
BEHIND_NAME = pattern(r"(?<=flatten)__|(?<=lists)__|(?<=regex)__|(?<=replace)__|(?<=split)__")

_NO_ORDER = (
    "`.map`, `.filter` and `.sortBy` over a map have no defined order",
    "use `keys(m).map(k, ... m[k] ...)`, which is sorted",
)
_LAMBDA = "a variable comes before a comma: `list.filter(x, x.name == 'a')`"
CONVERT = "convert with `string(...)`, `int(...)` or `double(...)`"
"""The help for types that do not match, if nothing more is known."""

# CEL's own words → ours, and what to do
_RUN_TIME: tuple[tuple[str, str, str | None], ...] = (
    ("Iteration budget exceeded", "the expression loops too often", "nest fewer `map`, `filter`, `exists` and `all`"),
    ("invalid regular expression", "the regular expression is not valid RE2", None),
    ("Unimplemented type: 17", "an optional is used where a plain value is needed", "end it with `.orValue(...)`"),
    ("divide by zero", "division by zero", None),
    ("modulus by zero", "division by zero", None),
    ("overflow", "the number does not fit in 64 bits", None),
    ("cannot convert string to int", "the string is not a whole number",
     "use `quantity('64Mi')` for Kubernetes quantities; test first with `.matches('^[0-9]+$')`"),
    ("cannot convert string to double", "the string is not a number", "test first with `.matches('^[0-9.]+$')`"),
    ("math.@max", "`math.greatest` of an empty list", "test its `size()` first"),
    ("math.@min", "`math.least` of an empty list", "test its `size()` first"),
    ("unrecognized formatting clause", "`format` does not know this clause",
     "use %s %d %x %X %b %o %e %f or %.3f, without widths"),
    ("is greater than <string>.size()", "the position is past the end of the string", "test its `size()` first"),
    ("Applying SELECT to non-message type", "the value before `.` is not a map",
     "only a map has members; write a key with `.`, `/` or `-` in brackets: `annotations['kubevirt.io/foo']`"),
    ("clause can only be used on", "a clause of `format` does not fit its value", "`%s` takes any value"),
    ("No matching overloads found : join", "`join` takes a list of strings", "write `.map(x, string(x)).join(',')`"),
    ("No matching overloads found : orValue", "`orValue` takes an optional, not a plain value",
     "`m[?'key']` gives an optional"),
    ("optional.none() dereference", "the optional has no value",
     "end it with `.orValue(...)`, or test first with `.hasValue()`"),
    ("invalid single argument value", "`math.greatest` and `math.least` need numbers", "test its `size()` first"),
    ("list elements must have the same type", "`sort` and `sortBy` need values of the same type",
     "convert them: `.map(x, string(x)).sort()`"),
    ("sort(): unsupported type", "`sort` orders strings, numbers, booleans, times and durations",
     "use `.sortBy(x, x.key)` to order maps and lists by one of these"),
    ("cannot slice(", "`slice` reaches beyond the list",
     "it takes two positions from 0; the first is at most the second, the second at most `size()`"),
    ("index out of range", "the position is outside the string", "test its `size()` first"),
)  # fmt: skip
# CEL's message if null, too, has the wrong type
OF_TYPES = pattern(r"^(?:INVALID_ARGUMENT|UNKNOWN)\b|No matching overloads|Applying SELECT|null")
# from its compiler
TOO_DEEP = pattern(r"recursion (?:depth|limit)")
_OURS = pattern(
    r"[A-Z_]+: ((?:annotation|capture|capture, regex|flatten|hex|keys|label|map, filter, sortBy, distinct"
    r"|parseJSON|quantity|range|replace|slice, reverse, sort, split|regex\.\w+|xpath): .*)",
    re.DOTALL,
)


def explain(raw: str, source: str) -> tuple[str, str | None]:
    """A run-time error of the expression ``source``, explained, and what to do."""
    if ours := _OURS.match(raw):
        return ours[1], None
    if missing := re.match(r'NOT_FOUND: Key not found in map : "(.*)"', raw, re.DOTALL):
        key = missing[1]
        if key not in source:
            return "the map has no such key", "test with `in`, or write `m[?k].orValue('...')`"
        help = f"test with `'{key}' in ...`, or write `[?'{key}'].orValue('...')` to provide a fallback"
        return f"no key `{key}`", help
    if index := re.match(r"[A-Z_]+: Index error: index=(-?\d+) size=(\d+)", raw):
        size = int(index[2])
        holds = "is empty" if size == 0 else "has 1 entry" if size == 1 else f"has {size} entries"
        return (
            f"no entry `[{index[1]}]`: the list {holds}",
            f"write `[?{index[1]}].orValue(...)` to provide a fallback",
        )
    if OVER_MAP.search(raw):
        return _NO_ORDER
    if types := re.match(
        r"[A-Z_]+: No matching overloads found : "
        r"([\w.@!?+*/<>=%&|:_\[\]-]*\([\w, ().]*\)[\w.()]*|<jump_condition>)",
        raw,
    ):
        if types[1] == "<jump_condition>":
            return "the condition before `?` is not a boolean", "compare with `==`, or test with `in`"
        return f"type mismatch: {_readable(types[1])}", _conversion(types[1])
    if unbound := re.match(r'[A-Z_]+: No value with name "([\w.]+)"', raw):
        return f"`{unbound[1]}` has no value here", None
    for words, message, advice in _RUN_TIME:
        if words in raw:
            return message, advice
    return quiet(raw), None


# a string that is closed on its line, up to a backslash escape that CEL does not know
_BAD_ESCAPE = pattern(
    r"""(?P<quote>['"])(?:\\(?:[abfnrtv\\?"'`]|[0-3][0-7]{2}|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|[^\\\r\n'"])*"""
    r"(?P<escape>\\.)"
)

_NO_OVERLOAD = "found no matching overload for '"


def explain_static(message: str, source: str, offset: int) -> tuple[str, str | None]:
    """An error of CEL's compiler at an offset of the source, explained, and what to do."""
    if OVER_MAP.search(message):
        return _NO_ORDER
    here = source[offset:]
    name, applied, types = message.partition("' applied to '(")
    if applied and name.startswith(_NO_OVERLOAD):
        call = name.removeprefix(_NO_OVERLOAD) + "(" + types.rpartition(")'")[0]
        return f"type mismatch: {_readable(call + ')')}", _conversion(call)
    if message.startswith("Syntax error: token recognition error"):
        if escape := _BAD_ESCAPE.match(here):
            return (
                f"`{escape['escape']}` is not a valid escape",
                "a raw string keeps backslashes as they are: `r'...'`; or double the backslash",
            )
        if here[:1] in ("'", '"'):
            return (
                "the string that begins here is not closed on its line",
                "close it, or write it in triple quotes; in YAML's double quotes `\\n` is a line break for CEL: "
                "write `\\\\n` there; YAML's `>-` keeps the line breaks around indented lines",
            )
        if here[:2] == "=>":
            return "`=>` is not CEL", _LAMBDA
        if here[:1] == "=":
            return "`=` is not CEL", "compare with `==`"
        if here[:2] == "$[":
            return "an expression takes CEL without `$[ ]`", "write just the expression"
        if here[:1] == "$":
            return "`$` is XPath syntax", "in CEL, write `variables.NAME`, `item` or `index`"
    if message.startswith("has() argument must be"):
        return "`has()` takes a member written with a dot", _has_help(source)
    if message.startswith("expected type 'optional_type("):
        return "`?` before an entry takes an optional", "write `map[?'key']` or `map.?member`"
    if "invalid single argument value" in message or "simple literal arguments" in message:
        return "`math.greatest` and `math.least` need one or more numbers, or a list of them", None
    text = message.removeprefix("Syntax error: ").replace("<EOF>", "end of the expression")
    text = " ".join(text.split(" expecting ")[0].split())
    for word, help in (
        ("and", "CEL writes `&&`"),
        ("or", "CEL writes `||`"),
        ("not", "CEL writes `!`: `!(a in list)`"),
        ("if", "CEL writes `c ? 'a' : 'b'`"),
    ):
        if f"'{word}'" in text or re.match(rf"{word}\b", here):
            return text, help
    from .habits import help_for

    return text, _LAMBDA if source[:offset].endswith("-") and here[:1] == ">" else help_for(source, offset)


_HAS_KEY = pattern(r"has\(\s*([\w.]+)\[\s*('[^']*'|\"[^\"]*\"|[\w.]+)\s*\]\s*\)")


def _has_help(source: str) -> str:
    if asked := _HAS_KEY.search(source):
        return f"write `{asked[2]} in {asked[1]}`"
    return "write `'key' in map` for a key, `has(map.member)` for a member"


def quiet(raw: str) -> str:
    """Only the kind of error, for a message that may contain a value."""
    code = re.match(r"([A-Z_]+): ", raw)
    return "the expression cannot be evaluated" + (f" ({code[1].replace('_', ' ').lower()})" if code else "")


# a call whose types do not match, in CEL's notation → what to write
_CONVERSIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (pattern(r"^!_\((?!bool)"), "`!` binds tighter than `in` and `==`: write `!(a in list)`"),
    (
        pattern(r"^@?_?in_?\(bool, "),
        "`in`, `==` and `!=` group from the left: write `a != b && c in list`, or add parentheses",
    ),
    (pattern(r"^string\((?:map|list)"), "join a list of strings with `.join(',')`; for a map, name its members"),
    (pattern(r"(?:^|\.)format\("), "`format` takes a list: `'%s-%s'.format([a, b])`"),
    (
        pattern(r"\bslice\b"),
        "a list takes two positions, `slice(from, to)`; for a string write `substring(from, to)`",
    ),
    (pattern(r"^contains\((?:list|map)"), "`contains` is for strings; write `x in list`"),
    (pattern(r"^join\(list"), "`join` takes strings: `.map(x, string(x)).join(',')`"),
    (pattern(r"^@?_?in_?\(.*, string\)?$"), "`in` looks into a list or a map; for a string write `text.contains(x)`"),
    (pattern(r"^_\[_\]\(string, "), "take part of a string with `charAt(0)` or `substring(0, 1)`"),
    (pattern(r"^_\|\|_\(.*, (?!bool)"), "`||` joins conditions; a fallback is written `m[?'key'].orValue('...')`"),
)


def _conversion(call: str) -> str:
    """What to write if the types of a call, in CEL's notation, do not match."""
    if "optional_type" in call:
        return "end the optional with `.orValue(...)`"
    if sides := re.match(r"_[!=]=_\((.*), (.*?)\)?$", call):
        return _unequal(sides[1], sides[2])
    if "null_type" in call:
        return "one of the values is null: provide a fallback, `x == null ? ... : x`"
    return next((help for calls, help in _CONVERSIONS if calls.search(call)), CONVERT)


_NUMBERS = frozenset({"int", "uint", "double"})


def _unequal(left: str, right: str) -> str:
    kinds = {kind.replace("int64", "int") for kind in (left, right)}
    if "null_type" in kinds:
        return "this is never null; if CEL is mistaken about the type, wrap it in `dyn(...)`"
    if "bool" in kinds:
        return "compare a string with `'true'`, a boolean with `true`; `a == (b in list)` needs its parentheses"
    if "string" in kinds and kinds & _NUMBERS:
        return "quote the number, or convert the string: `int(...)`, `quantity(...)`"
    if kinds <= _NUMBERS:
        return "convert one of them: `int(...)` or `double(...)`"
    return "values of different types are never equal; wrap one side in `dyn(...)` to compare them anyway"


def _readable(call: str) -> str:
    """``_+_(string, int64)`` as ``string + int``."""
    call = call.replace("int64", "int")
    name, _, types = call.removesuffix(")").partition("(")
    left, comma, right = types.rpartition(", ")
    if comma and call.endswith(")"):
        if name == "_?_:_" and left.startswith("bool, "):
            return f"the sides of `? :` are {left.removeprefix('bool, ')} and {right}"
        if name == "_[_]":
            return f"`[{right}]` of {left}"
        if operator := re.fullmatch(r"@?(?:_(\W+|in)_|@?(in))", name):
            return f"`{left} {operator[1] or operator[2]} {right}`"
    return f"`{call}`"
