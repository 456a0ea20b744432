"""tools/sbom.py on a small root built here: complete, reproducible, and valid against CycloneDX's own schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
SITE = "opt/patchlang/lib/python3.13/site-packages"
FILES = {
    "etc/os-release": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="13"\n',
    "var/lib/dpkg/status": """\
Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.41-12+deb13u5
Description: a library
 Package: in-a-continuation-line

Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.37-2)
Version: 5.2.37-2+b10
Pre-Depends: libc6 (>= 2.38), libtinfo6 (>= 6)
Depends: base-files | libc6:any, debianutils

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
""",
    "var/lib/dpkg/info/python3-packaging.list": "/.\n/usr/lib/python3/dist-packages/packaging-25.0.dist-info\n",
    "usr/share/doc/bash/copyright": """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
License: GPL-3+

Files: lib/*
License: GPL-3+ with Bison exception

License: Expat
 Permission is hereby granted
""",
    "usr/share/doc/libc6/copyright": "This is free software.\nLicense: see below\n",
    "usr/lib/python3/dist-packages/packaging-25.0.dist-info/METADATA": "Name: packaging\nVersion: 25.0\n",
    f"{SITE}/Some_Library-1.0+local.dist-info/METADATA": """\
Metadata-Version: 2.4
Name: Some_Library
Version: 1.0+local
License-Expression: MIT OR Apache-2.0
Requires-Dist: other.lib>=2; python_version > "3"
Requires-Dist: absent
Requires-Dist: last; extra == 'tests'
""",
    f"{SITE}/other_lib-2.1.dist-info/METADATA": "Name: other.lib\nVersion: 2.1\nLicense: 3-Clause BSD License\n",
    f"{SITE}/last-3.dist-info/METADATA": """\
Name: last
Version: 3
Classifier: License :: OSI Approved :: BSD License
Classifier: License :: OSI Approved :: MIT License
""",
    f"{SITE}/pyyaml-6.0.4.dist-info/METADATA": "Name: PyYAML\nVersion: 6.0.4\nLicense: MIT\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def sbom(root: Path, seed: int = 0) -> str:
    command = [sys.executable, "tools/sbom.py", "patchlang", "0.1.0", str(root)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": str(seed)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def parts(text: str) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in json.loads(text)["components"]}


def test_the_schema_of_cyclonedx_takes_it(root: Path) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom(root))
    assert error is None, error


def test_the_schema_would_not_take_just_anything(root: Path) -> None:
    text = sbom(root).replace('"id": "MIT"', '"id": "Expat"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is not None


def test_the_same_root_gives_the_same_bytes(root: Path) -> None:
    assert len({sbom(root, seed) for seed in range(3)}) == 1


def test_all_that_is_installed_is_named_once(root: Path) -> None:
    names = [part["name"] for part in json.loads(sbom(root))["components"]]
    wanted = "bash debian last libc6 libyaml other-lib python pyyaml some-library"
    assert " ".join(sorted(names)) == wanted


def test_packages_are_named_as_scanners_name_them(root: Path) -> None:
    named = {name: part.get("purl") for name, part in parts(sbom(root)).items()}
    assert named["bash"] == "pkg:deb/debian/bash@5.2.37-2%2Bb10?arch=amd64&distro=debian-13&upstream=bash%405.2.37-2"
    assert named["libc6"] == "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=debian-13&upstream=glibc"
    assert named["some-library"] == "pkg:pypi/some-library@1.0%2Blocal"
    assert named["other-lib"] == "pkg:pypi/other-lib@2.1"


def test_licences_have_spdx_names_where_they_are_certain(root: Path) -> None:
    licences = {name: part.get("licenses", []) for name, part in parts(sbom(root)).items()}
    exception = {"license": {"name": "GPL-3+ with Bison exception"}}
    assert licences["bash"] == [{"license": {"id": "GPL-3.0-or-later"}}, {"license": {"id": "MIT"}}, exception]
    assert licences["libc6"] == []
    assert licences["some-library"] == [{"expression": "MIT OR Apache-2.0"}]
    assert licences["other-lib"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert licences["last"] == [{"license": {"id": "MIT"}}, {"license": {"name": "BSD License"}}]


def test_who_needs_whom(root: Path) -> None:
    text = sbom(root)
    purls = {name: part.get("purl", "os") for name, part in parts(text).items()}
    edges = {edge["ref"]: edge["dependsOn"] for edge in json.loads(text)["dependencies"]}
    assert edges[purls["bash"]] == [purls["libc6"]]
    assert edges[purls["some-library"]] == [purls["other-lib"]]
    assert edges[purls["pyyaml"]] == [purls["libyaml"]]
    assert sorted(edges["image"]) == sorted(purls.values())
