"""Words that the repository's files may not contain, and facts that they must agree on."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

import patchlang

ROOT = Path(__file__).resolve().parents[2]

# Hosts of package registries: the installer's configuration decides where packages come from. Written in pieces, since
# this file is read too.
HOSTS = re.compile(
    r"py" r"pi\.org|python" r"hosted\.org|npm" r"js\.(org|com)|deb\.deb" r"ian\.org|crates" r"\.io|proxy\.go" r"lang\."
)
PATHS = re.compile(r"/work" r"/(main|shared)|\.py" r"env/|/opt" r"/(wheels|pypi)")


@cache
def tracked() -> dict[str, str]:
    """The text files under version control, by path."""
    try:
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a git checkout and Debian's git")
    files = {}
    for name in filter(None, names.split("\0")):
        try:
            files[name] = (ROOT / name).read_text()
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):  # deleted, a link to a folder, or not text
            continue
    return files


@pytest.mark.parametrize("pattern", [HOSTS, PATHS], ids=["registry hosts", "paths of a machine"])
def test_no_file_names(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in tracked().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_links_between_documents_lead_somewhere() -> None:
    code = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
    links = [
        (name, target)
        for name, text in tracked().items()
        if name.endswith(".md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", code.sub("", text))
    ]
    local = [(name, target) for name, target in links if not re.match(r"[a-z]+:", target)]
    assert [f"{n}: {target}" for n, target in local if not (ROOT / n).parent.joinpath(target).exists()] == []


def test_one_version_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert patchlang.__version__ == version
    assert f"ARG VERSION={version}\n" in (ROOT / "Dockerfile").read_text()
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version  # type: ignore[index]


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_scripts_are_executable() -> None:
    """Outside of tests and examples, which need some that are not."""
    scripts = [n for n, text in tracked().items() if text[:2] == "#!" and not n.startswith(("tests/", "examples/"))]
    assert ".ci/run" in scripts
    assert [name for name in scripts if not (ROOT / name).stat().st_mode & 0o111] == []
