"""Habits from other tools, and the names used here: help for keys, ops and quotes."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map

from ..record import fields
from . import model
from .keys import yaml_key
from .yamltree import Mapping, Node, Sequence

_OPS = {
    "append": ("add", "ensure"), "assert": ("test",), "assign": ("set", "ensure"), "change": ("set",),
    "create": ("ensure", "add"), "delete": ("remove",), "drop": ("remove",), "insert": ("add", "ensure"),
    "modify": ("set",), "patch": ("merge",), "put": ("ensure", "merge"), "unset": ("remove",),
    "update": ("set", "merge"), "upsert": ("ensure", "merge"), "write": ("set", "ensure"),
}  # fmt: skip

# ops of the domain → what does the same in cloud-init data
_OF_JSON = {"rename": ("move",), "set": ("replace", "ensure")}

_NO_OBJECT = "a patch is not a Kubernetes object: {} the ConfigMap that carries it"
_METADATA = {
    "namespace": _NO_OBJECT.format("set the namespace of"),
    "labels": _NO_OBJECT.format("put labels on"),
    "annotations": _NO_OBJECT.format("put annotations on"),
}

_CONTENT = ("value", "xml")
_KEYS = {
    "condition": "when", "each": "forEach", "for": "forEach", "if": "when", "items": "forEach", "loop": "forEach",
    "optional": 'expect: "0..1"', "only": "when", "required": "expect", "selector": "path", "with_items": "forEach",
}  # fmt: skip
_MOST_OPS = 4
_ELSEWHERE = {"qemuArgs": "domain", "within": "domain", "addPart": "cloudInit"}


def op_hint(name: str, ops: Iterable[str]) -> str | None:
    """The ops that do what another tool's op of this name does; None if the name is unknown."""
    if name in _ELSEWHERE:
        return f"`{name}` is an op of `{_ELSEWHERE[name]}`"
    found = [f"`{op}`" for op in (*_OPS.get(name.lower(), ()), *_OF_JSON.get(name, ())) if op in ops]
    return f"use {' or '.join(found)} here" if found else None


def missing_op_hint(keys: Iterable[str], ops: Iterable[str]) -> str | None:
    """For an edit without ``op``: one of its keys may be the op."""
    return next((f"write `op: {key}`" for key in keys if key in ops), None)


def key_hint(cls: type, key: str, node: Node | None = None) -> str | None:
    """What a key that a model class lacks is probably meant to be; None if it is not a known habit.

    ``node`` is the map with the key.
    """
    if node is not None and (slip := _yaml_slip(key, node)):
        return slip
    if cls is model.Metadata:
        return _METADATA.get(key)
    if cls is model.Variable:
        if key == "value":
            return "write `expression`"
        is_short = isinstance(node, Mapping) and not any(_takes(cls, name.text) for name, _ in node.entries)
        return "write `{name: …, expression: …}`" if is_short else None
    if cls is model.Patch:
        return f"`{key}` belongs in `spec`" if _takes(model.Spec, key) else None
    if cls is model.Spec:
        return _in_spec(key)
    ops = next((ops for ops in (model.DOMAIN_OPS, model.CLOUD_INIT_OPS) if cls in ops.values()), None)
    if ops is None:
        return None
    op = next(name for name, other in ops.items() if other is cls)
    if key == "to" and op in ("copy", "move"):
        return "`from` selects what to take, and `path` is where it goes"
    if key in _KEYS:
        return f"write `{_KEYS[key]}`"
    if op == "test" and key == "value":
        return "put the value into the path, `…[.='value']`, or write an `expression`"
    return _of_other_ops(ops, op, key)


def _of_other_ops(ops: Map[str, type], op: str, key: str) -> str | None:
    others = [f"`{name}`" for name, other in ops.items() if _takes(other, key)]
    if not others or len(others) > _MOST_OPS:
        return None
    own = next((one for one in _CONTENT if _takes(ops[op], one)), None) if key in _CONTENT else None
    instead = f"`{op}` takes `{own}`; " if own else ""
    return f"{instead}`{key}` is for {', '.join(others[:-1])}{' and ' if others[1:] else ''}{others[-1]}"


def _in_spec(key: str) -> str | None:
    if key == "edits":
        return "write the edits in `domain` or `cloudInit`"
    edits = (*model.DOMAIN_OPS.values(), *model.CLOUD_INIT_OPS.values())
    if key == "op" or any(_takes(edit, key) for edit in edits):
        return f"`{key}` belongs in an edit: indent it as far as the `op` of that edit"
    return None


def _yaml_slip(key: str, node: Node) -> str | None:
    """A key that YAML read where a value was meant."""
    if key.startswith("-"):
        return f"put a space after `-`: `- {key[1:]}`"
    name = next((name for name, _ in node.entries if name.text == key), None) if isinstance(node, Mapping) else None
    if name is None:
        return None
    after = name.span.source.text[name.span.end : name.span.end + 1]
    return "a `,` inside `{ }` ends a value: quote the whole value" if after in (",", "}") else None


def _takes(cls: type, key: str) -> bool:
    return any(yaml_key(field) == key for field in fields(cls) if field.name != "span")


def unquoted_hint(node: Node) -> str | None:
    """For a list or map in brackets where text is expected: it began as an expression, and was read as YAML."""
    written = node.span.source.text[node.span.start : node.span.start + 1]
    if isinstance(node, Mapping | Sequence) and written in ("{", "["):
        return f"`{written}` at the start has a meaning in YAML: quote the whole text"
    return None
