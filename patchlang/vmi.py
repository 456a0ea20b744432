"""KubeVirt's other input besides the domain: the VMI, checked on every call."""

from __future__ import annotations

from typing import Any

from . import rules
from .diagnostics import Diagnostic, PatchError, fail
from .strictjson import JsonError, read_for_cel


def parse_vmi(vmi: bytes) -> dict[str, Any]:
    """The VMI as KubeVirt sends it: a JSON object. ``metadata.annotations`` and ``.labels`` are always maps in it.

    Raises PatchError (PL504); its message quotes no value of the VMI.
    """
    try:
        data = read_for_cel(vmi.decode())
    except UnicodeDecodeError as e:
        raise fail(rules.BAD_VMI, f"the VMI is not UTF-8 (byte {e.start})") from None
    except UnicodeEncodeError:
        raise fail(rules.BAD_VMI, "the VMI is not JSON: unpaired surrogate") from None
    except RecursionError:
        raise fail(rules.BAD_VMI, "the VMI cannot be read: nested too deeply") from None
    except JsonError as e:
        said = f"is not JSON: {e.what} at {e.place}" if e.place else f"cannot be read: {e.what}"
        raise fail(rules.BAD_VMI, f"the VMI {said}") from None
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


def check_vmi(vmi: bytes) -> Diagnostic | None:
    """What is wrong with a VMI, None if nothing is."""
    try:
        parse_vmi(vmi)
    except PatchError as e:
        return e.diagnostic
    return None
