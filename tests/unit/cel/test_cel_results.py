"""The library never frees what a Python function gives it: what ours give is empty once the expression is done."""

from __future__ import annotations

import gc
import json

import pytest

from patchlang import engine
from patchlang.loading import load_sources
from patchlang.source import SourceFile

DOMAIN = b"<domain><devices><disk><target dev='vda'/></disk></devices></domain>"
VMI = json.dumps({"metadata": {"annotations": {"json": json.dumps([{f"key-{n}": f"value-{n}"} for n in range(40)])}}})
EXPRESSIONS = (
    "range(40).map(i, string(i + 1000)).size() > 0",
    "flatten([['a' + string(index)], ['b' + string(index)]]).size() > 0",
    "keys({'a' + string(index): 1, 'b' + string(index): 2}).size() > 0",
    "parseJSON(annotation('json')).size() > 0",
    "capture('text-' + string(index), '(text)-(.*)').size() > 0",
    "xpath('/domain/devices/disk/target/@dev').size() > 0",
    "('a,b,' + string(index)).split(',').size() > 0",
    "regex.extractAll('a1b' + string(index), '[0-9]+').size() > 0",
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_lists_and_maps_do_not_outlive_their_expression(expression: str) -> None:
    edit = {"op": "set", "path": "/domain/devices/disk/target/@dev", "value": "vda", "forEach": "range(100)"}
    spec = {"domain": [{**edit, "when": f"index >= 0 && {expression}"}]}
    patch = {"apiVersion": "patchlang/v1", "kind": "Patch", "metadata": {"name": "a"}, "spec": spec}
    program, found = load_sources([SourceFile("a.yaml", json.dumps(patch))])
    assert program is not None, found

    def objects() -> int:
        outcome = engine.patch_domain(program, DOMAIN, VMI.encode())
        assert outcome.data == DOMAIN, outcome.diagnostics
        del outcome
        gc.collect()
        # a list or map that the library keeps is empty, and refers to nothing
        return sum(len(gc.get_referents(one)) for one in gc.get_objects() if type(one) in (list, dict))

    objects()
    before = objects()
    assert objects() - before < 100, "fewer than one for each of the hundred evaluations"


def test_what_is_emptied_is_never_the_value_itself() -> None:
    lists = "flatten(vmi.spec.lists).join() + flatten(variables.made).join() + flatten([variables.made]).join()"
    edits = [{"op": "set", "path": f"/domain/{name}", "value": f"$[ {lists} ]"} for name in "ab"]
    spec = {"variables": [{"name": "made", "expression": "['p', 'q']"}], "domain": edits}
    patch = {"apiVersion": "patchlang/v1", "kind": "Patch", "metadata": {"name": "a"}, "spec": spec}
    program, found = load_sources([SourceFile("a.yaml", json.dumps(patch))])
    assert program is not None, found
    vmi = json.dumps({"metadata": {}, "spec": {"lists": [["x"], ["y"]]}}).encode()
    outcome = engine.patch_domain(program, b"<domain><a/><b/></domain>", vmi)
    assert outcome.data == b"<domain><a>xypqpq</a><b>xypqpq</b></domain>", outcome.diagnostics
