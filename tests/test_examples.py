"""Every folder in examples/patches is valid, gives the documented result, and survives every run of a boot."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from patchlang.engine import patch_cloud_init, patch_domain
from patchlang.extract import read_vmi
from patchlang.loading import load

EXAMPLES = Path(__file__).parent.parent / "examples" / "patches"
DOMAINS = sorted(p.parent for p in EXAMPLES.glob("*/domain.xml"))
CLOUD_INITS = sorted(p.parent for p in EXAMPLES.glob("*/cloud-init.json"))


def vmi_of(folder: Path) -> bytes:
    return read_vmi((folder / "vmi.yaml").read_bytes())


def patched(folder: Path, domain: bytes, vmi: bytes) -> bytes:
    loaded = load([folder / "patch.yaml"])
    assert loaded.program is not None, loaded.diagnostics
    outcome = patch_domain(loaded.program, domain, vmi)
    assert outcome.data is not None, outcome.diagnostics
    return outcome.data


def second_input(first_result: bytes, original: bytes) -> bytes:
    """KubeVirt's second run of one boot: devices as we left them, interfaces and everything else as before any edit."""
    left, right = etree.fromstring(original), etree.fromstring(first_result)
    before, ours = left.find("devices"), right.find("devices")
    assert before is not None
    assert ours is not None
    interfaces = before.findall("interface")
    for child in list(before):
        before.remove(child)
    before.extend(interfaces)
    before.extend([child for child in ours if child.tag != "interface"])
    return etree.tostring(left)


def canonical(data: bytes) -> bytes:
    return bytes(etree.tostring(etree.fromstring(data, etree.XMLParser(remove_blank_text=True)), method="c14n"))


def test_there_are_examples() -> None:
    assert len(DOMAINS) >= 3
    assert CLOUD_INITS


@pytest.mark.parametrize("folder", DOMAINS, ids=lambda p: p.name)
def test_domain_example(folder: Path) -> None:
    domain, vmi = (folder / "domain.xml").read_bytes(), vmi_of(folder)
    result = patched(folder, domain, vmi)
    assert result == (folder / "expected.xml").read_bytes()
    assert result != domain, "an example shows a change"
    assert patched(folder, result, vmi) == result


@pytest.mark.parametrize("folder", DOMAINS, ids=lambda p: p.name)
def test_domain_example_over_one_boot(folder: Path) -> None:
    domain, vmi = (folder / "domain.xml").read_bytes(), vmi_of(folder)
    first = patched(folder, domain, vmi)
    second = patched(folder, second_input(first, domain), vmi)
    third = patched(folder, second, vmi)
    assert third == second
    assert sorted(canonical(second)) == sorted(canonical(first)), "the same except for the order of devices"


@pytest.mark.parametrize("folder", DOMAINS, ids=lambda p: p.name)
def test_domain_example_leaves_a_vmi_without_its_annotation_alone(folder: Path) -> None:
    annotated = b"annotations" in (folder / "vmi.yaml").read_bytes()
    if not annotated:
        pytest.skip("this example needs no annotation")
    domain = (folder / "domain.xml").read_bytes()
    assert patched(folder, domain, b"{}") is not None
    assert patched(folder, domain, b"{}") == domain


@pytest.mark.parametrize("folder", CLOUD_INITS, ids=lambda p: p.name)
def test_cloud_init_example(folder: Path) -> None:
    loaded = load([folder / "patch.yaml"])
    assert loaded.program is not None, loaded.diagnostics
    data, vmi = (folder / "cloud-init.json").read_bytes(), vmi_of(folder)
    outcome = patch_cloud_init(loaded.program, data, b"", vmi)
    assert outcome.data is not None, outcome.diagnostics
    assert outcome.data == (folder / "expected.json").read_bytes()
    assert outcome.data != data, "an example shows a change"
    again = patch_cloud_init(loaded.program, outcome.data, outcome.no_cloud_source or b"", vmi)
    assert again.data == outcome.data
