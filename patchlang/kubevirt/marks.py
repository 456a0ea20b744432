"""Marks in the place of what a patch computes, so that one of its edits can be tried without a VMI.

What CEL in ``$[ ]`` and what XPath by ``$name`` mean by the same name gets the same mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .. import model
from ..celsyntax import closing_bracket
from ..lint import celtruth
from ..lint.guards import variables_of
from ..lint.reading import TEMPLATES, leaves, template, tree
from ..record import fields, is_record, replace
from ..source import Span, Text
from ..template import Computed
from ..xpathtree import VariableRef, walk

_OF_THE_VM = frozenset({"vmi", "item", "index", "cloudInit"})


def computed_parts(text: Text) -> Iterator[tuple[int, int, str]]:
    """Each ``$[ ]`` in a template: its start, its end, its expression."""
    for piece in template(text):
        if isinstance(piece, Computed):
            end = closing_bracket(text.text, piece.at + 2)
            if end is not None:
                yield piece.at, end + 1, piece.expression.text


def mark(expression: str) -> str:
    """``item.name``, for ``$item.name`` as for ``item['name']`` and ``variables.item.name``."""
    dotted = re.sub(r"\[\s*(['\"])(\w+)\1\s*\]", r".\2", expression.replace("variables.", ""))
    return re.sub(r"[^\w.]+", "_", dotted)


def marked(patch: model.Patch, edit: model.DomainEdit) -> model.Patch | None:
    """The patch with this edit alone, and marks for what it takes from the VMI; conditions on the VMI are left out.

    None where a loop reads the domain.
    """
    if edit.for_each is not None and "xpath" in edit.for_each.text:
        return None
    names = {
        part.name
        for leaf in leaves(edit)
        if isinstance(leaf, model.XPath | model.ConstructivePath) and (read := tree(leaf.text)) is not None
        for part in walk(read)
        if isinstance(part, VariableRef)
    }
    made: model.DomainEdit = _filled(edit)
    loop = None
    if edit.for_each is not None:
        loop = model.Expression(f"[{_value('item', names)}]", edit.for_each.locate)
    made = replace(made, when=_on_domain(patch, edit.when), for_each=loop)
    variables = tuple(
        replace(variable, expression=model.Expression(_value(variable.name.text, names), variable.expression.locate))
        for variable in patch.spec.variables
    )
    spec = replace(
        patch.spec, when=_on_domain(patch, patch.spec.when), variables=variables, domain=(made,), cloud_init=()
    )
    return replace(patch, spec=spec)


def _value(root: str, names: set[str]) -> str:
    """A CEL literal for a variable: its mark, or a map of the members that XPath asks for."""
    members = sorted(name.split(".", 1)[1] for name in names if name.startswith(f"{root}."))
    if not members:
        return f"'{mark(root)}'"
    entries = ", ".join(f"'{one}': '{mark(f'{root}.{one}')}'" for one in members)
    return f"{{{entries}}}"


def _filled(value: Any) -> Any:
    """The same, with marks for what its templates compute."""
    if isinstance(value, TEMPLATES):
        text, done = "", 0
        for start, end, expression in computed_parts(value):
            text += value.text[done:start] + mark(expression)
            done = end
        return replace(value, text=text + value.text[done:])
    if isinstance(value, tuple):
        return tuple(_filled(one) for one in value)
    if is_record(value) and not isinstance(value, type | Text | Span | model.Expect):
        changed = {field.name: _filled(getattr(value, field.name)) for field in fields(value)}
        return replace(value, **changed)
    return value


def _on_domain(patch: model.Patch, condition: model.Expression | None) -> model.Expression | None:
    """What of a condition depends on the domain alone."""
    if condition is None:
        return None
    parts = celtruth.conjuncts(celtruth.read(condition.text, variables_of(patch)))
    kept = [f"({part.text})" for part in parts if not _OF_THE_VM & {token.text for token in part.tokens}]
    return model.Expression(" && ".join(kept), condition.locate) if kept else None
