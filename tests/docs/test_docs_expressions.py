"""Evaluate every expression in the tables of expressions and their results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from docblocks import DOCUMENTS, Block, base_of, blocks, codes, head, rows, source, values_shown

from patchlang import engine
from patchlang.cel.compiled import compile_expression
from patchlang.cel.library import Names
from patchlang.diagnostics import PatchError
from patchlang.domain.ops import facts_of
from patchlang.domain.tree import parse
from patchlang.loading import load_sources
from patchlang.quoting import Names as Quotable
from patchlang.run_scope import Scope
from patchlang.source import SourceFile, Span, Text
from patchlang.xpath.query import Match


@dataclass
class Values:
    """The values that expressions in a document use, from its block under ``<!-- values -->``."""

    vmi: dict[str, Any]
    variables: dict[str, Any]
    loop: dict[str, Any]
    domain: bytes
    path: str | None

    @property
    def names(self) -> Names:
        return Names(tuple((name, "dyn") for name in self.variables), True, self.path is not None, True)

    def scope(self) -> Scope:
        """The engine's scope for these values, at the node of ``path``."""
        variables = "".join(f"  - {{name: {name}, expression: 'null'}}\n" for name in self.variables)
        compiled, _ = load_sources([source(f"variables:\n{variables}domain:\n  - {{op: test, path: /domain}}\n")])
        assert compiled is not None
        tree = parse(self.domain)
        scope = engine._domain_scope(self.vmi, Quotable(), tree, compiled.documents[0])
        scope.variables, scope.loop = dict(self.variables), dict(self.loop)
        if self.path is not None:
            found = tree.root.xpath(self.path)[0]
            attribute = getattr(found, "attrname", None)
            node = Match(found.getparent() if attribute else found, attribute)
            scope.context = node.context
            scope.facts["node"] = lambda: facts_of(node, 0)
        return scope


def located(text: str) -> Text:
    file = SourceFile("cell", text)
    return Text(text, lambda start, end: Span(file, start, len(text) if end is None else end))


def values_of(table: Block) -> Values:
    data = yaml.safe_load(values_shown(table.document))
    vmi = data["vmi"]
    for kind in ("annotations", "labels"):
        vmi["metadata"].setdefault(kind, {})
    loop = {name: data[name] for name in ("item", "index") if name in data}
    path = table.marks.get("node")
    return Values(vmi, data.get("variables", {}), loop, base_of(table).encode(), path)


def is_expressions(block: Block) -> bool:
    return block.lang == "table" and head(block)[0] in ("expression", "XPath")


def cells() -> list[Any]:
    found = []
    for document in DOCUMENTS:
        for table in filter(is_expressions, blocks(document)):
            for number, row in enumerate(rows(table)):
                found.append(pytest.param(table, row, id=f"{table}+{number + 2}"))
    return found


@pytest.mark.parametrize(("table", "row"), cells())
def test_expression_gives_what_is_shown(table: Block, row: list[str]) -> None:
    values = values_of(table)
    [text], result = codes(row[0]), row[1]
    if result.startswith("error: "):
        with pytest.raises(PatchError) as raised:
            evaluate(head(table)[0], text, values)
        assert result.removeprefix("error: ").replace("`", "") in raised.value.diagnostic.message.replace("`", "")
        return
    assert json.dumps(evaluate(head(table)[0], text, values)) == json.dumps(json.loads(codes(result)[0]))


def evaluate(head: str, text: str, values: Values) -> Any:
    scope = values.scope()
    if head == "XPath":
        return scope.xpath(text, {})
    return compile_expression(located(text), values.names).evaluate(scope)
