"""``patchlang manifest``: validate accepts its output, which contains exactly the patches that went in."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from patchlang import engine
from patchlang.cli import cli
from patchlang.compile import Program
from patchlang.files import MAX_FILE_BYTES
from patchlang.loading import load, load_sources
from patchlang.manifests.machines import ANNOTATION
from patchlang.manifests.writing import config_map
from patchlang.source import SourceFile

ROOT = Path(__file__).parents[1]
PATCHES = sorted(
    path
    for folder in ("examples/patches", "examples/corpus")
    for path in (ROOT / folder).rglob("*.yaml")
    if "kind: Patch\n" in path.read_text() and "kind: ConfigMap\n" not in path.read_text()
)
PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {{name: {0}}}
spec:
  domain:
    - {{op: ensure, path: /domain/{0}}}
"""
IMAGE = "registry.example.test/patchlang:0.1.0"


def manifest(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["manifest", "--image", IMAGE, *map(str, args)])


def key_and_text(printed: str) -> tuple[str, str]:
    (pair,) = yaml.safe_load(printed)["data"].items()
    key, text = pair
    return str(key), str(text)


def annotations(printed: str) -> dict[str, str]:
    """The annotations in the comment, without the comment marks."""
    comment = printed[printed.index("#   annotations:") :]
    found: dict[str, str] = yaml.safe_load("".join(f"{line[1:]}\n" for line in comment.splitlines()))["annotations"]
    return found


def test_there_are_patches() -> None:
    assert len(PATCHES) > 50


@pytest.mark.parametrize("path", PATCHES, ids=lambda p: str(p.relative_to(ROOT / "examples")))
def test_every_example_goes_into_a_manifest_as_it_is(path: Path) -> None:
    result = manifest(path)
    assert result.exit_code == 0, result.output
    assert key_and_text(result.stdout) == (path.name, path.read_text())
    checked = CliRunner().invoke(cli, ["validate", "-"], input=result.stdout)
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("path", PATCHES[:5], ids=lambda p: str(p.relative_to(ROOT / "examples")))
def test_the_checksum_is_that_of_the_key_as_it_is_mounted(path: Path) -> None:
    printed = manifest(path, "--sha256").stdout
    (sidecar,) = json.loads(annotations(printed)[ANNOTATION])
    _, text = key_and_text(printed)
    assert sidecar["args"][-2:] == ["--sha256", sha256(text.encode()).hexdigest()]
    assert printed.replace(f',\n#                  "--sha256", "{sidecar["args"][-1]}"]', "]") == manifest(path).stdout


def test_the_annotation_is_what_validate_takes_beside_the_config_map() -> None:
    printed = manifest(ROOT / "examples/patches/baseboard/patch.yaml", "--namespace", "lab", "--name", "mine").stdout
    (sidecar,) = json.loads(annotations(printed)[ANNOTATION])
    key, _ = key_and_text(printed)
    assert sidecar == {
        "image": IMAGE,
        "args": ["--version", "v1alpha3", "--patches", f"/etc/patchlang/patches.d/{key}"],
        "configMap": {"name": "mine", "key": key, "hookPath": f"/etc/patchlang/patches.d/{key}"},
    }
    machine = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "web-01", "namespace": "lab"},
        "spec": {"template": {"metadata": {"annotations": annotations(printed)}, "spec": {}}},
    }
    both = f"{printed}---\n{yaml.safe_dump(machine)}"
    checked = CliRunner().invoke(cli, ["validate", "--strict", "-"], input=both)
    assert checked.exit_code == 0, checked.output


def program_of(text: str) -> Program:
    program, diagnostics = load_sources([SourceFile("key", text)])
    assert program is not None, diagnostics
    return program


def test_several_files_are_one_program_in_the_order_of_a_folder(tmp_path: Path) -> None:
    names = ["z", "a", "m"]
    texts = [PATCH.format(name) for name in names]
    texts[1] = "%YAML 1.1\n---\n" + texts[1] + "...\n"
    texts[2] = ("# a comment\n\n" + texts[2]).replace("\n", "\r\n") + "---\r\n"
    for name, text in zip(names, texts, strict=True):
        (tmp_path / f"{name}.yaml").write_bytes(text.encode())
    _, text = key_and_text(manifest(tmp_path).stdout)
    assert "# a comment\n" in text
    loaded = load(sorted(tmp_path.iterdir()))
    assert loaded.program is not None
    joined = program_of(text)
    assert joined.names == loaded.program.names
    domain = b"<domain/>"
    assert engine.patch_domain(joined, domain, b"{}").data == engine.patch_domain(loaded.program, domain, b"{}").data


def test_a_file_without_a_last_line_break_is_joined(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PATCH.format("a").rstrip("\n") + " # no end of line")
    (tmp_path / "b.yaml").write_text(PATCH.format("b"))
    result = manifest(tmp_path)
    assert result.exit_code == 0, result.output
    assert program_of(key_and_text(result.stdout)[1]).names == ("a", "b")


def test_more_than_the_sidecar_reads_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(PATCH.format(name) + f"# {'x' * (MAX_FILE_BYTES // 2)}\n")
    result = manifest(tmp_path)
    assert result.exit_code == 1
    assert "error[PL004 file-too-big]" in result.stderr
    assert result.stdout == ""
    assert manifest(tmp_path / "a.yaml").exit_code == 0


printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\t\n\r\x85"))


@given(printable)
@example(" indented\nfirst")
@example("\n\n  \nfirst")
@example("tail\n\n\n")
@example("---\n...\n")
@example("\ttab")
@example("a\u2028b\x85c\r\nd")
@example("# only a comment")
@example("")
@example("\n")
def test_every_text_comes_out_of_the_config_map_as_it_went_in(text: str) -> None:
    read = yaml.load(config_map("patches", "lab", "a.yaml", text) + "# end\n", yaml.CSafeLoader)
    assert read == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "patches", "namespace": "lab"},
        "data": {"a.yaml": text},
    }


@pytest.mark.parametrize("name", ["null", "1e3", "0x10", "on", "12", "y", "0o7"])
def test_names_that_a_reader_of_yaml_takes_for_something_else_are_quoted(name: str) -> None:
    assert f'  name: "{name}"\n  namespace: "{name}"\n' in config_map(name, name, "a.yaml", "x")
