"""What each face loads: the sidecar lives in 64 MB, and imports cost both memory and start-up time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LATE = {"cel_expr_python"}  # loaded when a patch has an expression
COMMAND_LINE = {
    "click",
    *(f"patchlang.{m}" for m in "cli grammar kubevirt lint manifests patchtest render schema validation".split()),
}
TRANSPORT = {"google.protobuf", "grpc", "shim"}
HEAVY = {"numpy", "pkg_resources", "pydantic", "rich", "setuptools", "structlog", "typer", "unittest"}


@pytest.mark.parametrize(
    ("face", "unwanted"),
    [
        ("patchlang.load, patchlang.engine", LATE | COMMAND_LINE | TRANSPORT | HEAVY),
        ("patchlang.cli", LATE | TRANSPORT | HEAVY),
        ("shim.__main__, shim.server", LATE | COMMAND_LINE | HEAVY),
    ],
)
def test_imports_bring_no_more_than_they_need(face: str, unwanted: set[str]) -> None:
    code = f"import sys, {face}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    assert set(run.stdout.split()) & unwanted == set()
