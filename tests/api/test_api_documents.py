"""Every example in docs/api.md runs and passes mypy --strict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from docblocks import ROOT, Block, blocks

SHOWN = blocks("docs/api.md")
SCRIPTS = [block for block in SHOWN if block.lang == "python" and "file" not in block.marks]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for block in SHOWN:
        if "file" in block.marks:
            (tmp_path / block.marks["file"]).write_text(block.text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_an_example_runs(script: Block) -> None:
    exec(compile(script.text, str(script), "exec"), {"__name__": "example"})


def test_the_example_for_pytest_runs(beside: Path) -> None:
    run = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=beside, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout


def test_the_examples_are_typed(tmp_path: Path) -> None:
    for number, script in enumerate(SCRIPTS):
        (tmp_path / f"example{number}.py").write_text(script.text)
    (tmp_path / "wrong.py").write_text('import patchlang\n\npatchlang.load("a.yaml").apply_domain("text")\n')
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        "cache",
        "--config-file=",
        "--follow-imports=silent",
        ".",
    ]
    run = subprocess.run(mypy, cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True)
    wrong = [line for line in run.stdout.splitlines() if "error:" in line]
    assert len(wrong) == 1, run.stdout + run.stderr
    assert wrong[0].startswith("wrong.py:3: error: Argument 1 to")
