"""The functions that CEL gets from us. Their errors name no value: it may be a secret of the VMI."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from ..diagnostics import PatchError
from ..patterns import pattern
from ..record import record
from ..run_scope import Bindings
from ..strictjson import JsonError, read_for_cel

MAX_RANGE = 1000
# of all ranges that one expression makes: in a loop each of them costs memory until the expression has its value
MAX_RANGES = 100_000
# CEL builds the outcome of `map` and `filter` by copying it for every entry: n entries cost about 16 n² bytes
MAX_SQUARED = 1_500_000

SIGNATURES = {
    "parseJSON": "parseJSON(text): the JSON value in a text",
    "quantity": "quantity(text): a Kubernetes quantity such as 512Mi as a whole number, rounded up",
    "capture": "capture(text, re): RE2; the whole match, then its groups; [] without a match",
    "xpath": "xpath(text) or xpath(text, {name: value}): a list of texts for nodes, else a text, number or boolean",
    "hex": "hex(n, digits): a number in lower-case hexadecimal digits, at least so many, without 0x",
    "range": "range(n): [0, 1, … n-1]",
    "keys": "keys(map): its keys, sorted",
    "flatten": "flatten(list): lists inside it opened, one level",
}


@record(frozen=False)
class _Evaluation:
    """Of the expression that is being evaluated: its values, its text, and what it has used of its budgets."""

    bindings: Bindings
    source: str
    squared: int = 0
    ranges: int = 0


_now: ContextVar[_Evaluation] = ContextVar("_now")


@contextmanager
def evaluating(bindings: Bindings, source: str) -> Iterator[None]:
    """Within it, ``xpath`` asks these bindings for the expression ``source``, and the budgets are fresh."""
    before = _now.set(_Evaluation(bindings, source))
    try:
        yield
    finally:
        _now.reset(before)


def _xpath(query: str, values: dict[Any, Any] | None = None) -> Any:
    state = _now.get()
    try:
        return state.bindings.xpath(query, values or {})
    except PatchError as e:
        # a query that is computed may hold a secret, and so may what is said of it
        slug = e.diagnostic.rule.slug
        detail = e.diagnostic.message if query in state.source else f"the computed path is refused ({slug})"
        raise ValueError(f"xpath: {detail}") from None


def _budget(size: int) -> bool:
    state = _now.get()
    state.squared += size * size
    if state.squared > MAX_SQUARED:
        raise ValueError(f"map, filter: too many entries, about {int(MAX_SQUARED**0.5)} are possible in one expression")
    return True


def _parse_json(text: str) -> Any:
    try:
        return read_for_cel(text)
    except JsonError as e:
        raise ValueError(f"parseJSON: {f'not JSON at {e.place} of the text: ' if e.place else ''}{e.what}") from None
    except UnicodeEncodeError:
        raise ValueError("parseJSON: half of a surrogate pair stands alone") from None
    except RecursionError:
        raise ValueError("parseJSON: nested too deep") from None


# k8s.io/apimachinery/pkg/api/resource/suffix.go
_SUFFIXES: dict[str, int | str] = {
    "": 1, "n": "1e-9", "u": "1e-6", "m": "1e-3", "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "E": 10**18, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = pattern(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)")


def _quantity(value: str) -> int:
    from decimal import ROUND_CEILING, Decimal

    found = _QUANTITY.fullmatch(value) if len(value) <= 64 else None
    if not found:
        raise ValueError("quantity: not a Kubernetes quantity; write 512Mi, 2G, 100m or 1e3")
    number = Decimal(found[1] + (found[2] or "")) * Decimal(_SUFFIXES[found[3] or ""])
    whole = int(number.to_integral_value(ROUND_CEILING))
    if not -(2**63) <= whole < 2**63:
        raise ValueError("quantity: beyond 64 bits")
    return whole


def _range(count: int) -> list[int]:
    if not 0 <= count <= MAX_RANGE:
        raise ValueError(f"range: takes 0 to {MAX_RANGE}")
    state = _now.get()
    state.ranges += count
    if state.ranges > MAX_RANGES:
        raise ValueError(f"range: more than {MAX_RANGES} numbers in one expression")
    return list(range(count))


def _hex(number: int, digits: int) -> str:
    if number < 0 or not 0 <= digits <= 16:
        raise ValueError("hex: takes a number from 0 and up to 16 digits")
    return f"{number:0{digits}x}"


def _keys(mapping: dict[Any, Any]) -> list[Any]:
    if not all(isinstance(k, str) for k in mapping):
        raise ValueError("keys: the keys of the map are not all texts")
    return sorted(mapping)


def _flatten(items: list[Any]) -> list[Any]:
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def _capture(text: str, pattern: str) -> list[str]:
    if len(pattern) > 1000:
        raise ValueError("capture: the regular expression is longer than 1000 characters")
    groups = _capturing_groups(pattern)
    whole = _extract(text, _only_group(pattern, groups, None))
    if whole is None:
        return []
    return [whole, *(_extract(text, _only_group(pattern, groups, at)) or "" for at in groups)]


@lru_cache(maxsize=1)
def _extractor() -> cel.Expression:
    config = cel.NewEnvConfigFromYaml("extensions: [{name: optional}, {name: regex}]")
    env = cel.NewEnv(config=config, variables={"text": cel.Type.STRING, "pattern": cel.Type.STRING})
    return env.compile("regex.extract(text, pattern).hasValue() ? [regex.extract(text, pattern).value()] : []")


def _extract(text: str, pattern: str) -> str | None:
    """RE2's first match of a pattern with at most one group, by CEL's own regex extension."""
    value = _extractor().eval(data={"text": text, "pattern": pattern})
    if value.type().name() == "ERROR":
        raise ValueError("capture: the regular expression is not valid RE2")
    found: list[str] = value.plain_value()
    return found[0] if found else None


_REGEX_PIECE = pattern(
    r"\\Q.*?(?:\\E|$)|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\]|\((?:\?(?:P?<\w+>)?)?", re.DOTALL
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


def _declare(name: str, *overloads: cel.Overload) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, list(overloads))


_T = cel.Type
_LIST = _T.List(_T.DYN)
FUNCTIONS: dict[str, cel.FunctionDecl] = {
    "parseJSON": _declare("parseJSON", cel.Overload("parseJSON", _T.DYN, [_T.STRING], impl=_parse_json)),
    "quantity": _declare(
        "quantity",
        cel.Overload("quantity_text", _T.INT, [_T.STRING], impl=_quantity),
        cel.Overload("quantity_number", _T.INT, [_T.INT], impl=lambda number: number),
    ),
    "capture": _declare("capture", cel.Overload("capture", _T.List(_T.STRING), [_T.STRING, _T.STRING], impl=_capture)),
    "xpath": _declare(
        "xpath",
        cel.Overload("xpath_text", _T.DYN, [_T.STRING], impl=_xpath),
        cel.Overload("xpath_values", _T.DYN, [_T.STRING, _T.Map(_T.STRING, _T.DYN)], impl=_xpath),
    ),
    "hex": _declare("hex", cel.Overload("hex", _T.STRING, [_T.INT, _T.INT], impl=_hex)),
    "range": _declare("range", cel.Overload("range", _T.List(_T.INT), [_T.INT], impl=_range)),
    "keys": _declare("keys", cel.Overload("keys", _T.List(_T.STRING), [_T.Map(_T.DYN, _T.DYN)], impl=_keys)),
    "flatten": _declare("flatten", cel.Overload("flatten", _LIST, [_LIST], impl=_flatten)),
    "budget__": _declare("budget__", cel.Overload("budget__", _T.BOOL, [_T.INT], impl=_budget)),
}
