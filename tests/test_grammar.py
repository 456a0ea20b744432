"""libvirt's grammar: the errors that it finds in patches, no false alarms, and an index that matches libvirt's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import measure_values
import pytest
import yaml
from lxml import etree

from patchlang.compile import BUILT_IN_NAMESPACES
from patchlang.diagnostics import Severity
from patchlang.document import model
from patchlang.grammar import fragments
from patchlang.grammar.extras import extras
from patchlang.grammar.index import NOTHING, Datatype, Texts, load, named, versions
from patchlang.grammar.patches import check
from patchlang.grammar.places import OPEN, Place, unfolding
from patchlang.grammar.texts import fits
from patchlang.grammar.xpaths import Answer, Dialect, answer
from patchlang.kubevirt.structs import Struct, domain, releases
from patchlang.loading import decode_source
from patchlang.source import SourceFile
from tools import index_grammar, measure_typos

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = Path("/usr/share/libvirt/schemas")
NEWEST = versions()[-1]
BASES = sorted(ROOT.glob("tests/corpus/base/*.domain.xml"))
PATCHES = sorted([*ROOT.glob("examples/corpus/*.yaml"), *ROOT.glob("examples/patches/*/patch.yaml")])


def dialect(version: str = NEWEST) -> Dialect:
    return Dialect(unfolding(version), tuple(BUILT_IN_NAMESPACES.items()))


def ask(xpath: str, version: str = NEWEST) -> Answer:
    return answer(xpath, (unfolding(version).document,), dialect(version))


def patches(file: Path) -> list[model.Patch]:
    return decode_source(SourceFile(str(file), file.read_text(encoding="utf-8")))[0]


def below(version: str) -> Iterator[Place]:
    for place in unfolding(version).document.below:
        yield place
        yield from place.attributes.values()


# -- the index ---------------------------------------------------------------------------------------------------------


def test_versions() -> None:
    assert [version.split(".")[0] for version in versions()] == ["9", "11", "12"]
    assert [named(short) for short in ("9", "9.0", "9.0.0", "11", "12.8")] == [*versions()[:1] * 3, *versions()[1:]]
    assert [named(other) for other in ("1", "9.1", "none", "", "12.80")] == [None] * 5


@pytest.mark.parametrize("version", versions())
def test_contexts_are_told_apart(version: str) -> None:
    found = {place.path: place for place in below(version)}
    assert {"/domain/devices/disk/driver/@io", "/domain/devices/interface/driver/@queues"} <= found.keys()
    assert "/domain/devices/interface/driver/@io" not in found
    assert found["/domain/cpu/@mode"].values == Texts(("custom", "host-model", "host-passthrough", "maximum"))
    assert found["/domain/devices/disk/driver/@io"].values == Texts(("io_uring", "native", "threads"))
    assert found["/domain/description"].values is None
    assert found["/domain/features/acpi"].values == NOTHING
    assert found["/domain/on_crash"].values is not None
    assert found["/domain/qemu:commandline/qemu:arg/@value"].values is None
    assert found["/domain/metadata"].is_open
    assert found["/domain/vcpu"].values == Texts((), (Datatype("countCPU", True, 1, 65535, "[0-9]+"),))


@pytest.mark.parametrize("version", versions())
def test_every_type_is_reached_and_there_are_no_two_of_a_kind(version: str) -> None:
    types = load(version).types
    reached = {0, *(number for one in types for number in one.elements.values())}
    assert reached == set(range(len(types)))
    kinds = {(tuple(t.elements.items()), tuple(sorted(t.attributes.items())), t.text, t.open) for t in types}
    assert len(kinds) == len(types)


def test_what_a_newer_libvirt_knows_only_grows() -> None:
    paths = [{place.path for place in below(version)} for version in versions()]
    assert paths[0] < paths[1] < paths[2]


@pytest.mark.parametrize("release", releases())
def test_every_name_of_kubevirts_structs_is_known(release: str) -> None:
    seen: set[tuple[Place, Struct]] = set()

    def walk(place: Place, struct: Struct) -> None:
        if not place.is_open and (place, struct) not in seen:
            seen.add((place, struct))
            assert {name for name in struct.attributes if not name.startswith("xmlns")} <= place.attributes.keys()
            assert struct.children.keys() <= place.elements.keys()
            for name, child in struct.children.items():
                walk(place.elements[name], child)

    walk(unfolding(NEWEST).document.elements["domain"], domain(release))


def test_few_names_are_kubevirts_alone() -> None:
    assert {"capacity", "filesystemOverhead"} <= extras("/domain/devices/disk")
    assert sum(len(extras(place.path)) for place in below(NEWEST)) < 50
    suggested = ask("/domain/devices/graphics/listen/@netwrk").findings[0]
    assert suggested.help == "did you mean `network`?"


@pytest.fixture(scope="module")
def installed() -> str:
    """The version of libvirt that these schemas come from: libvirt0 in Debian 12, later libvirt-common."""
    if not (SCHEMAS / "domain.rng").exists():
        pytest.skip("needs libvirt's schemas: the Debian package libvirt0 or libvirt-common")
    found = {v for package in ("libvirt0", "libvirt-common") for v in debian_version(package)} & set(versions())
    if not found:
        pytest.skip("the installed libvirt is none that there is an index of")
    return found.pop()


def test_the_index_is_that_of_the_installed_libvirt(installed: str) -> None:
    committed = (ROOT / f"patchlang/grammar/libvirt-{installed}.json").read_text(encoding="utf-8")
    assert index_grammar.index(SCHEMAS, installed) == committed


OTHERS = (
    "two",
    "-1",
    "2Gi",
    "0x1f",
    "99999999999999999999999",
    "1.5",
    "a/b",
    "yes",
    "true",
    "52:54:00:00:00:00:00",
    "é",
)


def test_what_the_index_does_not_know_libvirts_own_grammar_refuses(installed: str) -> None:
    """libxml2 validates a valid domain with one more attribute or value that the index does not know there."""
    grammar = etree.RelaxNG(etree.parse(SCHEMAS / "domain.rng"))
    root = etree.fromstring((ROOT / "tests/corpus/base/linux-min.domain.xml").read_bytes())
    for name in ("bios", "baseBoard", "chassis", "capacity", "filesystemOverhead", "metadata"):
        for node in list(root.iter(name)):
            node.getparent().remove(node)
    assert grammar.validate(root)
    attributes = sorted({name for one in load(installed).types for name in one.attributes})
    chance = Random(1)
    tried = {"attribute": 0, "value": 0, "text": 0}
    for element in root.iter(etree.Element):
        way = "/".join(str(one.tag) for one in (*reversed(list(element.iterancestors())), element))
        [place] = ask(f"/{way}", installed).places
        for name in chance.sample(attributes, 25):
            if name not in place.attributes:
                element.set(name, chance.choice(("yes", "on", "1", "virtio")))
                assert not grammar.validate(root), (way, name)
                del element.attrib[name]
                tried["attribute"] += 1
        for name, value in element.attrib.items():
            values = place.attributes[str(name)].values
            for other in (f"{value}s", *OTHERS) if values is not None else ():
                if not fits(values, (other,)):
                    element.set(name, other)
                    assert not grammar.validate(root), (way, name, other)
                    element.set(name, value)
                    tried["value"] += 1
        if element.text and element.text.strip() and place.values is not None:
            value = element.text
            for other in OTHERS:
                if not fits(place.values, (other,)):
                    element.text = other
                    assert not grammar.validate(root), (way, other)
                    element.text = value
                    tried["text"] += 1
    assert grammar.validate(root)
    assert tried["attribute"] > 1000
    assert tried["value"] > 500
    assert tried["text"] > 50


def debian_version(package: str) -> list[str]:
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return re.findall(r"^(?:\d+:)?([\d.]+)-", asked.stdout)


GRAMMAR = '<grammar xmlns="http://relaxng.org/ns/structure/1.0"><start><ref name="domain"/></start>{}</grammar>'


def test_the_program_reads_what_relax_ng_can_say(tmp_path: Path) -> None:
    """Overridden and combined definitions, name classes, impossible content, recursion, namespaces."""
    (tmp_path / "domain.rng").write_text(
        GRAMMAR.format(
            '<include href="common.rng"><define name="replaced"><element name="new"><text/></element></define>'
            "</include>"
            '<define name="extra" combine="choice"><element name="more"><empty/></element></define>'
        )
    )
    (tmp_path / "common.rng").write_text(
        GRAMMAR.replace('<start><ref name="domain"/></start>', "").format(
            '<define name="domain"><element name="domain"><interleave><ref name="replaced"/><ref name="extra"/>'
            '<optional><attribute name="a"><choice><value>x</value><value> y </value><empty/></choice></attribute>'
            "</optional><choice><group><notAllowed/><element name='never'><empty/></element></group><empty/></choice>"
            '<zeroOrMore><ref name="tree"/></zeroOrMore>'
            '<element name="c" ns="http://libvirt.org/schemas/domain/qemu/1.0">'
            '<element name="arg"><attribute name="free"/></element></element>'
            '<element name="any"><ref name="custom"/></element></interleave></element></define>'
            '<define name="replaced"><element name="old"><text/></element></define>'
            '<define name="extra"><notAllowed/></define>'
            '<define name="tree"><element name="tree"><zeroOrMore><ref name="tree"/></zeroOrMore></element></define>'
            '<define name="custom"><element><anyName/><attribute><anyName/></attribute><ref name="custom"/></element>'
            "</define>"
        )
    )
    made = yaml.safe_load(index_grammar.index(tmp_path, "1.0.0").replace("\n", ""))
    types = made["types"]
    root = types[0]
    assert set(root["elements"]) == {"new", "more", "tree", "qemu:c", "any"}
    assert made["values"][root["attributes"]["a"]] == ["", "x", "y"]
    assert "text" in types[root["elements"]["new"]]
    assert types[root["elements"]["tree"]]["elements"] == {"tree": root["elements"]["tree"]}
    assert set(types[root["elements"]["qemu:c"]]["elements"]) == {"qemu:arg"}
    assert types[root["elements"]["any"]] == {"open": True}
    assert made["namespaces"] == {"qemu": "http://libvirt.org/schemas/domain/qemu/1.0"}


# -- no false alarms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", PATCHES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_nothing_is_said_of_examples(file: Path) -> None:
    assert [str(one) for one in check(patches(file), NEWEST)] == []


@pytest.mark.parametrize("file", BASES, ids=lambda p: p.name)
def test_what_kubevirt_writes_is_known(file: Path) -> None:
    """Every element, attribute, value and text of a domain as virt-launcher passes it on."""
    document = re.sub(r"^<\?xml.*?\?>", "", file.read_text(encoding="utf-8"))
    checked = fragments.check(document, (unfolding(NEWEST).document,), dialect())
    assert [finding.message for finding in checked.findings] == []
    assert {"domain", "devices", "disk"} <= checked.places.keys()


def test_nothing_is_said_of_the_xpaths_of_the_corpus() -> None:
    """The XPaths that its cases expect: functions, axes, predicates of every kind."""
    cases = yaml.safe_load((ROOT / "tests/corpus/cases.yaml").read_text(encoding="utf-8"))
    runs = [run for case in cases for run in (case, *case.get("variants", ()))]
    xpaths = [one["xpath"] for run in runs for one in run.get("expect", ()) if "xpath" in one]
    assert len(xpaths) > 300
    found = [f"{xpath}: {one.message}" for xpath in xpaths for one in ask(xpath).findings]
    assert found == []


EVERYWHERE = [
    "/", "..", "//*", "//@*", "//node()", "//comment()", "/domain//text()", "id('a')/b", "$a/b", "/domain/*/*/*/@id",
    "(//disk)[1]", "//*[name()='disk']", "//*[@x:y]", "//processing-instruction()", "ancestor-or-self::node()",
    "/domain/devices/disk/following::boot", "/domain/devices/disk/preceding::comment()", "//disk/ancestor::domain",
    "/domain/devices/disk/backingStore/backingStore/backingStore/source/@file", "//backingStore/parent::backingStore",
    "/domain/devices/disk/target/@dev/../../source", "/domain/devices/*[self::disk or self::interface]/alias/@name",
    "/domain/devices/interface/..//disk", "/domain[devices/disk]/cpu", "count(//disk) + 1", "/domain/metadata//a/@b",
    "/domain/devices/disk[. = 'x']", "/domain/devices/disk[starts-with(target/@dev, 'sd')]", "/domain/x:y/z/@a",
    "/domain/devices/disk[substring(@type, 1, 1) = 'f']", "/domain/cpu[@mode = $mode]", "//disk[@type=//disk/@type]",
    "/domain/devices/disk[@device='disk' and not(@device='cdrom')] | /domain/cpu/@mode", "/domain/no/xpath[",
    "//backingStore/source/ancestor::mirror", "//cookies/ancestor::backingStore", "//*/parent::backingStore",
    "/domain/devices/controller[@index > 3]", "/domain/cpu/cache[@level = 3]", "/domain/memory[text() = 5]",
]  # fmt: skip


@pytest.mark.parametrize("xpath", EVERYWHERE)
@pytest.mark.parametrize("version", versions())
def test_what_cannot_be_told_is_left_alone(xpath: str, version: str) -> None:
    errors = [one.message for one in ask(xpath, version).findings if one.severity is Severity.ERROR]
    assert errors == []


def test_places_are_at_least_what_a_path_selects() -> None:
    """Each node of real domains is among the places of each path to it, along any axis."""
    paths = [
        "//*",
        "//@*",
        "/domain/devices/*/alias",
        "//source/..",
        "//target/following-sibling::*",
        "//boot/preceding::*",
    ]
    for file in BASES:
        tree = etree.parse(file)
        for path in paths:
            known = {one.path for one in ask(path).places if one is not OPEN}
            for node in tree.xpath(path):
                element = node if isinstance(node, etree._Element) else node.getparent()
                ways = [str(e.tag) for e in (*reversed(list(element.iterancestors())), element)]
                if any("}" in way for way in ways) or "metadata" in ways:
                    continue
                way = "".join(f"/{one}" for one in ways) + (f"/@{node.attrname}" if element is not node else "")
                assert way in known, (path, way)


# -- cost --------------------------------------------------------------------------------------------------------------

WIDE = [
    "//*" + "/following::*" * 90,
    "//*" * 140,
    "//node()" * 90,
    "//*[.='a']" * 60,
    "//*/@*/.." * 60,
    "//*/ancestor::*" * 60,
]


@pytest.mark.parametrize("xpath", [*WIDE, "a[string(" * 14 + "a" + ")='x']" * 14], ids=lambda x: x[:20])
def test_a_path_never_leads_to_more_places_than_there_are(xpath: str) -> None:
    """Searches inside searches, and elements that contain themselves, are followed once."""
    places = {place for one in unfolding(NEWEST).document.below for place in (one, one.text, *one.attributes.values())}
    assert set(ask(xpath).places) <= {*places, OPEN}


# -- typos -------------------------------------------------------------------------------------------------------------

FIGURES = json.loads((ROOT / "benchmarks/typos.json").read_text(encoding="utf-8"))
GUIDE = (ROOT / "docs/validate.md").read_text(encoding="utf-8")


def test_the_recorded_measure() -> None:
    assert FIGURES["made"] >= 1000
    assert FIGURES["patches with false alarms"] == 0
    assert FIGURES["found"] == FIGURES["typos"] - len(FIGURES["escaped"])
    assert FIGURES["typos"] == FIGURES["made"] - len(FIGURES["other words"])
    assert FIGURES["share"] >= 0.95


VALUES = json.loads((ROOT / "benchmarks/values.json").read_text(encoding="utf-8"))


def test_the_recorded_measure_of_values() -> None:
    assert VALUES["made"] == VALUES["typos"] == 1000
    assert VALUES["patches with false alarms"] == 0
    assert VALUES["found"] == VALUES["typos"] - len(VALUES["escaped"])
    assert VALUES["share"] >= 0.95
    assert f"{VALUES['found']} of {VALUES['typos']:,} wrong values" in " ".join(GUIDE.split())
    for one in VALUES["escaped"]:
        assert Path(one["place"].split(":")[0]).parent.name in GUIDE or Path(one["place"].split(":")[0]).stem in GUIDE


def test_wrong_values_are_found_today() -> None:
    measured = measure_typos.measure(100, 7, NEWEST, measure_values.SUBJECT)
    assert measured["patches with false alarms"] == 0
    assert measured["share"] >= 0.95, measured["escaped"]


def test_the_guide_has_the_figures_of_the_measure() -> None:
    said = f"{FIGURES['found']} of {FIGURES['typos']:,} typos in {FIGURES['patches']} patches"
    assert said in " ".join(GUIDE.split())
    rows = dict(re.findall(r"^\| ([a-z `]+) \| (\d+ of \d+) \|$", GUIDE, re.MULTILINE))
    assert rows == {kind: f"{found} of {typos}" for kind, (typos, found) in FIGURES["by kind"].items()}
    for one in (*FIGURES["escaped"], *FIGURES["other words"]):
        assert Path(one["place"].split(":")[0]).stem.replace("patch", "smbios-annotation") in GUIDE, one


def test_typos_are_found_today() -> None:
    """Typos other than the recorded ones."""
    measured = measure_typos.measure(150, 7, NEWEST, measure_typos.NAMES)
    assert measured["patches with false alarms"] == 0
    assert measured["share"] >= 0.95, measured["escaped"]


# -- loading -------------------------------------------------------------------------------------------------------


def test_an_index_is_read_only_when_asked_for() -> None:
    code = (
        "from patchlang.cli import main; from patchlang.grammar import index\n"
        "assert index.load.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
