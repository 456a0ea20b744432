"""CEL's error messages in words that help; no value of the VMI or of the input is let through."""

from __future__ import annotations

import re

from ..patterns import pattern

LOCATED = pattern(r"ERROR: <input>:(\d+):(\d+): (.*)")
# the guard of syntax.guard, applied to a map
OVER_MAP = pattern(r"'_\+_' applied to '\(map\(.*, dyn\)|No matching overloads found : _\+_\(map, list\)")

# a type that CEL's checker has made up, or taken from a comparison with null
GUESSED_TYPE = pattern(r"T%\d|null_type")
# the mark of syntax.guard behind a name
BEHIND_NAME = pattern(r"(?<=flatten)__|(?<=lists)__|(?<=regex)__|(?<=replace)__|(?<=split)__")

_NO_ORDER = (
    "`.map`, `.filter` and `.sortBy` over a map would have no order",
    "use `keys(m).map(k, ... m[k] ...)`, which is sorted",
)
_CONVERT = "convert with `string(...)`, `int(...)` or `double(...)`"

# CEL's own words → ours, and what to do
_RUN_TIME: tuple[tuple[str, str, str | None], ...] = (
    ("Iteration budget exceeded", "the expression loops too often", "nest fewer `map`, `filter`, `exists` and `all`"),
    ("invalid regular expression", "the regular expression is not valid RE2", None),
    ("Unimplemented type: 17", "an optional stands where a plain value is needed", "end it with `.orValue(...)`"),
    ("divide by zero", "division by zero", None),
    ("modulus by zero", "division by zero", None),
    ("overflow", "the number does not fit into 64 bits", None),
    ("cannot convert string to int", "the text is no whole number",
     "`quantity('64Mi')` reads Kubernetes quantities; `.matches('^[0-9]+$')` tests first"),
    ("cannot convert string to double", "the text is no number", "`.matches('^[0-9.]+$')` tests first"),
    ("math.@max", "`math.greatest` of an empty list", "test its `size()` first"),
    ("math.@min", "`math.least` of an empty list", "test its `size()` first"),
    ("unrecognized formatting clause", "`format` does not know this clause",
     "there are %s %d %x %X %b %o %e %f and %.3f, without widths"),
    ("is greater than <string>.size()", "a position lies behind the end of the text", "test its `size()` first"),
    ("Applying SELECT to non-message type", "a member is taken of a value that is no map",
     "a key with `.`, `/` or `-` is written in brackets: `annotations['kubevirt.io/foo']`"),
    ("clause can only be used on", "a clause of `format` does not fit its value", "`%s` takes any"),
    ("No matching overloads found : join", "`join` takes a list of texts", "write `.map(x, string(x)).join(',')`"),
    ("No matching overloads found : orValue", "`orValue` ends an optional, and this is a plain value",
     "`m[?'key']` gives an optional"),
    ("<optional>.value() dereferenced", "the optional has no value", "end it with `.orValue(...)`"),
    ("invalid single argument value", "`math.greatest` and `math.least` need numbers", "test its `size()` first"),
    ("list elements must have the same type", "`sort` and `sortBy` need values of one type",
     "convert them: `.map(x, string(x)).sort()`"),
    ("sort(): unsupported type", "`sort` orders texts, numbers, booleans, times and durations",
     "`.sortBy(x, x.key)` orders maps and lists by one of these"),
    ("cannot slice(", "`slice` reaches beyond the list",
     "it takes two positions from 0, the first no larger than the second, that no larger than `size()`"),
    ("index out of range", "a position lies outside the text", "test its `size()` first"),
)  # fmt: skip
# what CEL says where null, too, is of the wrong type
OF_TYPES = pattern(r"^(?:INVALID_ARGUMENT|UNKNOWN)\b|No matching overloads|Applying SELECT|null")
# of its compiler
TOO_DEEP = pattern(r"recursion (?:depth|limit)")
_OURS = pattern(
    r"[A-Z_]+: ((?:annotation|capture|capture, regex|flatten|hex|keys|label|map, filter, sortBy, distinct"
    r"|parseJSON|quantity|range|replace|slice, reverse, sort, split|regex\.\w+|xpath): .*)",
    re.DOTALL,
)


def explain(raw: str, source: str) -> tuple[str, str | None]:
    """A run-time error of the expression ``source`` in words, and what to do."""
    if ours := _OURS.match(raw):
        return ours[1], None
    if missing := re.match(r'NOT_FOUND: Key not found in map : "(.*)"', raw, re.DOTALL):
        key = missing[1]
        if key not in source:
            return "there is no such key in the map", "test with `in`, or write `m[?k].orValue('...')`"
        help = f"test with `'{key}' in ...`, or write `[?'{key}'].orValue('...')` to say what to take without it"
        return f"there is no key `{key}`", help
    if index := re.match(r"[A-Z_]+: Index error: index=(-?\d+) size=(\d+)", raw):
        size = int(index[2])
        holds = "is empty" if size == 0 else "has 1 entry" if size == 1 else f"has {size} entries"
        return (
            f"there is no entry `[{index[1]}]`, the list {holds}",
            f"write `[?{index[1]}].orValue(...)` to go without",
        )
    if OVER_MAP.search(raw):
        return _NO_ORDER
    if types := re.match(
        r"[A-Z_]+: No matching overloads found : "
        r"([\w.@!?+*/<>=%&|:_\[\]-]*\([\w, ().]*\)[\w.()]*|<jump_condition>)",
        raw,
    ):
        if types[1] == "<jump_condition>":
            return "the condition before `?` is no boolean", "compare with `==`, or test with `in`"
        return f"the types do not fit: {_readable(types[1])}", _conversion(types[1])
    if unbound := re.match(r'[A-Z_]+: No value with name "([\w.]+)"', raw):
        return f"`{unbound[1]}` has no value here", None
    for words, message, advice in _RUN_TIME:
        if words in raw:
            return message, advice
    return quiet(raw), None


# a text that is closed on its line, up to a backslash that CEL does not know
_BAD_ESCAPE = pattern(
    r"""(?P<quote>['"])(?:\\(?:[abfnrtv\\?"'`]|[0-3][0-7]{2}|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|[^\\\r\n'"])*"""
    r"(?P<escape>\\.)"
)

_NO_OVERLOAD = "found no matching overload for '"


def explain_static(message: str, source: str, offset: int) -> tuple[str, str | None]:
    """An error of CEL's compiler at an offset of the source in words, and what to do."""
    if OVER_MAP.search(message):
        return _NO_ORDER
    here = source[offset:]
    name, applied, types = message.partition("' applied to '(")
    if applied and name.startswith(_NO_OVERLOAD):
        call = name.removeprefix(_NO_OVERLOAD) + "(" + types.rpartition(")'")[0]
        return f"the types do not fit: {_readable(call + ')')}", _conversion(call)
    if message.startswith("Syntax error: token recognition error"):
        if escape := _BAD_ESCAPE.match(here):
            return (
                f"`{escape['escape']}` is no escape in a text",
                "in a raw text a backslash stands for itself: `r'...'`; or write two of them",
            )
        if here[:1] in ("'", '"'):
            return (
                "the text that begins here is not closed on its line",
                "close it, or write it in triple quotes; in YAML's double quotes `\\n` is a line break for CEL: "
                "write `\\\\n` there; and YAML's `>-` keeps the line breaks around deeper lines",
            )
        if here[:1] == "=":
            return "`=` is not CEL", "compare with `==`"
        if here[:1] == "$":
            return "`$` is XPath's way", "in CEL write `variables.NAME`, `item` or `index`"
    if message.startswith("has() argument must be"):
        return "`has()` asks for a member that is written with a dot", _has_help(source)
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

    return text, help_for(source, offset)


_HAS_KEY = pattern(r"has\(\s*([\w.]+)\[\s*('[^']*'|\"[^\"]*\"|[\w.]+)\s*\]\s*\)")


def _has_help(source: str) -> str:
    if asked := _HAS_KEY.search(source):
        return f"write `{asked[2]} in {asked[1]}`"
    return "write `'key' in map` for a key, `has(map.member)` for a member"


def quiet(raw: str) -> str:
    """Of a message that may hold a value only what kind of error it is."""
    code = re.match(r"([A-Z_]+): ", raw)
    return "the expression cannot be evaluated" + (f" ({code[1].replace('_', ' ').lower()})" if code else "")


def _conversion(call: str) -> str:
    """What to write where the types of a call do not fit, which is given as CEL writes it."""
    if "optional_type" in call:
        return "end the optional with `.orValue(...)`"
    if sides := re.match(r"_[!=]=_\((.*), (.*?)\)?$", call):
        return _unequal(sides[1], sides[2])
    if "null_type" in call:
        return "one of the values is null: say what to take instead, `x == null ? ... : x`"
    if re.match(r"!_\((?!bool)", call):
        return "`!` binds before `in` and `==`: write `!(a in list)`"
    if re.match(r"@?_?in_?\(bool, ", call):
        return "`in`, `==` and `!=` are taken from the left: write `a != b && c in list`, or put one in parentheses"
    if re.match(r"string\((?:map|list)", call):
        return "a list of texts is joined by `.join(',')`; of a map take single members"
    if ".format(" in call or call.startswith("format("):
        return "`format` takes a list: `'%s-%s'.format([a, b])`"
    if re.search(r"\bslice\b", call):
        return "of a list it takes two positions, `slice(from, to)`; of a text write `substring(from, to)`"
    if call.startswith(("contains(list", "contains(map")):
        return "`contains` is of texts; write `x in list`"
    return _CONVERT


_NUMBERS = frozenset({"int", "uint", "double"})


def _unequal(left: str, right: str) -> str:
    kinds = {kind.replace("int64", "int") for kind in (left, right)}
    if "null_type" in kinds:
        return "this is never null; where CEL only guesses that, write `dyn(...)` of it"
    if "bool" in kinds:
        return "compare a text with `'true'`, a boolean with `true`; `a == (b in list)` needs its parentheses"
    if "string" in kinds and kinds & _NUMBERS:
        return "write the number in quotes, or make one of the text: `int(...)`, `quantity(...)`"
    if kinds <= _NUMBERS:
        return "make both the same: `int(...)` or `double(...)`"
    return "values of two types are never equal; `dyn(...)` of one side compares them all the same"


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
