"""Two modules decide what may be quoted: code elsewhere that builds messages has no other access to names and values.

The laws in tests/shim/test_shim_secret_laws.py check that these modules let no value through.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "patchlang"
# the parts of the library that handle data: the calls they may not make, and who may
ONLY = {
    ("domain", "xpath/explain.py"): ({"node_path", "match_path"}, {"domain/provenance.py"}),
    ("cloudinit", "run_scope.py"): ({"did_you_mean", "closest"}, {"cloudinit/pointer.py"}),
}


def modules(*places: str) -> Iterator[Path]:
    for place in places:
        path = PACKAGE / place
        yield from [path] if path.suffix else sorted(path.glob("*.py"))


@pytest.mark.parametrize("places", ONLY)
def test_names_are_quoted_by_way_of_what_decides_it(places: tuple[str, ...]) -> None:
    names, allowed = ONLY[places]
    found = {
        str(path.relative_to(PACKAGE))
        for path in modules(*places)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id in names
    }
    assert found <= allowed, (
        f"take `DomainTree.provenance` or `Names.of` instead, as patchlang/quoting.py says: {found}"
    )
