"""docs/dependencies.md lists the licenses and sizes of the installed packages."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
import sbom
from packaging.licenses import canonicalize_license_expression

ROOT = Path(__file__).resolve().parents[2]


def rows() -> dict[str, list[str]]:
    text = (ROOT / "docs/dependencies.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    return {row[0].strip("`"): row[1:] for row in cells}


def installed() -> list[str]:
    """The packages in the lock for the checks; the lock for the benchmarks has its own environment."""
    return re.findall(r"^([\w.-]+)==", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(rows()))
def test_licences_are_named_as_spdx_does(name: str) -> None:
    licence = rows()[name][1]
    assert canonicalize_license_expression(licence) == licence


@pytest.mark.parametrize("name", installed())
def test_the_licence_is_the_one_that_the_package_declares(name: str) -> None:
    said = rows()[name][1]
    for entry in sbom.python_licence(metadata.distribution(name)):
        declared = entry.get("expression") or entry["license"].get("id")
        # If no SPDX name is certain, the documents may be more precise: "BSD" with two or three clauses.
        vague = entry.get("license", {}).get("name", "").split(" ")[0]
        assert said == declared if declared else said.startswith(vague), entry


@pytest.mark.skipif(
    (sys.version_info[:2], platform.machine(), platform.system()) != ((3, 11), "x86_64", "Linux"),
    reason="the sizes are those of CPython 3.11 on x86_64",
)
@pytest.mark.parametrize("name", installed())
def test_the_size_is_about_right(name: str) -> None:
    files = [file for file in metadata.files(name) or [] if file.suffix != ".pyc"]
    size = sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()) / 1e6
    match = re.fullmatch(r"([\d.]+) MB", rows()[name][2])
    assert match
    assert float(match[1]) == pytest.approx(size, rel=0.1, abs=0.06)
