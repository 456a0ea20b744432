"""Limits whose cases would be big files."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from patchlang import engine, files, loading, rules, vmi
from patchlang.diagnostics import PatchError, Rule
from patchlang.document import yamltree
from patchlang.source import SourceFile


def refused(text: str) -> Rule | None:
    try:
        yamltree.parse(SourceFile("patch.yaml", text))
    except PatchError as e:
        return e.diagnostic.rule
    return None


@pytest.mark.parametrize(
    ("size", "rule"), [(files.MAX_FILE_BYTES, rules.NO_DOCUMENT), (files.MAX_FILE_BYTES + 1, rules.FILE_TOO_BIG)]
)
def test_size_of_a_file(tmp_path: Path, size: int, rule: Rule) -> None:
    file = tmp_path / "patch.yaml"
    file.write_bytes(b"#" * size)
    [diagnostic] = loading.load([file]).diagnostics
    assert diagnostic.rule is rule


@pytest.mark.parametrize(("count", "rule"), [(yamltree.MAX_NODES - 1, None), (yamltree.MAX_NODES, rules.YAML_LIMIT)])
def test_nodes_of_a_file(count: int, rule: Rule | None) -> None:
    """The list is a node too."""
    assert refused("[" + "a," * count + "]") is rule


@pytest.mark.parametrize(("depth", "rule"), [(yamltree.MAX_DEPTH, None), (yamltree.MAX_DEPTH + 1, rules.YAML_LIMIT)])
def test_depth_of_a_file(depth: int, rule: Rule | None) -> None:
    assert refused("[" * depth + "a" + "]" * depth) is rule


@pytest.mark.parametrize("split", [1, 20, 39])
def test_depth_counts_through_aliases(split: int) -> None:
    """A list of lists, split in two by an alias, is as deep as an unsplit one."""
    for depth, rule in ((yamltree.MAX_DEPTH, None), (yamltree.MAX_DEPTH + 1, rules.YAML_LIMIT)):
        inner, outer = split - 1, depth - split
        # each part is in its own list, which is its first level
        text = f"- &a {'[' * inner}x{']' * inner}\n- {'[' * outer}*a{']' * outer}\n"
        assert refused(text) is rule, (depth, split)


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_depth_of_the_vmi(opening: str) -> None:
    for text in (opening * 200_000, '{"spec": ' + opening * 200_000):
        diagnostic = vmi.check_vmi(text.encode())
        assert diagnostic is not None
        assert diagnostic.rule is rules.BAD_VMI


LOADS = """
import resource, sys
from patchlang.loading import load_sources
from patchlang.source import SourceFile

def load(variables):
    program, found = load_sources([SourceFile("patch.yaml", sys.argv[1] + variables + sys.argv[2])])
    assert program is not None, found
    return program

def line(i):
    return f"    - {{name: v{i}, expression: '1 + {f'variables.v{i - 1}' if i else 0}'}}\\n"

first = load(line(0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
program = load("".join(map(line, range(400))))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_of_many_variables() -> None:
    """Each is compiled after those before it. 400 copies of CEL's environment would not fit into the sidecar."""
    head = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: many}\nspec:\n  variables:\n"
    edits = "  domain: [{op: test, path: /domain}]\n"
    run = subprocess.run([sys.executable, "-c", LOADS, head, edits], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 20 * 1024, "KiB"


ATTRIBUTES = {
    "made": "{forEach: range(1000), op: ensure, path: '/domain/a/@x$[ index ]', value: y}",
    "removed": "{op: remove, path: '/domain/b/@*', expect: '0+'}",
}


@pytest.mark.parametrize("edit", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_memory_of_many_attributes(edit: str) -> None:
    """The undo log of a change holds only that attribute, not all attributes of the element."""
    text = f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: many}}\nspec: {{domain: [{edit}]}}\n"
    program, found = loading.load_sources([SourceFile("patch.yaml", text)])
    assert program is not None, found
    attributes = " ".join(f"x{number}=''" for number in range(1000))
    domain = f"<domain><a/><b {attributes}/></domain>".encode()
    tracemalloc.start()
    try:
        outcome = engine.patch_domain(program, domain, b"{}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.data not in (None, domain)
    assert peak < 5_000_000, "bytes"


@pytest.mark.parametrize(("templates", "found"), [(1000, []), (9000, [rules.LIMIT])])
def test_room_for_expressions(templates: int, found: list[Rule]) -> None:
    """The limit is for all patches together. The first expression over it is the only error (PL413)."""
    values = "'$[ vmi.spec ]', " * (templates // 2)
    patches = [
        SourceFile(
            f"{name}.yaml",
            "apiVersion: patchlang/v1\nkind: Patch\n"
            f"metadata: {{name: {name}}}\nspec:\n  cloudInit:\n"
            f"    - {{op: add, target: userData, path: /a, value: [{values}]}}\n",
        )
        for name in "ab"
    ]
    _, diagnostics = loading.load_sources(patches)
    assert [d.rule for d in diagnostics] == found, diagnostics
