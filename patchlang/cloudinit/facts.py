"""What CEL sees of user data and network data: JSON types, and nothing where text cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..diagnostics import PatchError
from ..values import MAX_NODES, count, plain
from . import networkdata, userdata
from .userdata import Opened
from .userformat import detect
from .yamlread import Read, read


def user_data_facts(text: str, read: Read = read) -> dict[str, Any]:
    """``format``, ``jinja``, unwrapped ``text``, and ``value``, ``parts``."""
    try:
        inner = userdata.unwrapped(text).text
    except PatchError:
        return {"format": "unknown", "jinja": False, "text": text}
    found = detect(inner)
    facts: dict[str, Any] = {"format": found.name, "jinja": found.jinja, "text": inner}
    with suppress(PatchError):
        if (holder := userdata.read_parts(inner, found, read)) is not None:
            facts["parts"] = _parts(holder, read)
    if found.name == "multipart":
        return facts
    return facts | _value(lambda: userdata.open_content(inner, found, "user data", read))


def network_data_facts(text: str, read: Read = read) -> dict[str, Any]:
    """``text``, and ``value`` and ``version``, which may be under a key ``network``."""
    open_it = partial(networkdata.open_network_data, text, json_when_empty=False, read=read)
    facts = {"text": text} | _value(open_it, networkdata.inside)
    version = facts.get("value", {}).get("version")
    return facts | ({"version": version} if isinstance(version, int) and not isinstance(version, bool) else {})


def _value(open_it: Callable[[], Opened], seen: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    try:
        return {"value": plain(seen(open_it().value))}
    except PatchError:
        return {}


def _parts(holder: userdata.Parts, read: Read) -> list[dict[str, Any]]:
    """Once all parts together exceed the number of values allowed, a part has no ``value``."""
    facts: list[dict[str, Any]] = []
    room = MAX_NODES
    for part in holder.parts:
        fact: dict[str, Any] = {"contentType": part.content_type}
        if part.filename is not None:
            fact["filename"] = part.filename
        with suppress(PatchError):
            content, found = userdata.guarded(part.text), userdata.part_format(part)
            fact["text"] = content
            value = userdata.open_content(content, found, "part", read).value
            room -= count(value)
            if room >= 0:
                fact["value"] = plain(value)
        facts.append(fact)
    return facts
