"""The public Python API: `patchlang.__all__` and nothing else, with types, and cheap to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import patchlang
from patchlang import api
from patchlang.record import fields, is_record

ROOT = Path(__file__).resolve().parents[2]

SURFACE = {
    "CloudInitResult": ("data", "no_cloud_source", "diagnostics", "trace"),
    "DomainResult": ("data", "diagnostics", "trace"),
    "EditTrace": ("label", "place", "ran", "matched", "changed", "skipped", "reason", "places"),
    "Finding": ("rule", "name", "severity", "message", "help", "place", "patch", "manifest"),
    "LoadError": (),
    "PatchTrace": ("name", "place", "priority", "state", "reason", "edits"),
    "Place": ("file", "line", "column", "end_line", "end_column"),
    "Program": ("apply_cloud_init", "apply_domain", "edits_cloud_init", "edits_domain", "facts", "names"),
    "__version__": (),
    "load": ("paths",),
    "validate": ("paths", "kubevirt", "libvirt", "plugins"),
}
PARAMETERS = {
    "apply_domain": ("self", "domain", "vmi", "facts"),
    "apply_cloud_init": ("self", "data", "vmi", "no_cloud_source", "facts"),
}


def members(value: object) -> tuple[str, ...]:
    if is_record(value):
        return tuple(field.name for field in fields(value))
    if inspect.isfunction(value):
        return tuple(inspect.signature(value).parameters)
    if value is patchlang.Program:
        return tuple(sorted(name for name in vars(value) if not name.startswith("_")))
    return ()


def test_the_surface_is_the_promised_one() -> None:
    assert sorted(patchlang.__all__) == sorted(SURFACE)
    assert {name: members(getattr(patchlang, name)) for name in SURFACE} == SURFACE
    methods = {name: tuple(inspect.signature(getattr(patchlang.Program, name)).parameters) for name in PARAMETERS}
    assert methods == PARAMETERS


def test_what_is_public_is_in_the_module_of_the_api() -> None:
    for name in set(SURFACE) - {"__version__"}:
        assert getattr(patchlang, name) is getattr(api, name)
        assert getattr(api, name).__module__ == "patchlang.api"
        assert getattr(api, name).__doc__


def test_the_types_name_the_same() -> None:
    stub = ast.parse((ROOT / "patchlang/__init__.pyi").read_text())
    imported = [alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted([*imported, "__version__"]) == sorted(patchlang.__all__)
    (listed,) = (ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    assert listed == patchlang.__all__


def test_nothing_of_its_own_is_reached_by_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'appply'"):
        patchlang.appply  # noqa: B018
    assert set(patchlang.__all__) <= set(dir(patchlang))


def test_the_import_brings_nothing() -> None:
    script = """
import sys
before = {*sys.modules}
import patchlang
patchlang.__version__
print(*sorted(set(sys.modules) - before))
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/").stdout
    assert out.split() == ["patchlang"]


def test_the_name_of_no_module_hides_a_public_one() -> None:
    """`import patchlang.x` binds the name `x` in the package, which would hide a function of that name."""
    inside = {path.stem for path in (ROOT / "patchlang").iterdir()}
    assert not inside & set(patchlang.__all__)
