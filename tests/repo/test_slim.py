"""The parts of packages that the image leaves out: symbols, and modules that nothing imports."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import slim

SITE = Path(sysconfig.get_path("purelib"))
ROOT = Path(__file__).resolve().parents[2]
COMPILED = ("cel_expr_python", "lxml", "yaml", "google")
LIBRARIES = sorted(path for name in COMPILED for path in SITE.glob(f"{name}/**/*.so"))


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.name.partition(".")[0])
def test_stripping_takes_the_end_and_the_list_of_sections_and_nothing_else(path: Path) -> None:
    data = path.read_bytes()
    less = slim.stripped(data)
    assert len(less) <= len(data)
    assert less[64:] == data[64 : len(less)]
    assert slim.stripped(less) == less
    assert less[:40] + less[48:60] == data[:40] + data[48:60], "of the header no more than where the sections are"


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_such_library_is_left_as_it_is(data: bytes) -> None:
    assert slim.stripped(data) == data


def test_what_is_left_works_and_is_smaller(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.1/site-packages"
    for name in COMPILED:
        shutil.copytree(SITE / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    said = list(slim.slim(tmp_path))
    assert "removed lxml/html" in said
    assert any(line.startswith("stripped cel_expr_python/cel.") for line in said)
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import patchlang.cel.compiled, yaml, google.protobuf.message;"
        "from patchlang.cli import main; sys.argv = ['patchlang', 'test', 'examples/patches']; main()"
    )
    run = subprocess.run([sys.executable, "-c", code, str(site)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "")


def test_every_pattern_is_of_something_that_a_package_has() -> None:
    of_newer_pythons = {"bazel-project"}
    assert [one for one in slim.UNUSED if one not in of_newer_pythons and not any(SITE.glob(one))] == []
