"""Limits whose cases would be big files."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchlang import inputs, load, rules, yamltree
from patchlang.diagnostics import PatchError, Rule
from patchlang.source import SourceFile


def refused(text: str) -> Rule | None:
    try:
        yamltree.parse(SourceFile("patch.yaml", text))
    except PatchError as e:
        return e.diagnostic.rule
    return None


@pytest.mark.parametrize(
    ("size", "rule"), [(load.MAX_FILE_BYTES, rules.NO_DOCUMENT), (load.MAX_FILE_BYTES + 1, rules.FILE_TOO_BIG)]
)
def test_size_of_a_file(tmp_path: Path, size: int, rule: Rule) -> None:
    file = tmp_path / "patch.yaml"
    file.write_bytes(b"#" * size)
    [diagnostic] = load.load([file]).diagnostics
    assert diagnostic.rule is rule


@pytest.mark.parametrize(("count", "rule"), [(yamltree.MAX_NODES - 1, None), (yamltree.MAX_NODES, rules.YAML_LIMIT)])
def test_nodes_of_a_file(count: int, rule: Rule | None) -> None:
    """The list is a node, too."""
    assert refused("[" + "a," * count + "]") is rule


@pytest.mark.parametrize(("depth", "rule"), [(yamltree.MAX_DEPTH, None), (yamltree.MAX_DEPTH + 1, rules.YAML_LIMIT)])
def test_depth_of_a_file(depth: int, rule: Rule | None) -> None:
    assert refused("[" * depth + "a" + "]" * depth) is rule


@pytest.mark.parametrize("split", [1, 20, 39])
def test_depth_counts_through_aliases(split: int) -> None:
    """A list of lists, cut in two by an alias, is as deep as in one piece."""
    for depth, rule in ((yamltree.MAX_DEPTH, None), (yamltree.MAX_DEPTH + 1, rules.YAML_LIMIT)):
        inner, outer = split - 1, depth - split
        # both parts stand in a list of their own, the first level of each
        text = f"- &a {'[' * inner}x{']' * inner}\n- {'[' * outer}*a{']' * outer}\n"
        assert refused(text) is rule, (depth, split)


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_depth_of_the_vmi(opening: str) -> None:
    for text in (opening * 200_000, '{"spec": ' + opening * 200_000):
        diagnostic = inputs.check_vmi(text.encode())
        assert diagnostic is not None
        assert diagnostic.rule is rules.BAD_VMI
