"""Domains and VMIs, extracted from the files that users have."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from patchlang.cli import cli
from patchlang.cli.apply import SIDECAR_TAKES
from patchlang.diagnostics import PatchError
from patchlang.extract import read_domain, read_vmi
from patchlang.manifests import arguments

DOMAIN = b"<domain type='kvm'>\n  <name>a</name>\n</domain>"


@pytest.mark.parametrize(
    "text",
    [
        DOMAIN,
        DOMAIN + b"\n",
        b"\xef\xbb\xbf" + DOMAIN,
        b"<?xml version='1.0'?>\n<!-- a domain -->\n" + DOMAIN + b"\n<!-- its end -->\n",
        b"<domain/>",
        b"<network></network>",
        b"",
        b"no XML at all",
        b"\x00\xff",
        DOMAIN.replace(b"</domain>", b""),
    ],
)
def test_xml_and_what_is_no_domain_pass_as_they_are(text: bytes) -> None:
    assert read_domain(text).data == text
    assert read_domain(text).where is None


@pytest.mark.parametrize(
    "text",
    [b"kind: VirtualMachineInstance\n", b"# a VM\n---\napiVersion: v1\n", b'\xef\xbb\xbf {"NoCloudMetaData": null}'],
)
def test_what_is_yaml_or_json_is_no_domain(text: bytes) -> None:
    with pytest.raises(PatchError, match="the domain is YAML or JSON, but must be XML") as caught:
        read_domain(text)
    assert "`--vmi`" in (caught.value.diagnostic.help or "")


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        (b"error: no polkit\n", b"\n\n", "lines 2 to 4"),
        (b"$ virsh dumpxml a\n", b"\n\n$ exit\n", "lines 2 to 4"),
        (b"", b"\n$ exit\n", "lines 1 to 3"),
        (b'Defaulted container "compute" out of: compute\r\n\r\n', b"\r\n", "lines 3 to 5"),
    ],
)
def test_lines_around_a_domain_are_left_out(before: bytes, after: bytes, where: str) -> None:
    found = read_domain(before + DOMAIN + after)
    assert found.data.strip() == DOMAIN
    assert found.where == where


def log(domain: bytes) -> bytes:
    dump = base64.b64encode(domain).decode()
    return json.dumps({"level": "info", "msg": f"Domain XML generated. Base64 dump {dump}", "pos": "x.go:1"}).encode()


def test_the_last_dump_of_a_log_is_taken() -> None:
    lines = [b"{}", log(b"<domain/>"), b"<domain>no</domain>", log(DOMAIN), b"{}"]
    found = read_domain(b"\n".join(lines))
    assert (found.data, found.where) == (DOMAIN, "the base64 dump in line 4, the last of 2 dumps")


@given(st.integers(1, len(base64.b64encode(DOMAIN))))
def test_a_dump_that_is_cut_off_is_refused(left: int) -> None:
    dump = base64.b64encode(DOMAIN)[: len(base64.b64encode(DOMAIN)) - left]
    with pytest.raises(PatchError, match=r"PL501 bad-domain-xml\] the base64 dump in line 1 is truncated"):
        read_domain(b"Domain XML generated. Base64 dump " + dump)


PREFIXES = (b"", b"Domain XML generated. Base64 dump ", b"kind: List\nitems: ", b'{"kind": "VirtualMachine", "x": ')


@given(st.sampled_from(PREFIXES), st.binary() | st.text().map(str.encode))
def test_nothing_breaks_the_readers(prefix: bytes, text: bytes) -> None:
    with suppress(PatchError):
        read_domain(prefix + text)
    with suppress(PatchError):
        read_vmi(prefix + text)


VM = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "web-01", "namespace": "lab", "labels": {"of": "the VirtualMachine"}},
    "spec": {"template": {"metadata": {"labels": {"of": "the template"}}, "spec": {"domain": {}}}},
}
VMI = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstance",
    "metadata": {"labels": {"of": "the template"}, "name": "web-01", "namespace": "lab"},
    "spec": {"domain": {}},
}


@pytest.mark.parametrize(
    "manifest",
    [
        VM,
        VMI,
        {"kind": "List", "items": [VM]},
        {"kind": "List", "items": [{"kind": "Pod"}, {"kind": "List", "items": [VMI]}, None]},
        {"kind": "VirtualMachineInstanceList", "items": [VMI]},
        {**VM, "kind": "VirtualMachineInstanceReplicaSet"},
    ],
)
def test_a_vmi_is_found_in_any_manifest(manifest: object) -> None:
    assert json.loads(read_vmi(json.dumps(manifest).encode())) == VMI


def test_json_of_a_vmi_passes_byte_for_byte() -> None:
    text = b'{"kind":\t"VirtualMachineInstance"}\n'
    assert read_vmi(text) == text
    assert read_vmi(b"{}") == b"{}"
    assert read_vmi(b"[1]") == b"[1]"


def test_a_domain_that_the_sidecar_would_not_take_is_applied_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("patch.yaml").write_text(
        "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: a}\nspec: {domain: [{op: ensure, path: /domain/a}]}\n"
    )
    Path("domain.xml").write_text(f"<domain><!--{'x' * SIDECAR_TAKES}--></domain>")
    result = CliRunner().invoke(cli, ["apply", "-p", "patch.yaml", "--domain", "domain.xml"])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("<a></a></domain>")
    assert (
        "warning[PL506 input-too-big] the domain has 1048600 bytes, but the sidecar accepts 1048576\n" in result.stderr
    )


def test_the_sidecar_takes_what_it_says() -> None:
    source = (Path(__file__).parents[2] / "shim" / "config.py").read_text()
    assert "DEFAULT_MAX_DOMAIN_BYTES = 1024 * 1024\n" in source
    assert SIDECAR_TAKES == 1024 * 1024 < arguments.LARGEST_DOMAIN
