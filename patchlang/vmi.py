"""What comes from KubeVirt besides the domain: the VMI, checked on every call."""

from __future__ import annotations

import json
from typing import Any

from . import rules
from .diagnostics import Diagnostic, PatchError, fail


def cel_integer(digits: str) -> int | float:
    """What CEL can hold: beyond 64 bits a number is a double."""
    if len(digits) < 19:
        return int(digits)
    value = float(digits)
    return int(digits) if abs(value) < 2**63 else value


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=cel_integer)


def parse_vmi(vmi: bytes) -> dict[str, Any]:
    """The VMI as KubeVirt sends it: a JSON object. ``metadata.annotations`` and ``.labels`` are always maps in it.

    Raises PatchError (PL504); its message holds no value of the VMI.
    """
    try:
        data = _DECODER.decode(vmi.decode())
        if b"\\u" in vmi:
            check_texts(data)
    except UnicodeDecodeError as e:
        raise fail(rules.BAD_VMI, f"the VMI is not UTF-8 (byte {e.start})") from None
    except UnicodeEncodeError:
        raise fail(rules.BAD_VMI, "the VMI is not JSON: half of a surrogate pair stands alone") from None
    except json.JSONDecodeError as e:
        raise fail(rules.BAD_VMI, f"the VMI is not JSON: {e.msg} at line {e.lineno}, column {e.colno}") from None
    except (ValueError, RecursionError) as e:
        message = "nested too deep" if isinstance(e, RecursionError) else str(e)
        raise fail(rules.BAD_VMI, f"the VMI cannot be read: {message}") from None
    if not isinstance(data, dict):
        raise fail(rules.BAD_VMI, "the VMI is not a JSON object")
    metadata = data.setdefault("metadata", {})
    if metadata is None:
        metadata = data["metadata"] = {}
    if not isinstance(metadata, dict):
        raise fail(rules.BAD_VMI, "`metadata` of the VMI is not an object")
    for name in ("annotations", "labels"):
        value = metadata.get(name)
        if value is None:
            metadata[name] = {}
        elif not isinstance(value, dict):
            raise fail(rules.BAD_VMI, f"`metadata.{name}` of the VMI is not an object")
    return data


def check_texts(data: Any) -> None:
    """What JSON can escape and CEL cannot hold. Raises UnicodeEncodeError, ValueError."""
    match data:
        case str():
            data.encode()
            if "\0" in data:
                raise ValueError("a text holds U+0000")
        case dict():
            for key, value in data.items():
                check_texts(key)
                check_texts(value)
        case list():
            for value in data:
                check_texts(value)


def check_vmi(vmi: bytes) -> Diagnostic | None:
    """What is wrong with a VMI, None where nothing is."""
    try:
        parse_vmi(vmi)
    except PatchError as e:
        return e.diagnostic
    return None
