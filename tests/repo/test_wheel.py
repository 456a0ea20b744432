"""``pip install .`` installs both commands, the types, the recipes and the license, and nothing else from the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYGROUND = "patchlang/authoring/playground"
PAGE = ("LICENSES.txt", "icon.svg", "index.html", "playground.css", "playground.js")


def _built(tree: Path, *, image: bool = False) -> zipfile.ZipFile:
    """Built from a copy of the files in the image build, since setuptools leaves temporary files in the tree."""
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tree)
    ignored = shutil.ignore_patterns("__pycache__", *(["static"] if image else []))
    for name in ("man", "patchlang", "shim"):
        shutil.copytree(ROOT / name, tree / name, ignore=ignored, symlinks=True)
    if not image:
        shutil.copytree(ROOT / "examples/corpus", tree / "examples/corpus", symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", "dist", "."], cwd=tree, check=True, timeout=120)
    return zipfile.ZipFile(next(tree.glob("dist/*.whl")))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return _built(tmp_path_factory.mktemp("tree"))


def _inside(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name and ".data/" not in name}


def _modules() -> set[str]:
    return {f"{PLAYGROUND}/starter.yaml"} | {
        str(path.relative_to(ROOT))
        for package in ("patchlang", "shim")
        for path in ROOT.joinpath(package).rglob("*")
        if path.suffix in (".py", ".pyi", ".md", ".json", ".yaml") or path.name == "py.typed"
    }


def test_modules_and_types_and_data_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    corpus = ROOT / "examples/corpus"
    recipes = {f"patchlang/recipes/{path.relative_to(corpus)}" for path in corpus.rglob("*") if path.is_file()}
    page = {f"{PLAYGROUND}/static/{name}" for name in PAGE}
    assert _inside(wheel) == _modules() | recipes | page
    assert {"patchlang/py.typed", "shim/py.typed", "patchlang/recipes/samples/windows.domain.xml"} <= _inside(wheel)


def test_the_image_has_neither_recipes_nor_the_playground_s_page(tmp_path: Path) -> None:
    """The image build sees no examples, so the link to them is dangling, and no page (.dockerignore)."""
    seen = (ROOT / ".dockerignore").read_text().splitlines()
    assert "!examples" not in seen
    assert seen.index("!patchlang") < seen.index(f"{PLAYGROUND}/static")
    assert _inside(_built(tmp_path, image=True)) == _modules()


def test_the_man_page(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if ".data/" in name]
    assert name.endswith(".data/data/share/man/man1/patchlang.1")
    assert wheel.read(name) == (ROOT / "man/patchlang.1").read_bytes()


def test_both_commands(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    lines = set(wheel.read(name).decode().split("\n"))
    assert {"patchlang = patchlang.__main__:run", "sidecar-shim = shim.__main__:main"} <= lines


def test_metadata(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_bytes(wheel.read(next(n for n in wheel.namelist() if n.endswith("METADATA"))))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
