"""Tests of patches: the boot that they replay, golden files, coverage, and the tests of the examples."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lxml import etree
from test_corpus import Run, attempt, runs

from patchlang.cli import cli
from patchlang.kubevirt.addresses import with_addresses, without
from patchlang.kubevirt.replay import differences, second_run, with_placeholders
from patchlang.kubevirt.structs import releases

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "patches"

PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: hello}
spec:
  domain:
    - {op: ensure, path: /domain/title, value: hello}
"""
TEST = """\
apiVersion: patchlang/v1
kind: PatchTest
metadata: {name: hello}
spec:
  patches: patch.yaml
  domain: <domain/>
  cases:
    - {name: the title, golden: expected.xml}
"""
PATCHED = "<domain><title>hello</title></domain>"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    Path("patch.yaml").write_text(PATCH)
    Path("patch.test.yaml").write_text(TEST)
    return tmp_path


def patchlang_test(*args: str) -> Result:
    return CliRunner().invoke(cli, ["test", *args])


# -- the examples ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", sorted(p.parent.name for p in EXAMPLES.glob("*/patch.yaml")))
def test_each_example_has_tests_that_pass_and_fire_every_edit(example: str) -> None:
    result = patchlang_test("--require-coverage", str(EXAMPLES / example))
    assert result.exit_code == 0, result.output


# -- golden files ------------------------------------------------------------------------------------------------------


def test_update_writes_golden_files_and_says_so() -> None:
    assert patchlang_test(".").exit_code == 1
    result = patchlang_test("--update", ".")
    assert result.exit_code == 0, result.output
    assert "written expected.xml\n" in result.stdout
    assert Path("expected.xml").read_text() == PATCHED + "\n"
    assert patchlang_test(".").exit_code == 0


def test_update_leaves_a_file_that_is_right_but_for_its_last_line_break() -> None:
    Path("expected.xml").write_text(PATCHED)
    result = patchlang_test("--update", ".")
    assert result.exit_code == 0
    assert "written" not in result.stdout
    assert Path("expected.xml").read_text() == PATCHED


def test_update_is_refused_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = patchlang_test("--update", ".")
    assert result.exit_code == 2
    assert "not allowed in CI" in result.stderr
    assert not Path("expected.xml").exists()


def test_golden_file_that_cannot_be_written_is_the_environments_fault() -> None:
    Path("patch.test.yaml").write_text(TEST.replace("expected.xml", "nowhere/expected.xml"))
    command = [sys.executable, "-m", "patchlang", "test", "--update", "."]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": str(ROOT)})
    assert run.returncode == 3
    assert "nowhere/expected.xml" in run.stderr
    assert "Traceback" not in run.stderr


# -- reports -----------------------------------------------------------------------------------------------------------


def test_the_report_is_the_same_in_every_order_of_paths() -> None:
    Path("more").mkdir()
    Path("more/other.test.yaml").write_text(TEST.replace("patch.yaml", "../patch.yaml"))
    first = patchlang_test("more", "patch.test.yaml", "--format", "json").stdout
    assert patchlang_test("patch.test.yaml", "more/other.test.yaml", "more", "--format", "json").stdout == first
    assert [test["path"] for test in json.loads(first)["tests"]] == ["more/other.test.yaml", "patch.test.yaml"]


def test_junit_is_xml_whatever_is_in_the_names() -> None:
    Path("patch.test.yaml").write_text(TEST.replace("the title", r'"a \x1b \x07 < & \" \u202e b"'))
    root = etree.fromstring(patchlang_test(".", "--format", "junit").stdout.encode())
    assert root.xpath("count(//testcase)") == 1
    assert root.xpath("count(//testcase/failure)") == 1


def test_text_on_a_terminal_holds_nothing_that_it_would_obey() -> None:
    Path("patch.test.yaml").write_text(TEST.replace("the title", r'"a \x1b[2J b"'))
    assert "\x1b" not in patchlang_test(".").stdout


def test_each_output_file_gets_its_format_and_the_screen_another() -> None:
    result = patchlang_test(".", "--output", "json=report.json", "-o", "junit=report.xml")
    assert result.exit_code == 1
    assert result.stdout.startswith("FAIL  hello: the title\n")
    assert json.loads(Path("report.json").read_text())["summary"]["failed"] == 1
    assert Path("report.xml").read_text() == patchlang_test(".", "--format", "junit").stdout


def test_faulty_files_leave_coverage_unjudged() -> None:
    Path("other.test.yaml").write_text(TEST.replace("<domain/>", "nowhere.xml"))
    report = json.loads(patchlang_test("other.test.yaml", "--format", "json").stdout)
    assert len(report["errors"]) == 1
    assert report["unfired"] == []


def test_a_file_belongs_to_several_sets_and_fires_in_any() -> None:
    Path("on.yaml").write_text(PATCH.replace("hello}\nspec:", "on}\nspec:\n  when: \"'on' in vmi.metadata.labels\""))
    one = TEST.replace("golden: expected.xml", "expect: [{xpath: /domain/title, count: 1}]")
    Path("patch.test.yaml").write_text(one.replace("patch.yaml", "[patch.yaml, on.yaml]"))
    result = patchlang_test(".")
    assert "on.yaml:7:7: advice[PL607 unfired-edit]" in result.stdout
    two = one.replace("patch.yaml", "[./on.yaml]").replace("the title,", "on, labels: {on: ''},")
    Path("on.test.yaml").write_text(two)
    result = patchlang_test(".", "--require-coverage")
    assert result.exit_code == 0, result.output


# -- the boot ----------------------------------------------------------------------------------------------------------

DOMAIN = b"""\
<domain>
  <memory>1</memory>
  <devices>
    <disk><target dev="vda"/></disk>
    <interface type="ethernet"><mac address="52:54:00:00:00:01"/></interface>
    <video/>
  </devices>
  <cpu/>
</domain>"""


def test_the_second_run_sees_our_devices_and_all_else_as_before() -> None:
    ours = DOMAIN.replace(b"<memory>1", b"<memory>2").replace(b'dev="vda"', b'dev="sda"').replace(b"52:54", b"66:66")
    seen = etree.fromstring(second_run(DOMAIN, ours.replace(b"<video/>", b"<sound/>")))
    assert seen.findtext("memory") == "1"
    assert [child.tag for child in seen.find("devices")] == ["interface", "disk", "sound"]
    assert seen.xpath("string(//target/@dev)") == "sda"
    assert seen.xpath("string(//mac/@address)") == "52:54:00:00:00:01"


def test_devices_read_back_have_lost_what_kubevirt_does_not_know_and_the_input_does_not_have() -> None:
    tuned = b'<driver name="qemu" iothreads="2"/><iotune><total_iops_sec>1</total_iops_sec></iotune><target'
    ours = DOMAIN.replace(b"<target", tuned).replace(b'dev="vda"', b'dev="vda" rotation_rate="1"')
    ours = ours.replace(b"<video/>", b"<video/><shmem name='x'/><!-- ours -->")
    seen = etree.fromstring(second_run(DOMAIN, ours, read_back_by="1.5"))
    assert etree.tostring(seen.find("devices/disk"), with_tail=False) == (
        b'<disk><driver name="qemu"/><target dev="vda"/></disk>'
    )
    assert [child.tag for child in seen.find("devices")] == ["interface", "disk", "video"]
    theirs = etree.fromstring(second_run(ours, ours, read_back_by="1.5"))
    assert [child.tag for child in theirs.find("devices")] == ["interface", "disk", "video", "shmem", etree.Comment]
    assert theirs.xpath("string(//driver/@iothreads)") == "2"
    assert theirs.xpath("string(//iotune)") == "1"


def test_aliases_that_libvirt_drops_are_gone_in_the_second_run() -> None:
    aliases = (b"ua-a", b"agent", b"ua-a.b", b"ua-", b"", b"virtio-disk0")
    devices = b"".join(b"<hostdev><alias name='%s'/></hostdev>" % alias for alias in aliases)
    theirs = DOMAIN.replace(b"<video/>", b"<video><alias name='virtio-disk0'/></video>")
    for release in (None, "1.5"):
        seen = etree.fromstring(second_run(theirs, DOMAIN.replace(b"<video/>", devices), read_back_by=release))
        assert seen.xpath("//hostdev/alias/@name") == ["ua-a", "ua-", "virtio-disk0"]
        assert len(seen.findall("devices/hostdev")) == 6


def test_placeholders_stand_behind_the_interfaces_and_only_where_there_are_some() -> None:
    seen = with_placeholders(DOMAIN)
    assert seen is not None
    devices = etree.fromstring(seen).find("devices")
    assert [child.tag for child in devices] == ["disk", *["interface"] * 3, "video"]
    assert devices.xpath("interface/target/@dev") == ["placeholder-1", "placeholder-2"]
    assert b"/>" not in seen, "KubeVirt closes no tag by itself"
    assert with_placeholders(re.sub(rb"<interface.*</interface>", b"", DOMAIN)) is None
    assert with_placeholders(b"<domain/>") is None


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ((b"  <video/>", b"\n<video></video>"), True),
        ((b'<mac address="52:54:00:00:00:01"/>', b"<mac address='52:54:00:00:00:01'></mac>"), True),
        ((b'<disk><target dev="vda"/></disk>', b'<disk><target dev="vdb"/></disk>'), False),
        ((b"<video/>", b"<video/><video/>"), False),
        ((b"<video/>", b""), False),
        ((b"<cpu/>", b"<cpu mode='x'/>"), False),
        ((b"<video/>", b"<!-- a comment --><video/>"), False),
    ],
)
def test_machines_are_compared_by_what_they_are(change: tuple[bytes, bytes], same: bool) -> None:
    other = DOMAIN.replace(*change)
    assert other != DOMAIN
    assert (differences(DOMAIN, other, ("one", "other")) == "") is same


def test_the_order_of_devices_does_not_count() -> None:
    root = etree.fromstring(DOMAIN)
    devices = root.find("devices")
    devices[:] = [devices[2], devices[1], devices[0]]
    assert differences(DOMAIN, etree.tostring(root), ("one", "other")) == ""


def test_machines_with_namespaces_that_are_relative_uris_are_compared() -> None:
    root = etree.fromstring(DOMAIN)
    root.append(etree.fromstring("<metadata><a xmlns='u' b='1'/></metadata>"))
    once = etree.tostring(root)
    assert differences(once, once.replace(b"<a ", b"<a  "), ("one", "other")) == ""
    assert '+    <a xmlns="u" b="2"></a>' in differences(once, once.replace(b'b="1"', b'b="2"'), ("one", "other"))


def test_a_comparison_shows_changed_devices_in_their_place() -> None:
    other = DOMAIN.replace(b'dev="vda"', b'dev="vdb"')
    _, _, *lines = differences(DOMAIN, other, ("one", "other")).splitlines()
    assert [line[0] + line[1:].strip() for line in lines if line[0] in "+-"] == [
        '-<target dev="vda"></target>',
        '+<target dev="vdb"></target>',
    ]


@pytest.mark.parametrize("run", [r for r in runs() if r.domain and not r.refused], ids=lambda r: f"{r.case}[{r.name}]")
def test_real_hooks_make_the_same_machine_in_each_run(run: Run) -> None:
    first, _ = attempt(run, run.data)
    assert first is not None
    rehearsal, said = attempt(run, with_placeholders(run.data) or run.data)
    assert rehearsal is not None, said
    read_back = [second_run(run.data, rehearsal, read_back_by=release) for release in releases()]
    for data in dict.fromkeys((second_run(run.data, first), *read_back)):
        second, said = attempt(run, data)
        assert second is not None, said
        assert differences(first, second, ("run 1", "run 2")) == ""


@pytest.mark.parametrize("run", [r for r in runs() if r.domain and not r.refused], ids=lambda r: f"{r.case}[{r.name}]")
def test_real_hooks_make_the_same_machine_of_devices_with_addresses(run: Run) -> None:
    first, _ = attempt(run, run.data)
    assert first is not None
    rehearsal, _ = attempt(run, with_placeholders(run.data) or run.data)
    assert rehearsal is not None
    data, given = with_addresses(second_run(run.data, rehearsal, read_back_by="main"), "main")
    second, said = attempt(run, data)
    assert second is not None, said
    assert differences(first, without(second, given), ("run 1", "run 2")) == ""


# -- addresses ---------------------------------------------------------------------------------------------------------


def addresses(devices: str, *, release: str = "main", arch: str = "x86_64") -> list[dict[str, str] | None]:
    """The address of each device, or None if it has none."""
    domain = f"<domain><os><type arch='{arch}'>hvm</type></os><devices>{devices}</devices></domain>"
    data, given = with_addresses(domain.encode(), release)
    assert differences(domain.encode(), without(data, given), ("before", "without")) == ""
    found = [device.find("address") for device in etree.fromstring(data).find("devices")]
    return [None if address is None else dict(address.attrib) for address in found]


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("<disk><target dev='vda' bus='virtio'/></disk>", "pci"),
        ("<disk><target dev='sda' bus='usb'/></disk>", "usb"),
        ("<disk><target dev='sda' bus='scsi'/></disk>", "drive"),
        ("<disk><target dev='vda'/></disk>", None),
        ("<disk/>", None),
        ("<controller type='scsi' model='virtio-non-transitional'/>", "pci"),
        ("<controller type='pci' model='pcie-root'/>", None),
        ("<controller type='pci' model='pcie-root-port'/>", "pci"),
        ("<controller type='usb' model='none'/>", None),
        ("<controller type='ide'/>", None),
        ("<hostdev type='pci'/>", "pci"),
        ("<hostdev type='mdev' model='vfio-ap'/>", None),
        ("<hostdev type='usb'/>", "usb"),
        ("<input type='tablet' bus='usb'/>", "usb"),
        ("<input type='tablet' bus='virtio'/>", "pci"),
        ("<input type='mouse' bus='ps2'/>", None),
        ("<rng model='virtio'/>", "pci"),
        ("<memballoon model='none'/>", None),
        ("<memballoon model='virtio-non-transitional'/>", "pci"),
        ("<watchdog model='itco'/>", None),
        ("<watchdog model='i6300esb'/>", "pci"),
        ("<interface type='ethernet'><model type='virtio'/></interface>", None),
        ("<video><model type='vga'/></video>", None),  # KubeVirt does not read it back
        ("<tpm model='tpm-crb'/>", None),
    ],
)
def test_which_devices_get_an_address(device: str, kind: str | None) -> None:
    [address] = addresses(device)
    assert (address or {}).get("type") == kind


@pytest.mark.parametrize(
    ("bus", "dev", "numbers"),
    [
        ("scsi", "sda", "0:0:0:0"),
        ("scsi", "sdg", "0:0:0:6"),
        ("scsi", "sdh", "0:0:0:8"),  # 7 is the controller
        ("scsi", "sdp", "1:0:0:0"),
        ("scsi", "sdaa", "1:0:0:12"),
        ("sata", "sdg", "1:0:0:0"),
        ("ide", "hdd", "0:1:0:1"),
        ("fdc", "fdb", "0:0:0:1"),
    ],
)
def test_disks_have_the_addresses_that_libvirt_counts(bus: str, dev: str, numbers: str) -> None:
    [address] = addresses(f"<disk><target dev='{dev}' bus='{bus}'/></disk>")
    assert address is not None
    assert ":".join(address[name] for name in ("controller", "bus", "target", "unit")) == numbers


def test_addresses_are_free() -> None:
    taken = "<address type='pci' bus='0x00' slot='0x02'/>"
    port = f"<controller type='pci' index='4' model='pcie-root-port'>{taken}</controller>"
    found = addresses(f"{port}<rng model='virtio'/><rng model='virtio'/>")
    assert [address["bus"] for address in found if address] == ["0x00", "0x05", "0x06"]
    drive = (
        "<disk><target dev='sdb' bus='sata'/><address type='drive' controller='0' bus='0' target='0' unit='0'/></disk>"
    )
    assert addresses(f"{drive}<disk><target dev='sda' bus='sata'/></disk>")[1] is None
    assert len([address for address in addresses("<rng model='virtio'/>" * 300) if address]) == 255


def test_addresses_are_those_of_the_machine_as_the_release_reads_them() -> None:
    rng = "<rng model='virtio'/>"
    assert addresses(rng, arch="s390x") == [{"type": "ccw", "cssid": "0xfe", "ssid": "0x0", "devno": "0x0001"}]
    assert addresses(rng, arch="s390x", release="1.5") == [{"type": "ccw"}]


def test_a_controller_without_an_index_gets_the_first_free_one_of_its_type() -> None:
    controllers = [("scsi", None), ("scsi", "1"), ("scsi", None), ("usb", None), ("pci", "0"), ("pci", None)]
    written = "".join(
        f"<controller type='{kind}'{f' index={index!r}' if index else ''}/>" for kind, index in controllers
    )
    domain = f"<domain><devices>{written}</devices></domain>".encode()
    data, given = with_addresses(domain, "main")
    indexes = [controller.get("index") for controller in etree.fromstring(data).iter("controller")]
    assert indexes == ["0", "1", "2", "0", "0", "1"]
    assert differences(domain, without(data, given), ("before", "without")) == ""


@pytest.mark.parametrize(
    ("machine", "added"),
    [
        ("pc-q35-rhel9.6.0", [("0", "pcie-root"), ("41", "pcie-root-port"), ("42", "pcie-root-port")]),
        ("virt", [("0", "pcie-root"), ("41", "pcie-root-port"), ("42", "pcie-root-port")]),
        ("pc-i440fx-9.2", [("0", "pci-root")]),
        ("s390-ccw-virtio", []),
    ],
)
def test_a_machine_gets_its_pci_controllers(machine: str, added: list[tuple[str, str]]) -> None:
    port = "<controller type='pci' index='40' model='pcie-root-port'/>"
    devices = f"<devices>{port}<rng model='virtio'/><disk><target dev='vda' bus='virtio'/></disk></devices>"
    domain = f"<domain><os><type machine='{machine}'>hvm</type></os>{devices}</domain>".encode()
    data, given = with_addresses(domain, "main")
    own, *more = etree.fromstring(data).iter("controller")
    assert [(controller.get("index"), controller.get("model")) for controller in more] == added
    assert (own.find("address").get("bus") == "0x00") == ("q35" in machine or machine == "virt")
    assert differences(domain, without(data, given), ("before", "without")) == ""


def test_only_what_was_given_is_taken_away_again() -> None:
    data, given = with_addresses(b"<domain><devices><input bus='usb'/></devices></domain>", "main")
    doubled = data.replace(b"</devices>", b"<input><address type='usb' bus='0'/> a</input></devices>")
    assert etree.fromstring(without(doubled, given)).xpath("count(//address)") == 1
    assert with_addresses(b"<domain/>", "main") == (b"<domain/>", {})
    alone = b"<domain><devices><input> <address type='usb' bus='0'/> a</input></devices></domain>"
    assert without(alone, given) == b"<domain><devices><input>  a</input></devices></domain>"
