"""What other languages call CEL's functions, and what to write instead."""

from __future__ import annotations

from ..diagnostics import closest, did_you_mean

_METHODS = (
    "all charAt contains distinct endsWith exists exists_one filter first format hasValue indexOf join last "
    "lastIndexOf lowerAscii map matches optFlatMap optMap or orValue replace reverse size slice sort sortBy split "
    "startsWith substring trim upperAscii value"
).split()
_GO_WITHOUT = "write `m[?'key'].orValue('...')`"
_GREATEST, _LEAST = "write `math.greatest(list)`", "write `math.least(list)`"
_REPLACE = "write `regex.replace(text, re, new)`"
_NO_SUM = "CEL adds two numbers, `a + b`, but cannot sum a list"
_VALUES = "write `keys(m).map(k, m[k])`"
_HAS_NONE = "CEL does not have this; a script that needs it stays a script"
_REDUCE = "CEL cannot fold a list: use `join`, `math.greatest`, `exists` or `all`"
# by the name in lower case, without `_`
_METHODS_OF_OTHERS = {
    "add": "write `list + [entry]`", "any": "write `exists(x, ...)`", "append": "write `list + [entry]`",
    "asinteger": "`quantity(x)` already gives a whole number", "capitalize": "write `upperAscii()`",
    "concat": "write `a + b`", "containskey": "write `'key' in map`", "count": "write `filter(x, ...).size()`",
    "default": _GO_WITHOUT, "each": "write `map(x, ...)`", "endswith": "write `endsWith(...)`",
    "entries": "write `keys(m).map(k, ... m[k] ...)`", "every": "write `all(x, ...)`",
    "extract": "write `regex.extract(text, re)`",
    "find": "write `indexOf(...)`, or `filter(x, ...)[?0]`", "findall": "write `regex.extractAll(text, re)`",
    "flatten": "write `flatten(list)`, which expands nested lists", "fold": _REDUCE,
    "foreach": "write `map(x, ...)`", "get": _GO_WITHOUT,
    "getordefault": _GO_WITHOUT, "gsub": _REPLACE, "has": "write `'key' in map`",
    "haskey": "write `'key' in map`", "head": "write `first()`",
    "includes": "write `contains(...)`, or `x in list`", "isempty": "write `size() == 0`",
    "items": "write `keys(m).map(k, ... m[k] ...)`", "keys": "write `keys(m)`", "len": "write `size()`",
    "length": "write `size()`", "lower": "write `lowerAscii()`", "lowercase": "write `lowerAscii()`",
    "match": "write `matches(re)`", "max": _GREATEST,
    "min": _LEAST, "push": "write `list + [entry]`", "reduce": _REDUCE,
    "regex": "write `matches(re)`, `regex.extract(text, re)` or `regex.replace(text, re, new)`",
    "replaceall": "`replace(old, new)` replaces all occurrences",
    "some": "write `exists(x, ...)`", "sorted": "write `sort()`", "startswith": "write `startsWith(...)`",
    "strip": "write `trim()`", "sub": _REPLACE, "substr": "write `substring(from, to)`", "sum": _NO_SUM,
    "toint": "write `int(x)`", "tolower": "write `lowerAscii()`", "tolowercase": "write `lowerAscii()`",
    "tonumber": "write `int(x)` or `double(x)`", "tostring": "write `string(x)`", "toupper": "write `upperAscii()`",
    "touppercase": "write `upperAscii()`", "uniq": "write `distinct()`", "unique": "write `distinct()`",
    "upper": "write `upperAscii()`", "uppercase": "write `upperAscii()`", "values": _VALUES,
}  # fmt: skip
_FUNCTIONS_OF_OTHERS = {
    "abs": "write `math.abs(n)`", "any": "write `list.exists(x, ...)`", "b64decode": _HAS_NONE,
    "b64encode": _HAS_NONE, "base64": _HAS_NONE, "boolean": "write `bool(x)`",
    "ceil": "write `math.ceil(n)`", "coalesce": _GO_WITHOUT, "concat": "write `a + b`",
    "count": "write `list.filter(x, ...).size()`", "date": _HAS_NONE,
    "default": _GO_WITHOUT, "env": "declare it in `spec.facts`, then write `facts.env.NAME`",
    "file": "declare it in `spec.facts`, then write `facts.files.NAME`", "float": "write `double(x)`",
    "floor": "write `math.floor(n)`", "fromjson": "write `parseJSON(text)`", "get": _GO_WITHOUT,
    "integer": "write `int(x)`", "len": "write `size(x)`", "length": "write `size(x)`",
    "list": "write `[a, b]`", "lists": "use methods such as `list.sort()`, and `range(n)` and `flatten(list)`",
    "lookup": _HAS_NONE, "lower": "write `text.lowerAscii()`", "match": "write `text.matches(re)`",
    "max": "write `math.greatest(a, b)`", "min": "write `math.least(a, b)`", "nil": "write `null`",
    "none": "write `null`, or `optional.none()`", "now": _HAS_NONE, "number": "write `int(x)` or `double(x)`",
    "print": _HAS_NONE, "printf": "write `'%s'.format([x])`", "rand": _HAS_NONE, "random": _HAS_NONE,
    "regex": "use `regex.extract`, `regex.extractAll`, `regex.replace` or `text.matches(re)`",
    "round": "write `math.round(n)`", "sets": _HAS_NONE, "sorted": "write `list.sort()`",
    "sprintf": "write `'%s'.format([x])`", "sqrt": "write `math.sqrt(n)`", "str": "write `string(x)`",
    "sum": _NO_SUM, "tojson": _HAS_NONE, "tostring": "write `string(x)`", "trim": "write `text.trim()`",
    "undefined": "write `null`; test for a missing member with `has(...)`",
    "upper": "write `text.upperAscii()`", "uuid": _HAS_NONE, "values": _VALUES,
}  # fmt: skip
_CONVERSIONS = ("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint")
# what CEL writes in lower case
_CONSTANTS = ("false", "null", "true")

_OF_VMI = ("metadata", "spec", "status")

NAMESPACES = {
    "lists": (),
    "math": (
        "abs bitAnd bitNot bitOr bitShiftLeft bitShiftRight bitXor ceil floor greatest isFinite isInf isNaN least "
        "round sign sqrt trunc"
    ).split(),
    "optional": ["none", "of", "ofNonZeroValue"],
    "regex": ["extract", "extractAll", "replace"],
    "strings": ["quote"],
}


def method_help(name: str) -> str:
    """What to write instead of a method that does not exist, or not with these arguments."""
    if name == "slice":
        return "a list takes two positions, `slice(from, to)`; for a string write `substring(from, to)`"
    if name in _METHODS:
        return "it takes different arguments, or other types of values"
    if name in _CONVERSIONS:
        return f"it is a function: `{name}(x)`"
    return _METHODS_OF_OTHERS.get(_plain(name)) or did_you_mean(name, _METHODS, "methods")


def member_help(name: str) -> str | None:
    """What to write instead of a member of a list, string or number, if a function without parentheses is meant."""
    return f"it is a method: `.{name}()`" if name in _METHODS else _METHODS_OF_OTHERS.get(_plain(name))


def function_help(name: str, known: list[str]) -> str:
    """What to write instead of a name that does not exist; ``known`` are the existing ones."""
    if name.lower() in (*_CONSTANTS, *_CONVERSIONS) and not name.islower():
        return f"write `{name.lower()}`"
    if other := _FUNCTIONS_OF_OTHERS.get(_plain(name)):
        return other
    if name in _METHODS:
        return f"it is a method: `x.{name}(...)`"
    if name in _OF_VMI:
        return f"write `vmi.{name}`"
    near = closest(name, known)
    return did_you_mean(name, [near] if near else known, "available")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def namespace_help(namespace: str, name: str) -> str:
    """What to write instead of a function that a namespace lacks."""
    known = NAMESPACES[namespace]
    if namespace == "math" and name in _FUNCTIONS_OF_OTHERS:
        return _FUNCTIONS_OF_OTHERS[name]
    near = closest(name, known)
    if near is None and namespace in _FUNCTIONS_OF_OTHERS:
        return _FUNCTIONS_OF_OTHERS[namespace]
    if near is not None:
        return f"did you mean `{namespace}.{near}`?"
    return f"available: {', '.join(f'{namespace}.{one}' for one in known)}"
