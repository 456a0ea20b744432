"""The Python API does the same as the engine and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import patchlang
from patchlang import loading
from patchlang.engine import patch_cloud_init, patch_domain

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples/patches").glob("*/domain.xml"))

PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: title}
spec:
  facts: {env: [NODE]}
  domain:
    - op: ensure
      path: /domain/title
      value: $[ vmi.metadata.name + '@' + facts.env.NODE.orValue('nowhere') ]
"""
DOMAIN = b"<domain><name>a</name></domain>"


@pytest.fixture
def program(tmp_path: Path) -> patchlang.Program:
    (tmp_path / "title.yaml").write_text(PATCH)
    return patchlang.load(str(tmp_path / "title.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_engine_s_own_bytes(example: Path) -> None:
    domain, vmi = (example / "domain.xml").read_bytes(), (example / "vmi.yaml").read_bytes()
    from patchlang.extract import read_vmi

    patches = sorted(path for path in example.glob("*.yaml") if path.name.startswith("patch"))
    compiled = loading.load(patches).program
    assert compiled is not None
    result = patchlang.load(patches).apply_domain(domain, vmi)
    assert result.data == patch_domain(compiled, domain, read_vmi(vmi)).data
    assert result.data is not None


def test_a_vmi_as_a_mapping_as_bytes_and_of_a_virtual_machine(program: patchlang.Program) -> None:
    vmi = {"kind": "VirtualMachineInstance", "metadata": {"name": "web"}}
    vm = {"kind": "VirtualMachine", "metadata": {"name": "web"}, "spec": {"template": {"spec": {}}}}
    outcomes = {program.apply_domain(DOMAIN, one).data for one in (vmi, json.dumps(vmi).encode(), vm)}
    assert outcomes == {b"<domain><name>a</name><title>web@nowhere</title></domain>"}


def test_facts(program: patchlang.Program) -> None:
    vmi = {"metadata": {"name": "web"}}
    assert program.facts == {"env.NODE"}
    for value in ("node1", b"node1"):
        assert b"web@node1" in (program.apply_domain(DOMAIN, vmi, facts={"env.NODE": value}).data or b"")
    refused = program.apply_domain(DOMAIN, vmi, facts={"env.NDOE": "node1"})
    assert refused.data is None
    assert [finding.rule for finding in refused.diagnostics] == ["PL206"]
    assert refused.diagnostics[0].help == "did you mean `env.NODE`?"


def test_a_failing_patch_points_into_its_file(program: patchlang.Program, tmp_path: Path) -> None:
    result = program.apply_domain(DOMAIN)
    assert result.data is None
    (finding,) = result.diagnostics
    assert finding.is_error
    assert finding.place is not None
    assert (finding.place.file, finding.place.line) == (str(tmp_path / "title.yaml"), 9)
    assert str(finding).startswith(f"{tmp_path / 'title.yaml'}:9:")
    assert finding.patch == "title"
    assert [(one.name, one.state) for one in result.trace] == [("title", "failed")]


def test_input_that_is_none_is_a_finding(program: patchlang.Program) -> None:
    assert [f.rule for f in program.apply_domain(b"no XML", {"metadata": {"name": "web"}}).diagnostics] == ["PL501"]
    assert [f.rule for f in program.apply_domain(DOMAIN, b"{").diagnostics] == ["PL504"]
    assert [f.rule for f in program.apply_cloud_init(b"{").diagnostics] == ["PL505"]


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes"])
def test_a_mapping_that_is_no_json_is_a_mistake_of_the_caller(program: patchlang.Program, value: object) -> None:
    with pytest.raises(TypeError):
        program.apply_domain(DOMAIN, {"metadata": value})


def test_cloud_init_gives_both_forms(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text(
        "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: hello}\n"
        "spec: {cloudInit: [{op: ensure, target: userData, path: /hostname, value: web}]}\n"
    )
    (tmp_path / "b.txt").write_text("not a patch file")
    source = json.dumps({"userData": "#cloud-config\n{}\n"}).encode()
    data = json.dumps(
        {"DataSource": "noCloud", "NoCloudMetaData": {"instance-id": "a"}, "UserData": "#cloud-config\n{}\n"}
    ).encode()
    program = patchlang.load(tmp_path)
    result = program.apply_cloud_init(data, no_cloud_source=source)
    compiled = loading.load([tmp_path / "hello.yaml"]).program
    assert compiled is not None
    expected = patch_cloud_init(compiled, data, source, b"{}")
    assert (result.data, result.no_cloud_source) == (expected.data, expected.no_cloud_source)
    assert result.data is not None
    assert (program.edits_domain, program.edits_cloud_init) == (False, True)


def test_all_that_keeps_patches_from_loading_comes_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Patch\n")
    with pytest.raises(patchlang.LoadError) as caught:
        patchlang.load([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert {finding.rule for finding in caught.value.findings} >= {"PL001", "PL105"}
    assert "a.yaml:1:1" in str(caught.value)


def test_validate_finds_what_the_command_line_finds(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PATCH.replace("/domain/title", "/domain/os/smbois/@mode"))
    (finding,) = [one for one in patchlang.validate(tmp_path) if one.is_error]
    assert finding.place is not None
    assert finding.place.file == str(tmp_path / "a.yaml")
    assert finding.help == "did you mean `smbios`?"
    assert [one for one in patchlang.validate(tmp_path, libvirt="none") if one.is_error] == []


@pytest.mark.parametrize("versions", [{"kubevirt": "0.1"}, {"libvirt": "1"}, {"kubevirt": "1.5", "plugins": True}])
def test_a_version_that_is_not_known(tmp_path: Path, versions: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="; known:"):
        patchlang.validate(tmp_path, **versions)  # type: ignore[arg-type]
