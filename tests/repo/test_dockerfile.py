"""The Dockerfile, as far as it can be checked without building it."""

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
    assert shipped == {
        "LICENSE",
        "README.md",
        "man",
        "patchlang",
        "pyproject.toml",
        "requirements",
        "shim",
        "tools/sbom.py",
        "tools/slim.py",
    }


def test_make_image_says_which_commit_it_is() -> None:
    make, git = shutil.which("make"), shutil.which("git")
    if make is None or git is None:
        pytest.skip("needs make and git")
    head = subprocess.run([git, "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if head.returncode != 0:
        pytest.skip("needs a git checkout")
    changed = subprocess.run([git, "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    shown = subprocess.run([make, "-n", "image", "ENGINE=builder"], cwd=ROOT, capture_output=True, text=True).stdout
    revision = head.stdout.strip() + ("-changed" if changed else "")
    assert f"--build-arg REVISION={revision} " in f"{shown} "
    given = subprocess.run([make, "-n", "image", "ENGINE=b", "REVISION=r1"], cwd=ROOT, capture_output=True, text=True)
    assert "--build-arg REVISION=r1" in given.stdout
    assert "ARG REVISION=\n" in (ROOT / "Dockerfile").read_text()
