"""The Dockerfile, as far as it can be judged without building it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_hadolint_has_nothing_to_say() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed: make setup")
    run = subprocess.run([program, "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.stdout + run.stderr, run.returncode) == ("", 0)


def test_the_image_is_what_kubevirt_runs() -> None:
    """A numeric user (no passwd entry is needed), no shell around the process, no bytecode written."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER 107:107" in lines
    assert 'ENTRYPOINT ["/opt/patchlang/bin/sidecar-shim"]' in lines
    environment = "\n".join(lines[lines.index("FROM scratch") :])
    assert "MALLOC_ARENA_MAX=1" in environment
    assert "MALLOC_MMAP_THRESHOLD_=131072" in environment
    assert "GLIBC_TUNABLES=glibc.malloc.tcache_count=0" in environment
    assert "PYTHONDONTWRITEBYTECODE=1" in environment


def test_the_build_sees_only_what_ships() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    shipped = {line[1:] for line in lines if line.startswith("!")}
    assert shipped == {"LICENSE", "README.md", "patchlang", "pyproject.toml", "requirements", "shim", "tools/sbom.py"}
