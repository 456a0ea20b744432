"""What cloud-init data says, without its layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...cloudinit.state import open_cloud_init

TEXTS = {"UserData": "userData", "NetworkData": "networkData"}


def meaning(data: bytes) -> dict[str, Any]:
    """The content of cloud-init data, without its layout. Raises PatchError."""
    found = open_cloud_init(data)
    facts = found.facts()
    known = {key: value for key, value in found.record.items() if key not in TEXTS}
    said = {name: said_of(facts.get(name) or {}) for name in TEXTS.values()}
    return {**known, **said}


def said_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts about a text that is parsed, without its layout."""
    if "value" in facts:
        return {key: value for key, value in facts.items() if key != "text"}
    if "parts" in facts:
        parts = [{k: v for k, v in part.items() if k != "text" or "value" not in part} for part in facts["parts"]]
        return {**{key: value for key, value in facts.items() if key != "text"}, "parts": parts}
    return dict(facts)
