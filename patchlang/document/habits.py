"""Habits from other tools, and the names used here: help for keys, ops and quotes."""

from __future__ import annotations

from collections.abc import Iterable

from ..record import fields
from . import model
from .yamltree import Mapping, Node, Sequence

_OPS = {
    "append": ("add", "ensure"), "assert": ("test",), "assign": ("set", "ensure"), "change": ("set",),
    "create": ("ensure", "add"), "delete": ("remove",), "drop": ("remove",), "insert": ("add", "ensure"),
    "modify": ("set",), "patch": ("merge",), "put": ("ensure", "merge"), "unset": ("remove",),
    "update": ("set", "merge"), "upsert": ("ensure", "merge"), "write": ("set", "ensure"),
}  # fmt: skip

_NO_OBJECT = "a patch is not a Kubernetes object: {} the ConfigMap that carries it"
_METADATA = {
    "namespace": _NO_OBJECT.format("set the namespace of"),
    "labels": _NO_OBJECT.format("put labels on"),
    "annotations": _NO_OBJECT.format("put annotations on"),
}

_CONTENT = ("value", "xml")


def op_hint(name: str, ops: Iterable[str]) -> str | None:
    """The ops that do what another tool's op of this name does; None if the name is unknown."""
    found = [f"`{op}`" for op in _OPS.get(name.lower(), ()) if op in ops]
    return f"use {' or '.join(found)} here" if found else None


def key_hint(cls: type, key: str) -> str | None:
    """What a key that a model class lacks is probably meant to be; None if it is not a known habit."""
    if cls is model.Metadata:
        return _METADATA.get(key)
    ops = next((ops for ops in (model.DOMAIN_OPS, model.CLOUD_INIT_OPS) if cls in ops.values()), None)
    if ops is None or key not in _CONTENT:
        return None
    own = next((one for one in _CONTENT if _takes(cls, one)), None)
    others = [f"`{name}`" for name, other in ops.items() if _takes(other, key)]
    if not others:
        return None
    op = next(name for name, other in ops.items() if other is cls)
    instead = f"`{op}` takes `{own}`; " if own else ""
    return f"{instead}`{key}` is for {', '.join(others[:-1])}{' and ' if others[1:] else ''}{others[-1]}"


def _takes(cls: type, key: str) -> bool:
    return any(field.name == key for field in fields(cls))


def unquoted_hint(node: Node) -> str | None:
    """For a list or map in brackets where text is expected: it began as an expression, and was read as YAML."""
    written = node.span.source.text[node.span.start : node.span.start + 1]
    if isinstance(node, Mapping | Sequence) and written in ("{", "["):
        return f"`{written}` at the start has a meaning in YAML: quote the whole text"
    return None
