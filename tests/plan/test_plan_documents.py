"""docs/plan.md: its example, its script and its schema match the program."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from docblocks import Block, blocks
from plandump import DOMAIN, TITLE, config_map, domain, sidecar, vmi, write

from patchlang.cli import cli

SHOWN = blocks("docs/plan.md")
PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: title}
spec:
  when: vmi.metadata.name != 'db'
  domain:
    - {op: ensure, path: /domain/title, value: "$[ vmi.metadata.name ]"}
"""
SHORT = """\
<domain>
  <devices>
    <disk type="block" device="disk">
      <driver name="qemu" cache="none"/>
    </disk>
  </devices>
</domain>
"""


def block(language: str, mark: str = "") -> Block:
    (found,) = [one for one in SHOWN if one.lang == language and (not mark or mark in one.marks)]
    return found


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objects = [vmi(name, sidecar()) for name in ("web-1", "web-2", "db", "off")]
    write(tmp_path, *objects, config_map(patch_yaml=PATCH))
    for path in (tmp_path / "domains").iterdir():
        path.write_text(SHORT)
    (tmp_path / "domains/lab_off.xml").unlink()
    call, _, shown = block("text", "plan").text.partition("\n")
    result = CliRunner().invoke(cli, call.removeprefix("$ patchlang ").split(), catch_exceptions=False)
    assert result.stdout == shown


@pytest.mark.parametrize("args", [[], ["--shard", "1/2"], ["-l", "nothing"]])
def test_the_schema(tmp_path: Path, args: list[str]) -> None:
    broken = TITLE.replace("driver/@cache", "driverr/@cache")
    objects = [vmi("a", sidecar(), title="x"), vmi("b", sidecar()), vmi("c", sidecar(key="broken.yaml"), title="x")]
    write(tmp_path, *objects, vmi("d"), vmi("e", sidecar("no")), config_map(patch_yaml=TITLE, broken_yaml=broken))
    command = ["plan", str(tmp_path / "dump.json"), "--domains", str(tmp_path / "domains"), "--format", "json", *args]
    data = json.loads(CliRunner().invoke(cli, command, catch_exceptions=False).stdout)
    schema = json.loads(block("json", "schema").text)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(data, strict(schema))
    if not args:
        assert {group["status"] for group in data["groups"]} == {
            "fails", "changes", "unchanged", "unpatched", "unknown"
        }  # fmt: skip


def strict(schema: Any) -> Any:
    """Every field has a description, except the fields of findings, which another page describes."""
    if isinstance(schema, dict):
        inner = {key: strict(value) for key, value in schema.items()}
        is_closed = "properties" in schema and "additionalProperties" not in schema
        return {**inner, "additionalProperties": False} if is_closed else inner
    return [strict(one) for one in schema] if isinstance(schema, list) else schema


KUBECTL = """\
#!/bin/sh
case "$*" in
  "get vmi,vm,configmap -A -o json") cat "$OBJECTS";;
  "get pod -A -l kubevirt.io=virt-launcher"*) printf 'lab pod-1 web\\nlab pod-2 gone\\n';;
  "exec -n lab pod-1 -c compute -- virsh dumpxml lab_web") cat "$DOMAIN"; cat >/dev/null;;
  *) echo "no domain" >&2; exit 1;;
esac
"""


def test_the_script_makes_a_dump(tmp_path: Path) -> None:
    one = vmi("web", sidecar(), title="a")
    (tmp_path / "objects.json").write_text(json.dumps({"items": [one, config_map(patch_yaml=TITLE)]}))
    (tmp_path / "domain.xml").write_text(domain(one, DOMAIN))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/kubectl").write_text(KUBECTL)
    (tmp_path / "bin/kubectl").chmod(0o755)
    (tmp_path / "dump.sh").write_text(block("sh").text)
    names = {"OBJECTS": str(tmp_path / "objects.json"), "DOMAIN": str(tmp_path / "domain.xml")}
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", **names}
    subprocess.run(["sh", str(tmp_path / "dump.sh"), str(tmp_path / "dump")], env=environment, check=True, timeout=60)
    assert sorted(path.name for path in (tmp_path / "dump/domains").iterdir()) == ["lab_web.xml"]
    result = CliRunner().invoke(cli, ["plan", str(tmp_path / "dump")], catch_exceptions=False)
    assert result.stdout.endswith("1 VM: 1 would change\n")


def test_the_job_plans_all_parts() -> None:
    job = yaml.safe_load(block("yaml").text)
    assert job["kind"] == "Job"
    count = job["spec"]["completions"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    *_, script = container["command"]
    assert f"--shard $((JOB_COMPLETION_INDEX + 1))/{count}" in script
    syntax = subprocess.run(["sh", "-n"], input=script.encode(), check=False)
    assert syntax.returncode == 0
