"""The pytest plugin: it collects tests of patches on request, and its fixture loads files from the folder of a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TEST = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: title}
spec:
  domain: [{op: ensure, path: /domain/title, value: web}]
---
apiVersion: patchlang/v1
kind: PatchTest
metadata: {name: titles}
spec:
  domain: <domain/>
  cases:
    - name: a title
      expect: [{xpath: /domain/title, equals: web}]
    - name: another one
      expect: [{xpath: /domain/title, equals: mail}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "title.yaml").write_text(TEST)
    (tmp_path / "other.yaml").write_text("a: [b\n")
    return tmp_path


def run(folder: Path, *args: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_each_case_is_a_test(folder: Path) -> None:
    status, out = run(folder, "--patchlang")
    assert status == 1
    assert "PASSED title.yaml::titles: a title" in out
    assert "FAILED title.yaml::titles: another one" in out
    assert "title.yaml:16:47: error[PL601" in out
    assert "Traceback" not in out


def test_by_configuration(folder: Path) -> None:
    (folder / "pytest.ini").write_text("[pytest]\npatchlang = true\n")
    assert "1 failed, 1 passed" in run(folder)[1]
    assert "1 passed, 1 deselected" in run(folder, "-k", "title and not another")[1]


def test_not_unless_asked(folder: Path) -> None:
    status, out = run(folder)
    assert status == 5
    assert "no tests ran" in out


def test_a_faulty_test_is_an_error_with_its_place(folder: Path) -> None:
    (folder / "title.yaml").write_text(TEST.replace("op: ensure", "op: enshure"))
    status, out = run(folder, "--patchlang")
    assert status == 2
    assert "title.yaml:5:17: error[PL" in out
    assert "did you mean `ensure`?" in out
    assert "Traceback" not in out


def test_the_fixture_shows_why_patches_do_not_load(folder: Path) -> None:
    (folder / "broken.yaml").write_text("kind: Patch\n")
    (folder / "test_a.py").write_text("def test_a(patchlang) -> None:\n    patchlang.load('broken.yaml')\n")
    status, out = run(folder)
    assert status == 1
    assert "broken.yaml:1:1: error[PL105" in out
    assert "api.py" not in out


def test_loading_the_plugin_loads_nothing_else() -> None:
    script = """
import sys, pytest
before = {*sys.modules}
import patchlang.pytest_plugin
print(*sorted(set(sys.modules) - before))
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/").stdout
    assert out.split() == ["patchlang", "patchlang.pytest_plugin"]
