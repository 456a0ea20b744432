"""Plain data as JSON and PyYAML's safe loader return it: kinds in words, equality, size, a form for CEL.

Maps are dicts, lists are lists; everything else is a scalar (text, numbers, booleans, null, and what YAML 1.1 adds:
dates, times, bytes, sets). Data is never changed in place by this package; it may share parts.
"""

from __future__ import annotations

import datetime
import math
from base64 import b64encode
from typing import Any

MAX_NODES = 50_000
MAX_TEXT = 1 << 20
MAX_DEPTH = 100
ABSENT = object()
"""Stands for an optional without a value, where one is allowed."""
VALUE = 96
"""The average memory of a value in a list or map."""
_MOST_BITS = 14_000  # Python writes no number of more than 4300 digits


class TooBigError(Exception):
    """Data beyond the limits of this module; the message says which one."""


def kind(value: Any) -> str:
    """The kind of a value in words, without the value itself: ``a map``, ``a list``, ``text`` …"""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case dict():
            return "a map"
        case list():
            return "a list"
        case datetime.date():
            return "a date"
        case bytes():
            return "binary data"
        case _:
            return f"a YAML {type(value).__name__}"


def scalar_text(value: Any) -> str | None:
    """A scalar as text, in JSON's form; None for a map, a list or what has no text."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case datetime.date():
            return value.isoformat()
        case _:
            return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same_type(a: Any, b: Any) -> bool:
    """Maps and lists that know their origin (:mod:`patchlang.cloudinit.lineage`) are maps and lists."""
    return type(a) is type(b) or any(isinstance(a, one) and isinstance(b, one) for one in (dict, list))


def equal(a: Any, b: Any) -> bool:
    """Equality of RFC 6902 section 4.6: numbers by value, everything else by kind and content, maps without order."""
    if _is_number(a) and _is_number(b):
        return bool(a == b)
    if not _same_type(a, b):
        return False
    if isinstance(a, dict):
        return len(a) == len(b) and all(key in b and equal(value, b[key]) for key, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def identical(a: Any, b: Any) -> bool:
    """Equality including types: 1, 1.0 and true are three values, also as keys; maps without order.

    Shared parts are not compared, and an edit leaves most of its data shared.
    """
    if a is b:
        return True
    if type(a) is type(b):
        if type(a) is str:
            return bool(a == b)
    elif not _same_type(a, b):
        return False
    if isinstance(a, dict):
        if len(a) != len(b):
            return False
        other = b if all(isinstance(key, str) for key in a) else {freeze(key): item for key, item in b.items()}
        keys = a if other is b else map(freeze, a)
        return all(key in other and identical(item, other[key]) for key, item in zip(keys, a.values(), strict=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    return bool(freeze(a) == freeze(b))


def freeze(value: Any) -> Any:
    """A hashable stand-in: two values have equal stand-ins if they are :func:`identical`."""
    match value:
        case dict():
            return dict, frozenset((freeze(key), freeze(item)) for key, item in value.items())
        case list() | tuple():
            return tuple if isinstance(value, tuple) else list, tuple(freeze(item) for item in value)
        case set():
            return set, frozenset(freeze(item) for item in value)
        case float():
            return float, repr(value)
        case datetime.datetime():
            return type(value), value.isoformat()
        case _:
            return type(value), value


def text_size(text: str | bytes) -> int:
    """The memory of a text: Python takes four bytes for each character if one of them needs that."""
    return len(text) if isinstance(text, bytes) or text.isascii() else 4 * len(text)


def check_size(value: Any) -> int:
    """The memory of a value. Raises TooBigError if it has too many nodes, too much text or is nested too deeply.

    Shared parts count each time: the written size matters, and 22 doubling copies share nearly
    everything. The walk stops at the limit.
    """
    nodes = text = memory = depth = 0
    level = [value]
    while level:
        nodes += len(level)
        below: list[Any] = []
        for item in level:
            if isinstance(item, (str, bytes)):
                text += (length := len(item))
                # as text_size() counts; CEL copies its input
                memory += 2 * length if item.isascii() or isinstance(item, bytes) else 8 * length
            elif isinstance(item, dict):
                below += item
                below += item.values()
            elif isinstance(item, (list, tuple, set)):
                below += item
            elif isinstance(item, int) and item.bit_length() > _MOST_BITS:
                raise TooBigError("a number of more than 4200 digits")
            if nodes + len(below) > MAX_NODES:
                raise TooBigError(f"more than {MAX_NODES} values")
        if text > MAX_TEXT:
            raise TooBigError(f"more than {MAX_TEXT} characters of text")
        if depth > MAX_DEPTH:
            raise TooBigError(f"nested deeper than {MAX_DEPTH}")
        level, depth = below, depth + 1
    return memory + VALUE * nodes


def count(value: Any) -> int:
    """The number of values in a value, including keys; shared ones count each time."""
    found, pending = 0, [value]
    while pending:
        value = pending.pop()
        found += 1
        if isinstance(value, dict):
            pending += value
            pending += value.values()
        elif isinstance(value, (list, tuple, set)):
            pending += value
    return found


def plain(value: Any) -> Any:
    """The value with only JSON types, for CEL: dates as text, bytes as base64, keys as text, sets as lists.

    Integers beyond 64 bits are doubles; anything but a finite double is text.
    """
    match value:
        case dict():
            return {key_text(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case set():
            return sorted((plain(item) for item in value), key=repr)
        case bytes():
            return b64encode(value).decode()
        case datetime.date():
            return value.isoformat()
        case int() if not -(2**63) <= value < 2**63:
            return float(value) if value.bit_length() <= 1000 else "inf" if value > 0 else "-inf"
        case float() if not math.isfinite(value):
            return repr(value)
        case _:
            return value


def key_text(key: Any) -> str:
    """A map's key as text: YAML also has numbers, booleans and dates as keys."""
    text = scalar_text(key)
    return text if text is not None else repr(key)
