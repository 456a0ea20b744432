"""The GitHub workflows of this repository: pinned, with minimal permissions, and calling only what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.name: path for path in sorted((ROOT / ".github/workflows").glob("*.y*ml"))}
FILES = [*WORKFLOWS.values(), ROOT / "action.yml"]
# job → its permissions beyond reading the repository, each with a reason
RIGHTS = {
    ("release.yml", "wheel"): {"id-token", "attestations"},  # signs the provenance of the wheel
    ("release.yml", "image"): {"packages", "id-token", "attestations"},  # pushes the image, and signs its provenance
    ("release.yml", "pypi"): {"id-token"},  # trusted publishing
    ("release.yml", "github"): {"contents"},  # creates the release
    ("site.yml", "publish"): {"pages", "id-token"},  # publishes the documentation
}


def load(path: Path) -> dict[str, Any]:
    """Load with `on` as a string; YAML 1.1 reads it as true."""
    read: dict[str, Any] = yaml.load(path.read_text(), yaml.BaseLoader)
    return read


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, path in WORKFLOWS.items():
        for job, what in load(path)["jobs"].items():
            yield name, job, what


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job, what in jobs():
        for step in what.get("steps", ()):
            yield f"{name}: {job}", step
    for step in load(ROOT / "action.yml")["runs"]["steps"]:
        yield "action.yml", step


def test_there_is_what_a_release_needs() -> None:
    assert set(WORKFLOWS) == {"ci.yml", "release.yml", "site.yml"}
    used = " ".join(step.get("uses", "") for where, step in steps() if where.startswith("release.yml"))
    for action in ("attest-build-provenance", "build-push-action", "gh-action-pypi-publish"):
        assert action in used
    text = WORKFLOWS["release.yml"].read_text()
    assert all(word in text for word in ("linux/amd64,linux/arm64", "sbom: true", "SHA256SUMS", "provenance: mode=max"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_by_their_whole_commit_with_the_release_beside_it(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if re.search(r"\buses:", line)]
    foreign = [line for line in lines if not re.search(r"uses: \./", line)]
    bad = [line for line in foreign if not re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+){2}$", line)]
    assert bad == []


def test_one_commit_of_each_action() -> None:
    found: dict[str, set[str]] = {}
    for _, step in steps():
        if "@" in step.get("uses", ""):
            action, _, commit = step["uses"].partition("@")
            found.setdefault(action, set()).add(commit)
    assert {action: commits for action, commits in found.items() if len(commits) > 1} == {}


def test_rights_are_no_more_than_needed() -> None:
    for name, path in WORKFLOWS.items():
        assert load(path)["permissions"] == {}, f"{name}: none but where a job asks"
    for name, job, what in jobs():
        granted = what["permissions"]
        written = {scope for scope, level in granted.items() if level == "write"}
        assert written == RIGHTS.get((name, job), set()), f"{name}: {job}"
        assert set(granted.values()) <= {"read", "write"}


def test_nothing_of_a_pull_request_runs_with_rights_or_as_a_script() -> None:
    for name, path in WORKFLOWS.items():
        assert not set(load(path)["on"]) & {"pull_request_target", "workflow_run", "issue_comment"}, name
    for where, step in steps():
        assert "${{" not in step.get("run", ""), f"{where}: values come by the environment"
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] == "false", where


def test_every_job_ends() -> None:
    endless = [f"{name}: {job}" for name, job, what in jobs() if "steps" in what and "timeout-minutes" not in what]
    assert endless == []


def test_debians_pythons_and_the_newest_run_the_checks() -> None:
    ci = load(WORKFLOWS["ci.yml"])["jobs"]
    assert ci["debian"]["strategy"]["matrix"]["debian"] == ["12", "13"]
    assert ci["debian"]["steps"][-1]["run"] == ".ci/run"
    given = [step.get("with", {}) for step in ci["newest"]["steps"]]
    [newest] = [one["python-version"] for one in given if "python-version" in one]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    named = [one.rpartition(" ")[2] for one in classifiers if re.search(r":: 3\.\d+$", one)]
    assert newest == named[-1]
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for _, step in steps():
        assert set(re.findall(r"\bmake ([a-z][\w-]*)", step.get("run", ""))) <= targets


def test_the_wheel_is_that_of_the_image() -> None:
    """Both take their file timestamps from the same number, so that they can be compared."""
    text = "\n".join(path.read_text() for path in WORKFLOWS.values())
    dates = set(re.findall(r"SOURCE_DATE_EPOCH: \"(\d+)", text))
    assert dates == set(re.findall(r"SOURCE_DATE_EPOCH=(\d+)", (ROOT / "Dockerfile").read_text()))


def test_scripts_of_steps_are_shell() -> None:
    for where, step in steps():
        if "run" in step:
            done = subprocess.run(["bash", "-n"], input=step["run"], text=True, capture_output=True)
            assert done.returncode == 0, f"{where}: {done.stderr}"


def test_actionlint_objects_to_nothing() -> None:
    if (actionlint := shutil.which("actionlint")) is None:
        pytest.skip("needs actionlint (github.com/rhysd/actionlint)")
    done = subprocess.run([actionlint, "-no-color", *map(str, WORKFLOWS.values())], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_notes_of_a_release_are_its_part_of_the_changelog(tmp_path: Path) -> None:
    [script] = [step["run"] for _, step in steps() if "CHANGELOG" in step.get("run", "")]
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0\n\nnew\n\n## 0.1.0 (2026-01-01)\n\n- old\n")
    [line] = [line for line in script.splitlines() if "awk" in line]
    for version, notes in (("0.2.0", "new"), ("0.1.0", "- old"), ("0.3.0", "")):
        command = ["bash", "-c", f"version={version}\n{line}\ncat notes.md"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.strip() == notes


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name)
def test_issue_forms_are_of_the_shape_that_github_takes(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    if path.name == "config.yml":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    for part in form["body"]:
        assert part["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        assert ("value" if part["type"] == "markdown" else "label") in part["attributes"]


def test_owners_are_of_paths_that_there_are() -> None:
    text = (ROOT / ".github/CODEOWNERS").read_text()
    lines = [line.split() for line in text.splitlines() if line[:1] not in ("", "#")]
    assert [path for path, *_ in lines if path != "*" and not ROOT.joinpath(path.strip("/")).exists()] == []
    assert all(owners and all(owner.startswith("@") for owner in owners) for _, *owners in lines)


def test_the_checklist_names_all_places_of_the_owner() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    names = re.findall(r"`([^`]+)`", text.partition("## Release")[2].partition("register")[0])
    listed = {name for name in names if (ROOT / name).is_file()}
    files = [path for part in (".github", "docs", "patchlang", "tools") for path in (ROOT / part).rglob("*")]
    files += [
        ROOT / name for name in ("action.yml", "Dockerfile", "Makefile", "README.md", "pyproject.toml", "zensical.toml")
    ]
    texts = {
        str(path.relative_to(ROOT)): path.read_bytes() for path in files if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name, data in texts.items() if re.search(rb"\bOWNER\b", data)} == listed
