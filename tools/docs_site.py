"""Build the site of the documentation: `make docs`, or `python tools/docs_site.py [FOLDER]` (build/site).

FOLDER/docs gets the pages of docs/ and the generated pages: one for each rule, the gallery of recipes, and the
documents at the root of the repository. Zensical then builds FOLDER/site from them, strictly: a link or an anchor that
leads nowhere fails the build. The generated pages are not committed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from site_markdown import convert

from patchlang import handbook

ROOT = Path(__file__).resolve().parents[1]
FROM_ROOT = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}


class SiteError(Exception):
    """The site cannot be assembled; the message says what to change."""


def assemble(folder: Path) -> None:
    """Write FOLDER/docs and FOLDER/zensical.toml. Raise SiteError if a page is missing from the navigation."""
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    project = config["project"]
    docs = folder / "docs"
    shutil.rmtree(docs, ignore_errors=True)
    docs.mkdir(parents=True)
    _make_gallery(docs / "gallery")
    sources = _sources()
    pages = {**sources, **_made(docs)}
    for source, page in sources.items():
        target = docs / page
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            text = source.read_text(encoding="utf-8")
            target.write_text(
                convert(text, Links(source, page, pages, project["extra"]["repository"])), encoding="utf-8"
            )
        else:
            shutil.copyfile(source, target)
    (docs / "rules" / "index.md").write_text(_rules_index(), encoding="utf-8")
    project["nav"] = _nav(project["nav"], docs)
    left = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - set(_named(project["nav"]))
    if left:
        raise SiteError(f"zensical.toml: these pages are in no part of `nav`: {', '.join(sorted(left))}")
    (folder / "zensical.toml").write_text("[project]\n" + _toml(project), encoding="utf-8")


def _sources() -> dict[Path, str]:
    """Each file to copy → its path on the site."""
    docs = ROOT / "docs"
    found = {path: str(path.relative_to(docs)) for path in docs.rglob("*") if path.suffix in (".md", ".png", ".svg")}
    found |= {path: f"rules/{path.name}" for path in (ROOT / "patchlang" / "pages").glob("*.md")}
    return found | {ROOT / name: page for name, page in FROM_ROOT.items()}


def _made(docs: Path) -> dict[Path, str]:
    """Link target in the repository for each generated page → its path on the site."""
    recipes = ROOT / "examples" / "corpus"
    found = {recipe: f"gallery/{recipe.stem}.md" for recipe in recipes.glob("*.yaml")}
    found |= {recipes: "gallery/index.md", ROOT / "patchlang" / "pages": "rules/index.md"}
    return {path: page for path, page in found.items() if page == "rules/index.md" or (docs / page).exists()}


def _make_gallery(folder: Path) -> None:
    script = ROOT / "tools" / "gallery.py"
    if script.exists() and subprocess.run([sys.executable, str(script), str(folder)], cwd=ROOT).returncode:
        raise SiteError("the pages of the gallery cannot be made; tools/gallery.py says why")


class Links:
    """Link targets on one page: another page of the site, or a file in the repository."""

    def __init__(self, source: Path, page: str, pages: dict[Path, str], repository: str) -> None:
        self.folder = source.parent
        self.page = page
        self.pages = pages
        self.repository = repository

    def __call__(self, target: str) -> str:
        name, sharp, anchor = target.partition("#")
        if not name or re.match(r"[a-z]+:", target):
            return target
        path = Path(os.path.normpath(self.folder / name))
        if path in self.pages:
            return os.path.relpath(self.pages[path], Path(self.page).parent) + sharp + anchor
        kind = "tree" if path.is_dir() else "blob"
        return f"{self.repository}/{kind}/main/{path.relative_to(ROOT)}{sharp}{anchor}"


def _rules_index() -> str:
    """All rules by the stage that finds them, each with its first sentence."""
    lines = [
        "# Rules",
        "",
        "Every message names its rule. `patchlang explain PL401` prints the page of a rule in a terminal.",
    ]
    stage = ""
    for rule in handbook.all_rules().values():
        if rule.id[:3] != stage:
            stage = rule.id[:3]
            heading = handbook.STAGES[stage]
            lines += ["", f"## {stage}xx: {heading}", "", "| rule | name | |", "|---|---|---|"]
        lines.append(f"| [{rule.id}]({rule.id}.md) | `{rule.slug}` | {handbook.page(rule).summary} |")
    return "\n".join(lines) + "\n"


def _nav(entries: list[Any], docs: Path) -> list[Any]:
    """The navigation with its patterns (`rules/*.md`) expanded."""
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, str):
            found += [str(path.relative_to(docs)) for path in sorted(docs.glob(entry), key=_index_first)]
            continue
        [(title, what)] = entry.items()
        if isinstance(what, list):
            if inner := _nav(what, docs):
                found.append({title: inner})
        elif re.match(r"[a-z]+:", what) or (docs / what).exists():
            found.append(entry)
        else:
            raise SiteError(f"zensical.toml: `nav` names {what}, and there is no such page")
    return found


def _index_first(path: Path) -> tuple[bool, str]:
    return path.name != "index.md", str(path)


def _named(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        if isinstance(entry, str):
            yield entry
            continue
        for what in entry.values():
            yield from (what,) if isinstance(what, str) else _named(what)


def _toml(table: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    """A TOML value on one line. Strings, numbers and booleans are written as in JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return json.dumps(value)


def build(folder: Path) -> int:
    """Assemble and build the site; returns Zensical's exit status."""
    zensical = Path(sys.executable).parent / "zensical"
    if not zensical.exists():
        raise SiteError("zensical is not installed next to this Python: run `make docs`, or `pip install '.[docs]'`")
    assemble(folder)
    command = [str(zensical), "build", "--strict", "--clean", "--config-file", str(folder / "zensical.toml")]
    return subprocess.run(command, check=False).returncode


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"
    try:
        status = build(folder.resolve())
    except SiteError as error:
        sys.exit(str(error))
    if status:
        sys.exit(status)
    print(f"Open {folder / 'site' / 'index.html'}, or serve it: python3 -m http.server -d {folder / 'site'}")


if __name__ == "__main__":
    main()
