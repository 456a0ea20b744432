"""The YAML keys of the model's classes."""

from __future__ import annotations

from functools import cache
from typing import Any, get_type_hints

from ..record import Field, fields


def yaml_key(field: Field) -> str:
    """The YAML key of a model field: its own, or its Python name in camel case."""
    head, *tail = field.name.split("_")
    return field.key or head + "".join(part.capitalize() for part in tail)


@cache
def model_fields(cls: Any) -> dict[str, tuple[Field, Any]]:
    """YAML key → (field, its type), in order, without ``span``, which is a place and not a key."""
    hints = get_type_hints(cls)
    return {yaml_key(f): (f, hints[f.name]) for f in fields(cls) if f.name != "span"}
