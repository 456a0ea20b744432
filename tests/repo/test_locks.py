"""The locks are complete, hashed and consistent with pyproject.toml, and every package is explained."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("runtime", "build", "dev", "bench", "lock")
PIN = re.compile(r"([A-Za-z0-9._-]+)==(\S+)( ; .+)?((?: --hash=sha256:[0-9a-f]{64})+)")

# Packages whose module has a different name.
MODULES = {
    "cyclonedx-python-lib": "cyclonedx",
    "grpcio": "grpc",
    "grpcio-tools": "grpc_tools",
    "protobuf": "google.protobuf",
    "pyyaml": "yaml",
}


def pins(name: str) -> dict[str, str]:
    """Package → release. Fails on any line that is not a pin with hashes."""
    text = (ROOT / f"requirements/{name}.txt").read_text().replace("\\\n", "")
    lines = [re.sub(r"\s+", " ", line) for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found = [(line, PIN.fullmatch(line)) for line in lines]
    assert [line for line, match in found if not match] == [], f"requirements/{name}.txt: not a pin with hashes"
    return {canonicalize_name(match[1]): match[2] for _, match in found if match}


def wanted(name: str) -> list[Requirement]:
    lines = (ROOT / f"requirements/{name}.in").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def project() -> list[Requirement]:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [Requirement(text) for text in data["project"]["dependencies"]]


def extras() -> dict[str, list[Requirement]]:
    """Extra → the packages it adds; its modules are in the ``patchlang/authoring`` folder of the same name."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {name: [*map(Requirement, texts)] for name, texts in data["project"]["optional-dependencies"].items()}


@pytest.mark.parametrize("name", LOCKS)
def test_every_lock_is_pinned_with_hashes(name: str) -> None:
    assert pins(name)


@pytest.mark.parametrize(
    ("name", "requirements"),
    [("runtime", project()), *((n, wanted(n)) for n in LOCKS[1:]), ("dev", [*chain(*extras().values())])],
)
def test_what_is_asked_for_is_locked(name: str, requirements: list[Requirement]) -> None:
    locked = pins(name)
    stale = [str(r) for r in requirements if locked.get(canonicalize_name(r.name), "") not in r.specifier]
    assert stale == [], f"requirements/{name}.txt is stale: make lock"


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_checks_run_on_the_releases_that_ship(name: str) -> None:
    assert pins(name).items() <= pins("dev").items()


def test_the_build_backend_is_the_locked_one() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert data["build-system"]["requires"] == [str(r) for r in wanted("build")]


def test_every_locked_package_is_explained() -> None:
    text = (ROOT / "docs/dependencies.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    explained = {canonicalize_name(row[0].strip("`")): row[1:] for row in rows}
    locked = {package for name in LOCKS for package in pins(name)}
    assert explained.keys() == locked, "docs/dependencies.md and the locks differ"
    assert [name for name, cells in explained.items() if len(cells) != 4 or not all(cells)] == [], "why, license, size"


def imported(*folders: str, but: Collection[Path] = ()) -> set[str]:
    """The packages, by their name in a lock, that the Python files under ``folders`` import."""
    modules = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py") if path not in but):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(f"{node.module}.{node.names[0].name}")
    known = {name: MODULES.get(name, name.replace("-", "_")) for name in pins("dev")}
    return {name for name, module in known.items() if any(f"{m}.".startswith(f"{module}.") for m in modules)}


def test_the_library_imports_what_pyproject_names_and_nothing_else() -> None:
    """Except for its pytest plugin, which only pytest loads, and the folders that belong to an extra."""
    apart = [ROOT / "patchlang/pytest_plugin.py"]
    apart += [path for extra in extras() for path in (ROOT / "patchlang/authoring" / extra).rglob("*.py")]
    assert imported("patchlang", "shim", but=apart) == {canonicalize_name(r.name) for r in project()}


@pytest.mark.parametrize("extra", sorted(extras()))
def test_the_folder_of_an_extra_imports_what_the_extra_names(extra: str) -> None:
    asked = {canonicalize_name(r.name) for r in [*project(), *extras()[extra]]}
    assert imported(f"patchlang/authoring/{extra}") <= asked


def test_checks_import_what_is_asked_for() -> None:
    direct = {canonicalize_name(r.name) for r in [*project(), *wanted("dev"), *chain(*extras().values())]}
    assert imported("benchmarks", "tests", "tools", "examples") <= direct
