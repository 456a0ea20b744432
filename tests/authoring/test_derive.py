"""`derive`: the corpus, its figures, and laws for any domain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from derived import cases, figures, from_all, from_main
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from lxml import etree

from patchlang.authoring.derive import Sample, derive
from patchlang.authoring.derive.proof import differs, findings, unstable
from patchlang.authoring.derive.trees import form, parse
from patchlang.record import replace

ROOT = Path(__file__).parents[2]
BASE = (ROOT / "tests/corpus/base/linux-min.domain.xml").read_bytes()
NAMES = [case.name for case in cases()]


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_derived_from_one_run(name: str) -> None:
    case = next(case for case in cases() if case.name == name)
    derived = from_main(name)
    assert derived.text is not None, derived.faults
    assert [*differs(derived.text, case.samples[:1])] == []
    assert findings(derived.text) == []
    assert [*unstable(derived.text, case.samples[:1])] == []
    assert max(map(len, derived.text.splitlines())) <= 200


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_derived_from_all_runs_or_it_is_said_what_differs(name: str) -> None:
    case = next(case for case in cases() if case.name == name)
    derived = from_all(name)
    if derived.text is None:
        assert derived.faults
        assert all(fault.message for fault in derived.faults)
    else:
        any_order = any("order" in remark for remark in derived.remarks)
        assert [*differs(derived.text, [replace(one, any_order=any_order) for one in case.samples])] == []


def test_the_figures_are_those_of_the_documents_and_what_was_asked() -> None:
    found = figures()
    assert found.derived >= 0.95 * found.cases
    assert found.length <= 1.5
    assert found.computed >= 0.6 * found.several
    text = " ".join((ROOT / "docs/derive.md").read_text().split())
    said = re.search(r"(\d+) of (\d+) domain cases .*? median of ([\d.]+) times .*? (\d+) of the (\d+) cases", text)
    assert said
    assert [float(one) for one in said.groups()] == [
        found.derived, found.cases, found.length, found.computed, found.several,
    ]  # fmt: skip


@st.composite
def edited(draw: st.DrawFn) -> bytes:
    """A domain in which some nodes are changed, removed, added or moved."""
    root = etree.fromstring(BASE)
    for _ in range(draw(st.integers(1, 4))):
        nodes = [n for n in root.iter("*") if n is not root and n.tag not in ("name", "uuid", "devices", "alias")]
        nodes = [n for n in nodes if "metadata" not in [a.tag for a in n.iterancestors()] and n.tag != "metadata"]
        node = draw(st.sampled_from(nodes))
        match draw(st.sampled_from(["attribute", "gone", "new", "text", "elsewhere", "twice"])):
            case "attribute":
                name = draw(st.sampled_from([*node.attrib, "mode", "cache"]))
                node.set(name, draw(st.sampled_from(["on", "x'y", 'a"b', "$[ 1 ]", "<&>"])))
            case "gone" if node.find("alias") is None:
                node.getparent().remove(node)
            case "new":
                etree.SubElement(node.getparent(), draw(st.sampled_from(["sound", "odd"])), model=draw(st.just("ich9")))
            case "text" if not len(node):
                node.text = draw(st.sampled_from(["7", "a $[ b", " x "]))
            case "elsewhere":
                node.getparent().insert(0, node)
            case "twice" if node.find("alias") is None:
                node.getparent().append(etree.fromstring(etree.tostring(node)))
            case _:
                pass
    return bytes(etree.tostring(root))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(edited())
def test_any_change_is_derived_and_proven_or_refused_in_words(after: bytes) -> None:
    sample = Sample("x", BASE, after)
    derived = derive([sample], "x")
    note(derived.text or str(derived.faults))
    if derived.text is None:
        assert derived.faults
        return
    sample = replace(sample, any_order=any("order" in remark for remark in derived.remarks))
    assert [*differs(derived.text, [sample])] == []
    assert [*unstable(derived.text, [sample])] == []


@pytest.mark.parametrize(
    "noise",
    [
        lambda text: text.replace("\n", "").replace("\t", ""),
        lambda text: re.sub(r"<(\w+)([^<>]*)></\1>", r"<\1\2/>", text),
        lambda text: "<?xml version='1.0'?>\n<!-- by hand -->" + text,
    ],
)
def test_what_a_script_writes_otherwise_is_no_change(noise: object) -> None:
    assert callable(noise)
    after = noise(BASE.decode()).replace('<vcpu placement="static">2', '<vcpu placement="static">3')
    derived = derive([Sample("x", BASE, after.encode())], "x")
    assert derived.text is not None
    assert derived.text.count("- {op:") == 1


def test_comments_count_unless_the_script_drops_them_all() -> None:
    before = BASE.replace(b"<vcpu", b"<!-- by capacity team --><vcpu")
    after = BASE.replace(b">2</vcpu>", b">3</vcpu>")
    derived = derive([Sample("x", before, after)], "x")
    assert derived.text is not None
    assert any("comments" in remark for remark in derived.remarks)
    kept = parse(before)
    assert form(kept) != form(parse(BASE))


def disks(*devices: tuple[str, str, str]) -> bytes:
    """A domain with disks, each given by its kind, its target and its cache."""
    inner = "".join(
        f'<disk type="file" device="{kind}"><driver name="qemu" cache="{cache}"/><target dev="{target}"/>'
        f'<alias name="ua-{target}"/></disk>'
        for kind, target, cache in devices
    )
    return f"<domain><name>x</name><devices>{inner}</devices></domain>".encode()


def vmi(labels: str = "{}", annotations: str = "{}") -> bytes:
    return f'{{"metadata": {{"name": "x", "labels": {labels}, "annotations": {annotations}}}}}'.encode()


_FEW = (("disk", "vda", "none"),)
_MANY = (("cdrom", "sda", "none"), ("disk", "vdb", "none"), ("disk", "vdc", "unsafe"))


def cached(devices: tuple[tuple[str, str, str], ...], cache: str) -> bytes:
    return disks(*((kind, target, cache if kind == "disk" else old) for kind, target, old in devices))


@pytest.mark.parametrize("order", [1, -1])
def test_one_predicate_fits_the_nodes_that_change_in_all_samples(order: int) -> None:
    samples = [
        Sample("few", disks(*_FEW), cached(_FEW, "unsafe"), vmi('{"app": "a"}')),
        Sample("many", disks(*_MANY), cached(_MANY, "unsafe"), vmi('{"owner": "b"}')),
        Sample("done", disks(("disk", "sdx", "unsafe")), disks(("disk", "sdx", "unsafe")), vmi()),
        Sample("cdrom", disks(_MANY[0]), disks(_MANY[0]), vmi()),
    ][::order]
    derived = derive([*samples, Sample("named", BASE, BASE.replace(b'cache="none"', b'cache="unsafe"'))], "x")
    assert derived.text is not None, derived.faults
    assert "in: /domain/devices/disk[@device='disk']" in derived.text
    assert "when" not in derived.text
    assert derived.text.count("- op:") == 1


def test_an_annotation_that_tells_samples_apart_is_the_condition_of_one_predicate() -> None:
    said = vmi(annotations='{"example.test/cache": "%s"}')
    samples = [
        Sample("few", disks(*_FEW), cached(_FEW, "writeback"), said.replace(b"%s", b"writeback")),
        Sample("many", disks(*_MANY), cached(_MANY, "directsync"), said.replace(b"%s", b"directsync")),
        Sample("without", disks(*_FEW), disks(*_FEW), vmi('{"app": "a"}')),
    ]
    derived = derive(samples, "x")
    assert derived.text is not None, derived.faults
    assert "when: \"'example.test/cache' in vmi.metadata.annotations\"" in derived.text
    assert "disk[@device='disk']" in derived.text
    assert "value: $[ annotation('example.test/cache') ]" in derived.text


def test_what_the_hook_removes_in_all_samples_is_removed_by_its_name() -> None:
    made = '<domain><name>x</name><devices><video><model type="%s"/></video></devices></domain>'
    samples = [
        Sample(kind, (made % kind).encode(), b"<domain><name>x</name><devices/></domain>") for kind in ("vga", "qxl")
    ]
    derived = derive(samples, "x")
    assert derived.text is not None, derived.faults
    assert "{op: remove, path: /domain/devices/video}" in derived.text


def test_a_condition_is_on_the_domain_before_it_is_on_a_label() -> None:
    clock = '<clock offset="%s"/>'
    samples = [
        Sample(
            name,
            f"<domain><name>x</name>{clock % 'utc'}<features>{old}</features></domain>".encode(),
            f"<domain><name>x</name>{clock % offset}<features>{new}</features></domain>".encode(),
            vmi(f'{{"os": "{name}"}}'),
        )
        for name, offset, old, new in (
            ("windows", "localtime", '<hyperv><vapic state="off"/></hyperv>', '<hyperv><vapic state="on"/></hyperv>'),
            ("linux", "utc", "<acpi/>", "<acpi/>"),
        )
    ]
    derived = derive(samples, "x")
    assert derived.text is not None, derived.faults
    assert "xpath('/domain/features/hyperv" in derived.text
    assert "labels" not in derived.text


def test_cloud_init_data_get_a_condition_only_where_an_edit_would_do_more() -> None:
    made = (
        '{"DataSource":"noCloud","NoCloudMetaData":{"instance-id":"i"},"ConfigDriveMetaData":null,'
        '"UserData":"#cloud-config\\n%s\\n","NetworkData":"","DevicesData":null,"VolumeName":"v"}'
    )
    samples = [
        Sample(
            "a", (made % "{hostname: a, packages: [b]}").encode(), (made % "{packages: [a, b]}").encode(), b"{}", False
        ),
        Sample("b", (made % "{fqdn: a.b}").encode(), (made % "{fqdn: a.b, packages: [a]}").encode(), vmi(), False),
    ]
    derived = derive(samples, "x")
    assert derived.text is not None, derived.faults
    assert "when" not in derived.text


def test_a_derivation_that_takes_too_long_ends_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patchlang.authoring.derive.deriving._CPU_SECONDS", -1)
    derived = derive([Sample("x", BASE, BASE.replace(b">2</vcpu>", b">3</vcpu>"))], "x")
    assert derived.text is None
    assert "gave up" in derived.faults[0].message


def test_a_script_that_sorts_all_elements_is_derived_without_the_order() -> None:
    root = etree.fromstring(BASE)
    for node in [*root.iter("*")]:
        node[:] = sorted(node, key=lambda child: str(child.tag))
    for at in ("cpu", "devices/memballoon"):
        root.find(at).set(*(("mode", "host-passthrough") if at == "cpu" else ("model", "none")))
    etree.SubElement(root.find("devices"), "watchdog", model="i6300esb", action="reset")
    derived = derive([Sample("x", BASE, bytes(etree.tostring(root)))], "x")
    assert derived.text is not None, derived.faults
    assert any("order" in remark for remark in derived.remarks)
    assert derived.text.count("{op: ") == 3
    assert "position" not in derived.text
    assert "move" not in derived.text
