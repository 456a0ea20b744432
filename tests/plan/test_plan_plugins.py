"""`patchlang plan` knows which VMs a Plugin selects and how its sidecar changes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from plandump import TITLE, config_map, sidecar, vmi, write

from patchlang.cli import cli

SECOND = TITLE.replace("name: title", "name: second").replace("writeback", "unsafe")


def invoke(*args: str) -> Any:
    return CliRunner().invoke(cli, [*args], catch_exceptions=False)


def manifests(folder: Path, *args: str) -> list[dict[str, Any]]:
    """The output of `manifest --plugin`: the ConfigMap, the Plugin, its policy and the binding."""
    (folder / "patch.yaml").write_text(TITLE)
    call = ["manifest", str(folder / "patch.yaml"), "--plugin", "--name", "titles", "--namespace", "lab", *args]
    result = invoke(*call, "--image", "registry.example.test/patchlang:0.1.0")
    assert result.exit_code == 0, result.output
    (folder / "patch.yaml").unlink()
    return [one for one in yaml.safe_load_all(result.stdout) if one]


def plan(folder: Path, *objects: dict[str, Any], form: str = "json") -> dict[str, Any]:
    write(folder, *objects, form=form)
    args = ["plan", str(folder / f"dump.{form}"), "--domains", str(folder / "domains"), "--format", "json"]
    data: dict[str, Any] = json.loads(invoke(*args).stdout)
    return data


def groups(data: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(group["status"], group["vms"]) for group in data["groups"]]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_plugin_without_a_condition_selects_all(tmp_path: Path, form: str) -> None:
    vms = [vmi("web", title="a"), vmi("db")]
    assert groups(plan(tmp_path, *manifests(tmp_path), *vms, form=form)) == [
        ("changes", ["lab/web"]),
        ("unchanged", ["lab/db"]),
    ]


def test_a_condition_selects(tmp_path: Path) -> None:
    made = manifests(tmp_path, "--condition", "'example.test/title' in vmi.metadata.annotations")
    data = plan(tmp_path, *made, vmi("web", title="a"), vmi("mail", title="b"), vmi("db"))
    assert groups(data) == [("changes", ["lab/mail", "lab/web"]), ("unpatched", ["lab/db"])]
    assert data["groups"][0]["edits"] == ["title: domain[0] ensure", "title: domain[1] set"]


def test_a_condition_that_fails_is_not_guessed(tmp_path: Path) -> None:
    made = manifests(tmp_path, "--condition", "vmi.metadata.labels['app'] == 'web'")
    data = plan(tmp_path, *made, vmi("web", title="a", labels={"app": "web"}), vmi("db"))
    assert groups(data) == [("changes", ["lab/web"]), ("unknown", ["lab/db"])]
    assert data["groups"][1]["reason"] == "the condition of Plugin titles cannot be decided for this VMI"


def test_a_plugin_comes_behind_hook_sidecars(tmp_path: Path) -> None:
    made = manifests(tmp_path)
    data = plan(tmp_path, *made, vmi("web", sidecar(), title="a"), config_map(patch_yaml=SECOND))
    (group,) = data["groups"]
    assert group["edits"] == ["second: domain[0] ensure", "second: domain[1] set", "title: domain[1] set"]


def test_a_patch_of_a_plugin_that_fails(tmp_path: Path) -> None:
    made = manifests(tmp_path)
    (own,) = (one for one in made if one["kind"] == "ConfigMap")
    own["data"] = {key: text.replace("driver/@cache", "driverr/@cache") for key, text in own["data"].items()}
    (group,) = plan(tmp_path, *made, vmi("web", title="a"))["groups"]
    assert group["status"] == "fails"
    assert group["diagnostics"][0]["manifest"].startswith("ConfigMap lab/titles, key patch.yaml, line 8")


def test_without_its_policy_or_config_map_nothing_is_guessed(tmp_path: Path) -> None:
    made = manifests(tmp_path)
    for missing, said in {
        "MutatingAdmissionPolicy": "the container of Plugin titles is not in the dump",
        "ConfigMap": "ConfigMap lab/titles is not in the dump",
    }.items():
        (group,) = plan(tmp_path, *(one for one in made if one["kind"] != missing), vmi("web", title="a"))["groups"]
        assert (group["status"], group["reason"]) == ("unknown", said)
    (group,) = plan(tmp_path, *made, vmi("web", namespace="other", title="a"))["groups"]
    assert group["reason"] == "ConfigMap other/titles is not in the dump"


def test_patches_of_the_command_line_stand_for_plugins_as_well(tmp_path: Path) -> None:
    write(tmp_path, *manifests(tmp_path), vmi("web", title="a"))
    (tmp_path / "new.yaml").write_text(SECOND)
    args = ["plan", str(tmp_path / "dump.json"), "--domains", str(tmp_path / "domains"), "--format", "json"]
    data = json.loads(invoke(*args, "-p", str(tmp_path / "new.yaml")).stdout)
    assert data["groups"][0]["edits"] == ["second: domain[0] ensure", "second: domain[1] set"]
