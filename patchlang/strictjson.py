"""JSON text to data (RFC 8259), without the extensions of Python's reader: `NaN` and `Infinity`."""

from __future__ import annotations

import math
import re
from json import JSONDecodeError, JSONDecoder
from typing import Any

MAX_VALUES = 50_000
"""Limit per text: two of its bytes become a hundred in memory."""
# an unclosed string extends to the end, and is not tried again from each quote in it
_MARK = r'(?s)"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{,]'


class JsonError(ValueError):
    """Text that cannot be read: what is wrong, without quoting it, and the ``place`` where the syntax is broken."""

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(f"{what[0].lower()}{what[1:]} in {place}" if place else what)
        self.what = what
        self.place = place


class TooManyValuesError(JsonError):
    """More than :data:`MAX_VALUES`."""


def read_strict(text: str) -> Any:
    """The data of a JSON text; the last of duplicate keys wins, as in Go.

    Raises JsonError, RecursionError.
    """
    return _read(_DATA, text)


def read_for_cel(text: str) -> Any:
    """The data of a JSON text, as CEL can hold it: an integer beyond 64 bits is a double.

    Raises JsonError, RecursionError, and UnicodeEncodeError for an unpaired surrogate.
    """
    data = _read(_CEL, text)
    if "\\u" in text:
        _check_texts(data)
    return data


def _read(decoder: JSONDecoder, text: str) -> Any:
    if text.startswith("\ufeff"):
        raise JsonError("Unexpected byte order mark", "line 1, column 1")
    _count_values(text)
    try:
        return decoder.decode(text)
    except JSONDecodeError as e:
        raise JsonError(e.msg, f"line {e.lineno}, column {e.colno}") from None
    except JsonError:
        raise
    except ValueError:
        raise JsonError("a number has too many digits") from None


def _count_values(text: str) -> None:
    """Counted before they are made. Raises TooManyValuesError."""
    # the densest text, `[[],[],…]`, has two marks in three characters
    if 2 * len(text) <= 3 * MAX_VALUES or sum(map(text.count, "[{,")) < MAX_VALUES:
        return
    values = 1
    for mark in re.finditer(_MARK, text):
        values += mark[0][0] != '"'
        if values > MAX_VALUES:
            raise TooManyValuesError(f"it has more than {MAX_VALUES} values")


def _check_texts(data: Any) -> None:
    """What JSON can escape but CEL cannot hold."""
    match data:
        case str():
            data.encode()
            if "\0" in data:
                raise JsonError("a string contains U+0000")
        case dict():
            for key, value in data.items():
                _check_texts(key)
                _check_texts(value)
        case list():
            for value in data:
                _check_texts(value)


def _no_constant(word: str) -> Any:
    raise JsonError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise JsonError("a number does not fit in a double")
    return value


def _cel_integer(digits: str) -> int | float:
    if len(digits) < 19:
        return int(digits)
    value = float(digits)
    return int(digits) if abs(value) < 2**63 else value


_DATA = JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_CEL = JSONDecoder(parse_constant=_no_constant, parse_int=_cel_integer)
