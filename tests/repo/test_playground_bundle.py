"""The playground's page: the committed bundle matches its sources. The test needs neither npm nor node."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
STATIC = ROOT / "patchlang/authoring/playground/static"


def test_the_bundle_is_that_of_the_sources() -> None:
    """``build.mjs`` writes the same digest into the bundle's first line."""
    names = sorted(
        ["build.mjs", "index.html", "package-lock.json", "package.json", *(f"src/{p.name}" for p in WEB.glob("src/*"))]
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode() + (WEB / name).read_bytes())
    banner = (STATIC / "playground.js").read_text().split("\n", 1)[0]
    assert f"sha256:{digest.hexdigest()}." in banner, "make playground-bundle"
    for name, copy in (("index.html", "index.html"), ("src/icon.svg", "icon.svg")):
        assert (WEB / name).read_bytes() == (STATIC / copy).read_bytes(), "make playground-bundle"


def test_every_package_in_it_has_its_license() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    bundled = {
        name.removeprefix("node_modules/"): entry["version"]
        for name, entry in lock.items()
        if name and not entry.get("dev") and not entry.get("devOptional")
    }
    found = dict(re.findall(r"^(\S+) ([\d.]+) \(MIT\)$", (STATIC / "LICENSES.txt").read_text(), re.MULTILINE))
    assert found == bundled
    assert (STATIC / "LICENSES.txt").read_text().count("Permission is hereby granted") == len(found)


def test_the_lock_names_no_registry_and_has_digests() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert "omit-lockfile-registry-resolved=true" in (WEB / ".npmrc").read_text()
    assert [name for name, entry in lock.items() if "resolved" in entry] == []
    assert [name for name, entry in lock.items() if name and "integrity" not in entry] == []


def test_it_loads_nothing_from_elsewhere() -> None:
    for name in ("playground.js", "playground.css", "index.html", "icon.svg"):
        text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[\w-]+\.[a-z]{2,}", text), name
