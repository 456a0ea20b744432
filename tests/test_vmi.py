"""The fields of the VMI and their types: findings in expressions, compared with VMIs that have every field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import measure_typos
import measure_vmi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchlang.diagnostics import Severity
from patchlang.engine import patch_domain
from patchlang.files import source_of
from patchlang.grammar.index import versions
from patchlang.kubevirt import structs, vmitypes
from patchlang.kubevirt.celtypes import ROOTS, Scope, slips
from patchlang.kubevirt.vmitypes import ROOT, types
from patchlang.lint.reading import cel
from patchlang.loading import load_sources

FOLDER = Path(__file__).resolve().parents[1]
SHARED = FOLDER.parent / "shared" / "kubevirt-vmi"
MAIN = types("main")
NEVER_DEEPER = 6


def found(expression: str, release: str | None = None) -> list[str]:
    """The rules of the findings in an expression."""
    read = cel(expression)
    assert read is not None, expression
    return [slip.rule.id for slip in slips(expression, read, Scope(types(release), ROOTS))]


# -- the index ---------------------------------------------------------------------------------------------------------


def test_the_releases_are_those_of_the_structs() -> None:
    assert vmitypes.releases() == structs.releases()


@pytest.mark.parametrize("release", vmitypes.releases())
def test_every_type_is_known(release: str) -> None:
    known = types(release)
    plain = {"string", "integer", "number", "boolean", "any", "scalar", "quantity"}
    used = {one.type.strip("[]{}") for fields in known.values() for one in fields.values()}
    assert used - plain <= known.keys() | {""}
    assert {"spec", "metadata", "status"} <= known[ROOT].keys()


@pytest.mark.parametrize("release", vmitypes.releases())
def test_the_index_has_the_facts_it_is_made_from(release: str) -> None:
    if not SHARED.exists():
        pytest.skip("needs the facts: ../shared/kubevirt-vmi")
    read = json.loads((SHARED / f"{release}.json").read_text())["types"]
    facts = {
        (name.rpartition(".")[2], field, field in type["required"])
        for name, type in read.items()
        for field in type.get("fields", ())
    }
    indexed = {
        (name.rpartition(".")[2], field, one.always)
        for name, fields in types(release).items()
        for field, one in fields.items()
    }
    assert {fact[:2] for fact in facts} == {fact[:2] for fact in indexed}
    assert {fact for fact in facts if fact[2]} <= indexed
    always = {fact[0] for fact in indexed - facts if fact[2]}
    assert always == {ROOT, "ObjectMeta"}


def test_what_any_release_has_is_right_without_one() -> None:
    for release in vmitypes.releases():
        for name, fields in types(release).items():
            assert fields.keys() <= types(None)[name].keys()
            for field, one in types(None)[name].items():
                assert not one.always or field in fields or name not in types(release)


# -- a VMI with every field --------------------------------------------------------------------------------------------


def whole(type: str, depth: int = 0) -> Any:
    """A value of a type with all its fields, as deep as needed."""
    if type in MAIN:
        return {name: whole(one.type, depth + 1) for name, one in MAIN[type].items()} if depth < NEVER_DEEPER else {}
    if type.startswith("["):
        return [whole(type[1:-1], depth + 1)]
    if type.startswith("{"):
        return {"a": whole(type[1:-1], depth + 1)}
    return {"integer": 4, "number": 4, "boolean": True}.get(type, "4")


VMI = json.dumps(whole(ROOT)).encode()


def value_of(expression: str) -> str | None:
    """The value of an expression on that VMI, as text, or None if it fails."""
    patch = {
        "apiVersion": "patchlang/v1",
        "kind": "Patch",
        "metadata": {"name": "a"},
        "spec": {"domain": [{"op": "ensure", "path": "/domain/title", "value": f"$[ string({expression}) ]"}]},
    }
    program, _ = load_sources([source_of("patch.yaml", json.dumps(patch).encode())])
    data = patch_domain(program, b"<domain/>", VMI).data if program is not None else None
    return None if data is None else data.decode()


def test_the_whole_vmi_can_be_read() -> None:
    assert "<title>4</title>" in str(value_of("vmi.spec.domain.cpu.cores"))
    assert "<title>4</title>" in str(value_of("vmi.spec.volumes[0].persistentVolumeClaim.claimName"))
    assert value_of("vmi.spec.volumes.a") is None


@st.composite
def paths(draw: st.DrawFn) -> tuple[str, str]:
    """A path to a field of the VMI, and its type."""
    path, type = "vmi", ROOT
    for _ in range(draw(st.integers(1, NEVER_DEEPER - 1))):
        if MAIN.get(type):
            name = draw(st.sampled_from(sorted(MAIN[type])))
            path, type = f"{path}.{name}", MAIN[type][name].type
        elif type.startswith("["):
            path, type = f"{path}[0]", type[1:-1]
        elif type.startswith("{"):
            path, type = f"{path}['a']", type[1:-1]
        else:
            break
    return path, type


FORMS = (
    "{} < {}", "{} == {}", "{} + {}", "{} * {}", "{} in {}", "size({})", "{}.startsWith('4')", "{}.name", "{}['a']",
    "{}[0]", "{}.exists(x, x == {})", "{} > 3", "{} + 'a'", "int({}) > 3", "-{}", "{}.matches('4')",
    "{}.map(x, x.name)", "{} ? 1 : 2", "!{}", "{} && true", "[1].filter(x, {})", "keys({})", "hex({}, 2)", "double({})",
    "quantity({})", "parseJSON({})", "string({})", "flatten({})", "range({})", "capture({}, '4')", "uint({})",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(paths(), paths(), st.sampled_from(FORMS))
def test_what_is_found_does_fail(one: tuple[str, str], other: tuple[str, str], form: str) -> None:
    """An expression with an error fails even if every field is present, or is never true."""
    expression = form.format(one[0], other[0])
    read = cel(expression)
    assert read is not None, expression
    errors = [one.message for one in slips(expression, read, Scope(MAIN, ROOTS)) if one.severity is Severity.ERROR]
    if errors:
        asks = "==" in form or " in " in form
        value = value_of(f"({expression}) ? 'yes' : 'no'" if asks else f"size({{'a': {expression}}})")
        assert value is None or "<title>no</title>" in value, (expression, errors)


@given(paths())
def test_nothing_but_advice_is_said_of_what_is_there(path: tuple[str, str]) -> None:
    assert set(found(path[0], "main")) <= {"PL913"}
    assert set(found(path[0])) <= {"PL913"}


@given(paths(), st.data())
def test_a_field_that_is_not_there_is_found(path: tuple[str, str], data: st.DataObject) -> None:
    fields = MAIN.get(path[1])
    if fields:
        name = data.draw(st.sampled_from(sorted({f for other in MAIN.values() for f in other} - fields.keys())))
        assert "PL911" in found(f"{path[0]}.{name}", "main")
        assert "PL911" in found(f"{path[0]}.?{name}.orValue('')", "main")
        assert "PL911" in found(f"has({path[0]}.{name})", "main")


@given(paths())
def test_what_is_asked_for_is_no_advice(path: tuple[str, str]) -> None:
    steps = path[0].replace("[0]", "").split(".")
    if "[" not in path[0]:
        asked = " && ".join(f"has({'.'.join(steps[:end])})" for end in range(3, len(steps) + 1))
        assert found(f"{asked} && {path[0]} != {path[0]}" if asked else path[0], "main") == [] or len(steps) == 2


@settings(max_examples=200)
@given(st.text(alphabet="vmispecdoan.?[]'()0,xX&|!=<>+- \n", max_size=40))
def test_no_expression_breaks_it(text: str) -> None:
    for expression in (text, f"vmi.{text}", f"vmi.spec.volumes.{text}", f"vmi.spec.volumes.map(x, {text})"):
        if (read := cel(expression)) is not None:
            for slip in slips(expression, read, Scope(types(None), ROOTS)):
                assert 0 <= slip.start <= slip.end <= len(expression)


# -- typos -------------------------------------------------------------------------------------------------------------

FIGURES = json.loads((FOLDER / "benchmarks/vmi.json").read_text(encoding="utf-8"))


def test_the_recorded_measure() -> None:
    assert FIGURES["made"] >= 1000
    assert FIGURES["patches with false alarms"] == 0
    assert FIGURES["found"] == FIGURES["typos"] - len(FIGURES["escaped"])
    assert FIGURES["share"] >= 0.95
    guide = " ".join((FOLDER / "docs/validate.md").read_text(encoding="utf-8").split())
    assert f"{FIGURES['found']:,} of {FIGURES['typos']:,} typos in fields of the VMI" in guide


def test_typos_are_found_today() -> None:
    measured = measure_typos.measure(100, 7, versions()[-1], measure_vmi.SUBJECT)
    assert measured["patches with false alarms"] == 0
    assert measured["share"] >= 0.95, measured["escaped"]
