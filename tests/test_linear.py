"""The time of any scan of a text is linear in the size of the text, not quadratic.

The tests find the scanners in the sources: all regular expressions, and the modules that step through a text. A new
one is tested too, or fails here until it is listed in ``scanners.py``.
"""

from __future__ import annotations

import ast

import pytest
from expressions import ROOT, SOURCES, Expression, expressions
from growth import pairs, steep, texts
from scanners import NO_SCANNERS, SCANNERS, Scanner

from patchlang.grammar.index import versions
from patchlang.validation import ignores
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.unit import check

_STEPS = frozenset({"find", "rfind", "index", "rindex", "startswith", "match", "search", "finditer"})


@pytest.mark.parametrize("expression", expressions(), ids=lambda one: one.place)
def test_a_regular_expression_is_linear(expression: Expression) -> None:
    letters, words = expression.alphabet()
    units = pairs([*letters, *words, "a", " ", "\n"])
    found = steep(expression.scan(), texts(units, ["", *letters[:3], *words], ["", "\x01"]))
    assert found is None, f"(start, repeated unit, end), times at eight times the size: {found}"


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda one: one.name)
def test_a_scanner_is_linear(scanner: Scanner) -> None:
    found = steep(scanner.run, scanner.shapes(), scanner.size)
    assert found is None, f"(start, repeated unit, end), times at eight times the size: {found}"


HEAD = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: p}\nspec:\n"
EDIT = "    - {op: set, path: /domain/title, value: a}\n"
ASKING = '    - {op: add, path: /domain/devices, xml: <disk/>, when: "%s"}\n'
CHAIN = "".join(f"    - {{name: v{n}, expression: variables.v{n - 1} + variables.v{n - 1}}}\n" for n in range(1, 12))
FILES = {
    "edits under a long condition": (
        HEAD + '  when: "' + " && ".join(["has(vmi.spec)"] * 100) + '"\n  domain:\n', ASKING % "has(vmi.spec)", "",
    ),
    "conditions with variables of variables": (
        HEAD + "  variables:\n    - {name: v0, expression: \"'a'\"}\n" + CHAIN + "  domain:\n",
        ASKING % "variables.v11 == variables.v10", "",
    ),
    "a union of searches": (HEAD + '  domain:\n    - {op: set, value: a, path: "//*', "|//*", '"}\n'),
    "comments that ignore": (HEAD + "  domain:\n", "    # patchlang: ignore[PL301] x\n" + EDIT, ""),
    "unknown names": (HEAD + "  domain:\n", ASKING % "variables.x == 'a'", ""),
    "comments on one line": (HEAD + "  domain:\n", "    # patchlang: ignore[PL301] x\n", EDIT),
    "rules in one comment": (HEAD + "  domain:\n    # patchlang: ignore[", "PL301,", "] x\n" + EDIT),
    "comments behind edits": (
        HEAD + "  domain:\n", EDIT.replace("/title", "/a[1]").rstrip() + " # patchlang: ignore[PL301] x\n", "",
    ),
    "edits with unions of searches": (
        HEAD + "  domain:\n", EDIT.replace("/domain/title", "\"" + "|".join(["//*[@a]/@b"] * 20) + "\""), "",
    ),
    "unknown elements": (HEAD + "  domain:\n", EDIT.replace("/title", "/devices/dist/a"), ""),
    "searches for unknown elements": (HEAD + "  domain:\n", EDIT.replace("/domain/title", "//dist"), ""),
    "findings in one text": (
        HEAD + "  domain:\n    - {op: add, path: /domain/devices, xml: \"", "<disk type='fil'/>", "\"}\n",
    ),
    "errors in one text": (HEAD + "  domain:\n    - {op: set, path: /a, value: '", "$[ vmi.nam ] ", "'}\n"),
    "edits that take away and make": (
        HEAD + "  domain:\n", "    - {op: remove, path: //sound}\n" + ASKING % "vmi.metadata.name == 'a'", "",
    ),
    "texts of cloud-init data": (
        HEAD + "  cloudInit:\n    - {op: ensure, target: userData, path: /a, value: [", "'vmi.name ${a}', ", "]}\n",
    ),
    "one key after another": (HEAD + "  domain:\n    - {op: set", ", b: 1", "}\n"),
    "a fragment of directives": (
        HEAD + "  domain:\n    - op: add\n      path: /domain/devices\n      xml: |\n",
        "        <disk patch:when=\"has(vmi.spec.domain.cpu)\"><target dev='$[ vmi.metadata.name ]'/></disk>\n",
        "",
    ),
    "computed parts": (HEAD + "  domain:\n    - {op: set, path: /a, value: '", "$[ vmi.metadata.name ] ", "'}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_checked_in_linear_time(name: str) -> None:
    def validate(text: str) -> None:
        found = check([Input("patch.yaml", named=True, data=text.encode())], Options(libvirt=versions()[-1]))
        ignores.apply(found.diagnostics, found.ignores, lambda _file, _rule: True)

    found = steep(validate, [FILES[name]], 1000 if name == "a union of searches" else 10_000)
    assert found is None, f"times at eight times the size: {found}"


def test_a_scanner_that_is_not_linear_is_found() -> None:
    def quadratic(text: str) -> None:
        for at in range(len(text)):
            text.count("b", at)
            text[at:].lstrip()

    assert steep(quadratic, texts(["a"]), 8000) is not None
    bad = Expression("here", r"\s+x", 0, frozenset({"search"}))
    assert steep(bad.scan(), texts(pairs(bad.alphabet()[0]))) is not None


def test_every_module_that_steps_through_a_text_is_listed() -> None:
    listed = {module for scanner in SCANNERS for module in scanner.modules}
    stepping = {str(path.relative_to(ROOT)) for path in SOURCES if _steps_through_a_text(ast.parse(path.read_text()))}
    assert stepping - listed == NO_SCANNERS.keys(), "list it in scanners.py: what runs it, or why it is not a scanner"
    assert not listed & NO_SCANNERS.keys()


def _steps_through_a_text(tree: ast.Module) -> bool:
    """Whether the module has a ``while`` loop, or a search from an offset."""
    return any(
        isinstance(node, ast.While)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _STEPS
            and len(node.args) > 1
            and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re")
        )
        for node in ast.walk(tree)
    )
