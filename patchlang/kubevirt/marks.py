"""Marks instead of computed values, so that a single edit can be tried without a VMI.

The same name in CEL's ``$[ ]`` and in XPath's ``$name`` gets the same mark.
"""

from __future__ import annotations

import re
from typing import Any

from ..cel import tree as cel_tree
from ..cel.tree import Call, Ident, Literal, Node, Select
from ..cel.unparse import write
from ..document import model
from ..lint import celtruth
from ..lint.guards import variables_of
from ..lint.reading import TEMPLATES, calls_xpath, cel, filled, leaves, tree
from ..record import fields, is_record, replace
from ..source import Span, Text
from ..xpath.tree import VariableRef, walk

_OF_THE_VM = frozenset({"vmi", "item", "index", "cloudInit"})


def mark(expression: str) -> str:
    """``item.name``, for ``$item.name`` as for ``item['name']`` and ``variables.item.name``."""
    read = cel(expression)
    path = _path(read) if read is not None else None
    try:
        text = path or (write(read) if read is not None else expression)
    except ValueError:
        text = expression
    return re.sub(r"[^\w.]+", "_", text)


def _path(node: Node) -> str | None:
    """The names of a chain of members, with dots between."""
    match node:
        case Ident(name):
            return name.removeprefix("variables.")
        case Select(field, tested=False, children=(of,)) | Call("_[_]", children=(of, Literal("string", str(field)))):
            above = _path(of)
            return f"{above}.{field}" if above is not None else None
        case _:
            return None


def marked(patch: model.Patch, edit: model.DomainEdit) -> model.Patch | None:
    """The patch with only this edit, and marks for what it reads from the VMI; conditions on the VMI are removed.

    None if a loop reads the domain.
    """
    if edit.for_each is not None and calls_xpath(edit.for_each.text):
        return None
    names = {
        part.name
        for leaf in leaves(edit)
        if isinstance(leaf, model.XPath | model.ConstructivePath) and (read := tree(leaf.text)) is not None
        for part in walk(read)
        if isinstance(part, VariableRef)
    }
    try:
        conditions = [_on_domain(patch, condition) for condition in (patch.spec.when, edit.when)]
    except ValueError:
        return None
    made: model.DomainEdit = _filled(edit)
    entries = None
    if edit.for_each is not None:
        entries = model.Expression(f"[{_value('item', names)}]", edit.for_each.locate)
    made = replace(made, when=conditions[1], for_each=entries)
    variables = tuple(
        replace(variable, expression=model.Expression(_value(variable.name.text, names), variable.expression.locate))
        for variable in patch.spec.variables
    )
    spec = replace(patch.spec, when=conditions[0], variables=variables, domain=(made,), cloud_init=())
    return replace(patch, spec=spec)


def _value(root: str, names: set[str]) -> str:
    """A CEL literal for a variable: its mark, or a map of the members that XPath reads."""
    members = sorted(name.split(".", 1)[1] for name in names if name.startswith(f"{root}."))
    if not members:
        return f"'{mark(root)}'"
    entries = ", ".join(f"'{one}': '{mark(f'{root}.{one}')}'" for one in members)
    return f"{{{entries}}}"


def _filled(value: Any) -> Any:
    """The same, with marks for what its templates compute."""
    if isinstance(value, TEMPLATES):
        return replace(value, text=filled(value, lambda piece: mark(piece.expression.text)))
    if isinstance(value, tuple):
        return tuple(_filled(one) for one in value)
    if is_record(value) and not isinstance(value, type | Text | Span | model.Expect):
        changed = {field.name: _filled(getattr(value, field.name)) for field in fields(value)}
        return replace(value, **changed)
    return value


def _on_domain(patch: model.Patch, condition: model.Expression | None) -> model.Expression | None:
    """The part of a condition that depends only on the domain. Raises ValueError if that cannot be determined."""
    if condition is None:
        return None
    read = variables_of(patch).condition(condition.text)
    if read is None:
        raise ValueError("a condition that cannot be read")
    parts = celtruth.conjuncts(read)
    kept = [f"({write(part)})" for part in parts if not any(_is_of_the_vm(node) for node in cel_tree.walk(part))]
    return model.Expression(" && ".join(kept), condition.locate) if kept else None


def _is_of_the_vm(node: Node) -> bool:
    return isinstance(node, Ident) and node.name in _OF_THE_VM
