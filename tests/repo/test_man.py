"""The man page matches the current commands, and man can show it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import man
from patchlang.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "man/patchlang.1"


def test_it_is_that_of_the_commands() -> None:
    assert PAGE.read_text() == man.page(), "python tools/man.py >man/patchlang.1"


def test_groff_shows_it_without_complaint() -> None:
    if (groff := shutil.which("groff")) is None:
        pytest.skip("needs groff (Debian package groff-base)")
    done = subprocess.run([groff, "-man", "-Tutf8", "-ww", "-P-cbou", PAGE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name in COMMANDS:
        assert f"patchlang {name} [OPTIONS]" in done.stdout
    assert "patchlang validate --format github -o sarif=patches.sarif" in done.stdout
    assert "a quoted pattern such as 'charts/**/*.yaml'" in " ".join(done.stdout.split())


def test_man_shows_it() -> None:
    if (command := shutil.which("man")) is None:
        pytest.skip("needs man (Debian package man-db)")
    environment = {"MANWIDTH": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([command, "--warnings", "-l", PAGE], capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("PATCHLANG(1)")
