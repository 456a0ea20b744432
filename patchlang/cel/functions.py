"""The functions that we add to CEL. Their errors quote no value: it may be a secret of the VMI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cel_expr_python import cel

from ..diagnostics import PatchError
from ..patterns import pattern
from ..strictjson import JsonError, read_for_cel
from . import regex, texts
from .evaluation import now

MAX_RANGE = 1000
SIGNATURES = {
    "parseJSON": "parseJSON(text): the JSON value in a string",
    "quantity": "quantity(text): a Kubernetes quantity such as 512Mi as a whole number, rounded up",
    "annotation": "annotation(key) or annotation(key, default): the value of an annotation of the VMI",
    "label": "label(key) or label(key, default): the value of a label of the VMI",
    "capture": "capture(text, re): RE2; the whole match, then its groups; [] if nothing matches",
    "xpath": "xpath(text) or xpath(text, {name: value}): a list of strings for nodes, else a string, number or boolean",
    "hex": "hex(n, digits): a number in lowercase hexadecimal, padded to that many digits, without 0x",
    "range": "range(n): [0, 1, … n-1]",
    "keys": "keys(map): its keys, sorted",
    "flatten": "flatten(list): nested lists expanded, one level",
}


def _xpath(query: str, values: dict[Any, Any] | None = None) -> Any:
    state = now()
    try:
        return state.bindings.xpath(query, values or {})
    except PatchError as e:
        # a computed query may contain a secret, and so may its error message
        slug = e.diagnostic.rule.slug
        detail = e.diagnostic.message if query in state.source else f"the computed path is refused ({slug})"
        raise ValueError(f"xpath: {detail}") from None


def _parse_json(text: str) -> Any:
    try:
        return read_for_cel(text)
    except JsonError as e:
        raise ValueError(f"parseJSON: {f'not JSON at {e.place} of the string: ' if e.place else ''}{e.what}") from None
    except UnicodeEncodeError:
        raise ValueError("parseJSON: unpaired surrogate") from None
    except RecursionError:
        raise ValueError("parseJSON: nested too deeply") from None


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
        raise ValueError("quantity: does not fit in 64 bits")
    return whole


def _range(count: int) -> list[int]:
    if not 0 <= count <= MAX_RANGE:
        raise ValueError(f"range: takes 0 to {MAX_RANGE}")
    now().range(count)
    return list(range(count))


def _hex(number: int, digits: int) -> str:
    if number < 0 or not 0 <= digits <= 16:
        raise ValueError("hex: takes a number from 0 and up to 16 digits")
    return f"{number:0{digits}x}"


def _keys(mapping: dict[Any, Any]) -> list[Any]:
    if not all(isinstance(k, str) for k in mapping):
        raise ValueError("keys: not all keys of the map are strings")
    return sorted(mapping)


def _flatten(items: list[Any]) -> list[Any]:
    # the library does not free these arguments either
    now().given += [items, *(item for item in items if isinstance(item, list))]
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def _annotation(key: str, *default: str) -> str:
    return _named("annotation", "annotations", key, *default)


def _label(key: str, *default: str) -> str:
    return _named("label", "labels", key, *default)


def _named(function: str, member: str, key: str, *default: str) -> str:
    """The value of an annotation or a label, for which CEL's own ``[?key].orValue(default)`` needs a whole line."""
    state = now()
    found: Any = state.bindings.cel_value("vmi")
    for name in ("metadata", member):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    value = found.get(key) if isinstance(found, dict) else None
    if value is None and default:
        return default[0]
    if value is None:
        none = f"no {function} `{key}`" if key in state.source else f"no {function} with the requested key"
        raise ValueError(f"{function}: the VMI has {none}; use `{function}(KEY, DEFAULT)` if it is optional")
    if not isinstance(value, str):
        raise ValueError(f"{function}: the value is not a string")
    return value


def _declare(name: str, *overloads: cel.Overload) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, list(overloads))


_T = cel.Type
_LIST = _T.List(_T.DYN)
_TEXTS = _T.List(_T.STRING)
_TWO = [_T.STRING, _T.STRING]
_SCALARS = (_T.BOOL, _T.INT, _T.STRING)


def _overload(
    name: str, result: cel.Type, parameters: list[cel.Type], impl: Callable[..., Any], *, is_member: bool = False
) -> cel.Overload:
    """An overload that calls ``impl``. What it gives that may be a list or map is emptied after the evaluation."""

    def giving(*args: Any) -> Any:
        return now().give(impl(*args))

    return cel.Overload(name, result, parameters, is_member=is_member, impl=impl if result in _SCALARS else giving)


FUNCTIONS: dict[str, cel.FunctionDecl] = {
    "parseJSON": _declare("parseJSON", _overload("parseJSON", _T.DYN, [_T.STRING], _parse_json)),
    "quantity": _declare(
        "quantity",
        _overload("quantity_text", _T.INT, [_T.STRING], _quantity),
        _overload("quantity_number", _T.INT, [_T.INT], lambda number: number),
    ),
    "capture": _declare("capture", _overload("capture", _T.List(_T.STRING), [_T.STRING, _T.STRING], regex.capture)),
    "xpath": _declare(
        "xpath",
        _overload("xpath_text", _T.DYN, [_T.STRING], _xpath),
        _overload("xpath_values", _T.DYN, [_T.STRING, _T.Map(_T.STRING, _T.DYN)], _xpath),
    ),
    "hex": _declare("hex", _overload("hex", _T.STRING, [_T.INT, _T.INT], _hex)),
    "range": _declare("range", _overload("range", _T.List(_T.INT), [_T.INT], _range)),
    "keys": _declare("keys", _overload("keys", _T.List(_T.STRING), [_T.Map(_T.DYN, _T.DYN)], _keys)),
    "flatten": _declare("flatten__", _overload("flatten__", _LIST, [_LIST], _flatten)),
    **{
        name: _declare(
            name,
            _overload(f"{name}_key", _T.STRING, [_T.STRING], impl),
            _overload(f"{name}_default", _T.STRING, [_T.STRING, _T.STRING], impl),
        )
        for name, impl in (("annotation", _annotation), ("label", _label))
    },
}
# the functions that :func:`.syntax.guard` puts into an expression
BEHIND = (
    _declare("budget__", _overload("budget__", _T.BOOL, [_T.INT], lambda size: now().square(size))),
    _declare("entries__", _overload("entries__", _T.BOOL, [_T.INT], lambda size: now().copy(size))),
    # twice: for the text and for the result
    _declare("search__", _overload("search__", _T.BOOL, [_T.INT], lambda size: now().search(2 * size))),
    _declare(
        "replace__",
        _overload("replace__", _T.STRING, [_T.STRING, *_TWO], texts.replace, is_member=True),
        _overload("replace__limit", _T.STRING, [_T.STRING, *_TWO, _T.INT], texts.replace, is_member=True),
    ),
    _declare(
        "split__",
        _overload("split__", _TEXTS, _TWO, texts.split, is_member=True),
        _overload("split__limit", _TEXTS, [*_TWO, _T.INT], texts.split, is_member=True),
    ),
    _declare("regex__.extract", _overload("regex__extract", _TEXTS, _TWO, regex.extract)),
    _declare("regex__.extractAll", _overload("regex__extractAll", _TEXTS, _TWO, regex.extract_all)),
    _declare(
        "regex__.replace",
        _overload("regex__replace", _T.STRING, [*_TWO, _T.STRING], regex.replace),
        _overload("regex__replace_count", _T.STRING, [*_TWO, _T.STRING, _T.INT], regex.replace),
    ),
)
