"""Network data: YAML or JSON, what it means, and how other data is written into it."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..record import replace
from ..strictjson import JsonError
from ..values import TooBigError
from . import jsontext
from .base64gzip import unwrap
from .userdata import NETWORK_DATA, Opened, check_kind, open_yaml, refused
from .yamlread import Read, YamlError, read


def open_network_data(text: str, *, json_when_empty: bool, read: Read = read) -> Opened:
    """Network data for editing: JSON text stays JSON, all other is YAML. Raises PatchError (user-data-format)."""
    try:
        wrapped = unwrap(text, partial(_is_network, read))
    except (TooBigError, ValueError) as e:
        raise refused(f"network data cannot be opened: {e}") from None
    inner = wrapped.text
    if not inner.strip() and json_when_empty:
        opened = Opened({}, lambda new: jsontext.write(new, indent="  ", colon=": "), lambda _new: None)
    elif (value := _json_map(inner)) is not None:
        opened = Opened(value, lambda new: jsontext.rewrite(inner, new, value), lambda _new: None)
    else:
        opened = open_yaml(inner, NETWORK_DATA, dict, read)

    def write(new: Any) -> str:
        check(new)
        return wrapped.close(opened.write(new))

    def check(new: Any) -> None:
        check_kind(new, NETWORK_DATA, dict)
        _check_outer_key(opened.value, new)

    return replace(opened, write=write, check=check)


def _json_map(text: str) -> dict[str, Any] | None:
    try:
        value = jsontext.read(text) if text.lstrip().startswith("{") else None
    except (JsonError, TooBigError):
        return None
    return value if isinstance(value, dict) else None


def _check_outer_key(old: dict[Any, Any], new: dict[Any, Any]) -> None:
    """Raises PatchError where an edit sets keys beside the outer key ``network``: cloud-init reads that one alone."""
    if "network" not in new or len(new) == 1 or ("network" in old and len(old) > 1):
        return
    if "network" in old:
        raise refused(
            "network data has the outer key `network`, and this edit sets a key beside it",
            "write `/network/…`, or take the outer key off in an edit before: "
            '`{op: move, target: networkData, from: /network, path: "", expect: "0..1"}`',
        )
    raise refused(
        "network data has no outer key `network`, and this edit sets one beside the keys there",
        "leave `/network` at the start of the path out",
    )


def _is_network(read: Read, text: str) -> bool:
    try:
        return isinstance(read(text).value, dict)
    except (YamlError, TooBigError):
        return False
