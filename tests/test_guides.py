"""Guides (GUIDES, in docs/) as a user follows them: write the files, run the commands, compare the output.

``<!-- file: NAME -->`` before a block writes it to a file in the document's folder. In ``console`` blocks a line after
``$ `` is a command, and the lines below it are its output. A whole document runs in one folder, from top to
bottom. ``<!-- table: CLASS -->`` names a table whose first column has the keys of a class in patchlang.patchtest.model.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from lxml import etree

from patchlang.document.keys import model_fields
from patchlang.patchtest import model

ROOT = Path(__file__).parents[1]
GUIDES = (
    "../README.md",
    "first-patch.md",
    "new.md",
    "debugging.md",
    "testing.md",
    "derive.md",
    "compare.md",
    "ci.md",
    "validate.md",
    "kubevirt.md",
    "policy.md",
)
BLOCK = re.compile(r"(?:^<!-- file: (\S+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^<!-- table: (\w+) -->\n((?:^\|.*\n)+)", re.MULTILINE)
HELM = '#!/bin/sh\ntest "$1" = template && cat rendered.yaml\n'
TEMPLATE = "{{- if .Values.title }}\nkind: ConfigMap\n{{- end }}\n"
# a hook and its patches, which docs/compare.md compares without showing them
HOOK = """#!/bin/sh
case "$2" in
*web*) watchdog='<watchdog model="i6300esb" action="reset"></watchdog>' ;;
esac
echo "$4" | sed "s|cache=.none.|cache='writeback'|; s|</devices>|$watchdog</devices>|"
"""
REPLACEMENT = """apiVersion: patchlang/v1
kind: Patch
metadata: {name: disk}
spec:
  domain:
    - {op: set, when: vmi.metadata.name == 'web', path: /domain/devices/disk/driver/@cache, value: writeback}
    - {op: add, path: /domain/devices, unless: watchdog, xml: <watchdog model="i6300esb" action="reset"/>}
"""
SAMPLE = "<domain><devices><disk><driver cache='none'></driver><target dev='vda'></target></disk></devices></domain>"
COMPARED = {
    "onDefineDomain": HOOK,
    "patch.yaml": REPLACEMENT,
    **{f"{name}.xml": SAMPLE for name in ("web", "db")},
    **{f"{name}.json": f'{{"metadata": {{"name": "{name}"}}}}' for name in ("web", "db")},
}


class Block(NamedTuple):
    file: str | None
    language: str
    text: str


def guide(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def blocks(name: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(guide(name))]


def prepare(name: str, folder: Path) -> dict[str, str]:
    """Create the folder of a document, and return the environment for its commands."""
    commands = folder / ".bin"
    commands.mkdir()
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from patchlang.cli import main; main()"
    for command, script in {"patchlang": f"#!{sys.executable}\n{start}\n", "helm": HELM}.items():
        (commands / command).write_text(script)
        (commands / command).chmod(0o755)
    files = {block.file: block.text for block in blocks(name) if block.file} | {"charts/templates/title.yaml": TEMPLATE}
    for file, text in (files | (COMPARED if name == "compare.md" else {})).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
        (folder / file).chmod(0o755 if text.startswith("#!") else 0o644)
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "GITHUB_ACTIONS")}
    return environment | {"PATH": f"{commands}:{environment['PATH']}", "NO_COLOR": "1"}


def bash(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "--norc", "-c", f"exec 2>&1\n{script}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", GUIDES)
def test_what_a_guide_shows_is_what_comes_out(name: str, tmp_path: Path) -> None:
    environment = prepare(name, tmp_path)
    shown = [block.text for block in blocks(name) if block.language == "console"]
    assert shown
    for text in shown:
        commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        script = "".join(f"echo {quoted('$ ' + command)}\n(exit $last)\n{command}\nlast=$?\n" for command in commands)
        assert bash(script, tmp_path, environment).stdout == text


def test_the_recipe_for_gitlab_runs_and_leaves_its_reports(tmp_path: Path) -> None:
    environment = prepare("ci.md", tmp_path)
    job = yaml.safe_load((tmp_path / ".gitlab-ci.yml").read_text())["patches"]
    for line in job["script"]:
        result = bash(line, tmp_path, environment)
        assert result.returncode == 0, result.stdout
    for report in job["artifacts"]["reports"]["junit"]:
        assert etree.parse(tmp_path / report).getroot().tag == "testsuites"


def test_the_recipe_for_github_gives_the_action_what_it_takes(tmp_path: Path) -> None:
    environment = prepare("ci.md", tmp_path)
    workflow = yaml.load((tmp_path / ".github/workflows/patches.yaml").read_text(), yaml.BaseLoader)
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    given = workflow["jobs"]["patches"]["steps"][-1]["with"]
    assert set(given) <= set(action["inputs"])
    result = bash(f"patchlang validate {' '.join(given['paths'].split())}", tmp_path, environment)
    assert result.returncode == 0, result.stdout
    rows = dict(re.findall(r"^\| `([\w-]+)` \| `?([^`|]+)`? \|", guide("ci.md"), re.MULTILINE))
    assert {k: v.strip() for k, v in rows.items()} == {k: v["default"] or "none" for k, v in action["inputs"].items()}


def test_the_recipe_for_pre_commit_names_our_hooks(tmp_path: Path) -> None:
    prepare("ci.md", tmp_path)
    (used,) = yaml.safe_load((tmp_path / ".pre-commit-config.yaml").read_text())["repos"]
    ours = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in used["hooks"]] == [hook["id"] for hook in ours]


def test_every_manifest_of_the_walk_through_is_valid(tmp_path: Path) -> None:
    environment = prepare("kubevirt.md", tmp_path)
    shown = [block for block in blocks("kubevirt.md") if block.language == "yaml"]
    assert [block for block in shown if block.file is None] == []
    printed = bash(
        "patchlang manifest smbios.yaml --image registry.example.test/patchlang --name baseboard", tmp_path, environment
    )
    (tmp_path / "configmap.yaml").write_text(printed.stdout)
    checked = bash("patchlang validate --strict .", tmp_path, environment)
    assert checked.returncode == 0, checked.stdout
    for block in shown:
        for document in yaml.safe_load_all(block.text):
            assert re.fullmatch(r"[a-z0-9.]+/v\d\w*|v1", document["apiVersion"])
            assert document["metadata"]["name"]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize(("cls", "rows"), TABLE.findall(guide("testing.md")))
def test_tables_name_every_key(cls: str, rows: str) -> None:
    first = [row.split("|")[1].strip() for row in rows.splitlines()[2:]]
    assert first == [f"`{key}`" for key in ordered(getattr(model, cls))]


def ordered(cls: type) -> list[str]:
    keys = list(model_fields(cls))
    return sorted(keys, key=lambda key: key == "cases") if cls is model.TestSpec else keys
