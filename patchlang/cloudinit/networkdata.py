"""Network data: YAML or JSON, what it means, and how other data is written to it.

All of it may be under a key ``network``; then cloud-init only uses its value. Edits and expressions see that value.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ..record import replace
from ..strictjson import JsonError
from ..values import TooBigError
from . import jsontext, lineage
from .base64gzip import unwrap
from .pointer import Key, Pointer
from .userdata import NETWORK_DATA, Opened, check_kind, open_yaml
from .userformat import refused
from .yamlread import Read, YamlError, read

_OUTER = "network"


def is_wrapped(data: dict[Any, Any]) -> bool:
    """Whether cloud-init reads network data from under the outer key."""
    return _OUTER in data and (data[_OUTER] is None or isinstance(data[_OUTER], dict))


def inside(data: dict[Any, Any]) -> Any:
    """What cloud-init reads of network data."""
    return (data[_OUTER] or {}) if is_wrapped(data) else data


def with_inside(data: dict[Any, Any], new: Any) -> Any:
    """Network data with other data inside; if it has the outer key, the one in ``new`` does not become a second one."""
    if not is_wrapped(data):
        return new
    check_kind(new, NETWORK_DATA, dict)
    if is_wrapped(new):
        _check_beside(new)
        new = new[_OUTER]
    return lineage.follow(data, {**data, _OUTER: new}, "replace", _OUTER)


def pointer_inside(data: dict[Any, Any], pointer: Pointer) -> Pointer:
    """A pointer into the inner data: if it names the existing outer key, it begins after it."""
    first = pointer.tokens[0] if pointer.tokens else None
    if isinstance(first, Key) and first.text == _OUTER and is_wrapped(data):
        return replace(pointer, tokens=pointer.tokens[1:])
    return pointer


def open_network_data(text: str, *, json_when_empty: bool, read: Read = read) -> Opened:
    """Network data for editing: JSON text stays JSON, everything else is YAML. Raises PatchError (user-data-format)."""
    try:
        wrapped = unwrap(text, partial(_is_network, read))
    except (TooBigError, ValueError) as e:
        raise refused(f"cannot open network data: {e}") from None
    inner = wrapped.text
    if not inner.strip() and json_when_empty:
        opened = Opened({}, lambda new: jsontext.write(new, indent="  ", colon=": "), lambda _new: None)
    elif (value := _json_map(inner)) is not None:
        opened = Opened(value, lambda new: jsontext.rewrite(inner, new, value), lambda _new: None)
    else:
        opened = open_yaml(inner, NETWORK_DATA, dict, read)

    def write(new: Any) -> str:
        check(new)
        if new.get(_OUTER) == {} and opened.value.get(_OUTER, {}) is None:
            new = {**new, _OUTER: None}
        return wrapped.close(opened.write(new))

    def check(new: Any) -> None:
        check_kind(new, NETWORK_DATA, dict)
        if _OUTER not in opened.value:
            _check_beside(new)

    return replace(opened, write=write, check=check)


def _json_map(text: str) -> dict[str, Any] | None:
    try:
        value = jsontext.read(text) if text.lstrip().startswith("{") else None
    except (JsonError, TooBigError):
        return None
    return value if isinstance(value, dict) else None


def _check_beside(new: dict[Any, Any]) -> None:
    """Raises PatchError if an edit sets the outer key next to other keys: cloud-init would only read its value."""
    if _OUTER in new and len(new) > 1:
        raise refused(
            "network data cannot have `network` next to other keys, and this edit sets it",
            "remove `network` from the start of the path, or from the value",
        )


def _is_network(read: Read, text: str) -> bool:
    try:
        return isinstance(read(text).value, dict)
    except (YamlError, TooBigError):
        return False
