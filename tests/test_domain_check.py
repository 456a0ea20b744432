"""The check of patched domains by a schema: it reports only new errors, and names the edit that caused each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from law_domains import Domain, domains
from lxml import etree

from patchlang import handbook
from patchlang.diagnostics import PatchError
from patchlang.engine import patch_domain
from patchlang.grammar.index import Datatype, load, versions
from patchlang.loading import load_sources
from patchlang.markup import attributes_of, set_attributes
from patchlang.result import Outcome, State
from patchlang.rng.check import patch_domain_checked
from patchlang.rng.faults import Comparison
from patchlang.rng.schema import DomainSchema
from patchlang.source import SourceFile
from patchlang.xpath.match import Match

FOLDER = Path(__file__).parent / "domainschema"
SCHEMA = DomainSchema(FOLDER)
CASES = yaml.safe_load((FOLDER / "cases.yaml").read_text())


def domain(text: str) -> bytes:
    whole = f"<domain type='kvm'><name>n</name><memory>1</memory><os><type>hvm</type></os>{text}</domain>"
    return (text if text.startswith(("<domain ", "<domain>")) else whole).encode()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_new(case: dict[str, Any]) -> None:
    found = Comparison(SCHEMA, domain(case["before"])).new_faults(domain(case["after"]))
    assert [f"{fault.path} {fault.says}{'' if fault.sure else '?'}" for fault in found] == case["new"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_was_there_before_is_never_new(case: dict[str, Any]) -> None:
    before = domain(case["after"])
    after = before.replace(b"<vcpu>1</vcpu>", b"<vcpu>3</vcpu>").replace(b"<name>n", b"<name>m")
    assert [fault for fault in Comparison(SCHEMA, before).new_faults(after) if fault.sure] == []


def test_one_fault_among_many_nodes_is_found() -> None:
    pins = [f"<vcpupin vcpu='{number}' cpuset='1'/>" for number in range(2000)]
    wrong = [pin.replace("cpuset", "cpusets") if number in (7, 1234) else pin for number, pin in enumerate(pins)]
    before, after = (domain(f"<cputune>{''.join(those)}</cputune>") for those in (pins, wrong))
    paths = sorted(fault.path for fault in Comparison(SCHEMA, before).new_faults(after))
    assert paths == ["/domain/cputune/vcpupin[1235]", "/domain/cputune/vcpupin[8]"]


# -- the allowed alternatives --------------------------------------------------------------------------------------


_XSD = "http://www.w3.org/2001/XMLSchema-datatypes"
_NAMELESS = {"[a-fA-F0-9]{32}", "0x[fF][0-9a-eA-E]?"}  # appear next to a kind that has a name
_ANY_TEXT = {".+", "[^\\n]+", "[ -~]*"}


def _one_attribute(datatype: Any, folder: Path) -> DomainSchema:
    """A schema with a unit `<x a="…"/>` that has an attribute of a datatype."""
    facets = {"minInclusive": datatype.least, "maxInclusive": datatype.most, "pattern": datatype.pattern}
    params = "".join(f"<param name='{k}'>{escape(str(v))}</param>" for k, v in facets.items() if v is not None)
    kind = "integer" if datatype.number else "string"
    folder.joinpath("domain.rng").write_text(
        f"""<grammar xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="{_XSD}"><start>
        <element name="domain"><attribute name="type"/><interleave>
        <element name="name"><text/></element><element name="memory"><text/></element>
        <element name="os"><element name="type"><text/></element></element>
        <optional><element name="x">
        <attribute name="a"><data type="{kind}">{params}</data></attribute>
        </element></optional>
        </interleave></element></start></grammar>"""
    )
    return DomainSchema(folder)


@pytest.mark.parametrize("version", versions())
def test_every_kind_of_text_that_libvirt_has_is_described(version: str, tmp_path: Path) -> None:
    kinds = (values for one in load(version).types for values in (one.text, *one.attributes.values()) if values)
    for datatype in {datatype for values in kinds for datatype in values.datatypes}:
        unit = etree.fromstring("<domain><x a='&#9;wrong!'/></domain>")[0]
        schema = _one_attribute(datatype, tmp_path)
        told = schema.values(Match(unit, "a"), unit)
        assert bool(told) is (datatype.pattern not in _NAMELESS | _ANY_TEXT), (datatype, told)
        for example in re.findall(r"such as (.+)", " ".join(told[-1:])):
            unit.set("a", example)
            assert schema.allows_unit(unit), (datatype, example)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("[a-z]{3,5}", ["letters, 3 to 5 characters"]),
        ("[A-Za-z.]+", ["letters and `.`"]),
        ("[^,]{12}", ["any text without `,`, 12 characters"]),
        ("(one|two)", ["one", "two"]),
        ("(vd|hd)[a-z]+|auto", ["a disk name such as vda", "auto"]),
        ("[0-9]{3}", ["a whole number from 100 to 999"]),
        ("(0x)?[0-9a-f]+", ["a whole number, 0 or more", "the same in hexadecimal with 0x"]),
    ],
)
def test_what_a_pattern_allows_in_words(pattern: str, told: list[str], tmp_path: Path) -> None:
    unit = etree.fromstring("<domain><x a='&#9;wrong!'/></domain>")[0]
    schema = _one_attribute(Datatype(None, False, None, None, pattern), tmp_path)
    words = '<grammar xmlns="http://relaxng.org/ns/structure/1.0"><value>vdpa</value><value>auto</value></grammar>'
    (tmp_path / "words.rng").write_text(words)
    assert schema.values(Match(unit, "a"), unit) == told


def run(patches: str, before: str = "<devices/>") -> Outcome:
    program, found = load_sources([SourceFile("patch.yaml", patches)])
    assert program is not None, found
    return patch_domain_checked(SCHEMA, program, domain(before), b"{}")


def patch(name: str, *edits: str, more: str = "") -> str:
    lines = "".join(f"    - {edit}\n" for edit in edits)
    return f"---\napiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: {name}}}\nspec:\n{more}  domain:\n{lines}"


GOOD = "{op: add, path: /domain, xml: <vcpu>2</vcpu>}"
DISK = "{op: add, path: /domain/devices, xml: \"<disk type='file'><target dev='vda'/></disk>\"}"
BAD = "{op: ensure, path: /domain/devices/disk/driver/@ioo, value: native}"


def test_the_outcome_of_valid_patches_is_that_of_the_engine() -> None:
    text = patch("fine", GOOD, DISK)
    program, _ = load_sources([SourceFile("patch.yaml", text)])
    assert program is not None
    assert run(text) == patch_domain(program, domain("<devices/>"), b"{}")


@pytest.mark.parametrize("behind", range(4))
@pytest.mark.parametrize("ahead", range(4))
def test_the_edit_that_did_it_is_named(ahead: int, behind: int) -> None:
    fine = "{op: set, path: /domain/vcpu, expect: 0+, value: '3'}"
    edits = [DISK, *[fine] * ahead, BAD, *[fine] * behind]
    outcome = run(patch("first", GOOD) + patch("second", *edits))
    [error] = outcome.diagnostics
    assert outcome.data is None
    assert (error.rule.id, error.patch, error.edit) == ("PL416", "second", f"domain[{ahead + 1}] ensure")
    assert error.span is not None
    assert error.span.begin.line == 15 + ahead
    assert "`/domain/devices/disk/driver/@ioo` is not allowed in this form" in error.message


def test_an_edit_whose_fault_a_later_one_mends_is_none() -> None:
    assert run(patch("mended", DISK, BAD, "{op: remove, path: /domain/devices/disk/driver}")).data is not None


def test_two_edits_with_faults_are_both_named() -> None:
    outcome = run(patch("one", DISK, BAD) + patch("two", "{op: ensure, path: /domain/vcpus, value: 1}"))
    assert sorted(str(error.patch) for error in outcome.diagnostics if error.is_error) == ["one", "two"]


def test_what_is_built_in_steps_is_laid_to_the_step_that_is_wrong() -> None:
    built = patch("guilty", "{op: add, path: /domain/devices, xml: \"<disk type='file'><driver ioo='x'/></disk>\"}")
    rest = patch("innocent", "{op: ensure, path: /domain/devices/disk/target/@dev, value: vda}")
    [error] = run(built + rest).diagnostics
    assert error.patch == "guilty"
    assert "`/domain/devices/disk/driver/@ioo` is not allowed in this form" in error.message


def test_a_fault_that_comes_again_is_laid_to_the_last_edit_that_made_it() -> None:
    edits = [f"{{op: set, path: /domain/vcpu, value: '{value}'}}" for value in ("lots", "1", "many")]
    fine = [f"{{op: set, path: /domain/memory, value: '{number}'}}" for number in range(3)]
    [error] = run(patch("vcpu", *edits, *fine), "<vcpu>1</vcpu>").diagnostics
    assert error.edit == "domain[2] set"


def test_the_path_is_one_that_the_named_edit_made() -> None:
    disks = "".join(f"<disk type='file'><target dev='vd{letter}'/></disk>" for letter in "abcdefgh")
    edit = "{{op: ensure, in: '/domain/devices/disk[{}]', path: driver/@ioo, value: x}}"
    [error] = run(patch("two", edit.format(7), edit.format(2)), f"<devices>{disks}</devices>").diagnostics
    assert error.edit == "domain[0] ensure"
    assert "`/domain/devices/disk[7]/driver/@ioo` is not allowed in this form: `x`, and others like it" in error.message


def test_of_two_things_that_do_not_go_with_the_rest_the_first_is_named() -> None:
    adds = ["{op: add, path: /domain, xml: <vcpu>2</vcpu>}", "{op: add, path: /domain, xml: <os><type>x</type></os>}"]
    [error] = run(patch("two", *adds), "<vcpu>1</vcpu>").diagnostics
    assert error.edit == "domain[0] add"
    assert "`/domain/vcpu[2]` is not allowed together with the rest" in error.message


def test_a_name_that_was_computed_is_not_shown() -> None:
    text = patch("secret", "{op: ensure, path: \"/domain/vcpu/@$[ 'top' + 'secret' ]\", value: x}")
    [error] = run(text, "<vcpu>1</vcpu>").diagnostics
    assert "`/domain/vcpu/…` is not allowed in this form" in error.message


@pytest.mark.parametrize("computed", ["'zq' + 'word'", "'z' + 'q'"])
def test_a_computed_name_is_not_shown_for_a_value_of_the_domain(computed: str) -> None:
    text = patch("other", f'{{op: ensure, path: "/domain/vcpu/@$[ {computed} ]", value: x}}')
    [error] = run(text, "<title>zqword zq</title><vcpu>1</vcpu>").diagnostics
    assert "`/domain/vcpu/…` is not allowed in this form" in error.message


def test_a_fault_at_each_match_is_told_once() -> None:
    disks = "<disk type='file'><target dev='vda'/></disk>" * 30
    before = f"<devices>{disks}</devices>"
    [error] = run(patch("all", "{op: add, path: /domain/devices/disk, expect: 1+, xml: <bogus/>}"), before).diagnostics
    assert "`/domain/devices/disk[1]/bogus` is not allowed in this form, and others like it" in error.message


def test_a_patch_that_may_fail_is_left_out() -> None:
    outcome = run(patch("first", DISK) + patch("may-fail", BAD, more="  failurePolicy: Ignore\n") + patch("last", GOOD))
    assert outcome.data is not None
    assert b"ioo" not in outcome.data
    assert b"<disk" in outcome.data
    assert b"<vcpu>" in outcome.data
    [warning] = outcome.diagnostics
    assert (warning.rule.id, warning.patch, warning.is_error) == ("PL415", "may-fail", False)
    assert "@ioo" in warning.message
    assert [(t.name, t.state) for t in outcome.trace] == [
        ("first", State.APPLIED),
        ("may-fail", State.IGNORED),
        ("last", State.APPLIED),
    ]


def test_a_patch_that_was_undone_is_not_to_blame() -> None:
    undone = patch("undone", BAD, "{op: set, path: /domain/nothing, value: x}", more="  failurePolicy: Ignore\n")
    outcome = run(patch("disk", DISK) + undone + patch("guilty", BAD))
    assert [(d.rule.id, d.patch) for d in outcome.diagnostics if d.is_error] == [("PL416", "guilty")]


def test_doubt_is_a_warning() -> None:
    before = "<devices><disk type='network'><target dev='vda'/></disk></devices>"
    outcome = run(patch("doubtful", "{op: add, path: /domain/devices/disk, xml: \"<boot order='1'/>\"}"), before)
    assert outcome.data is not None
    assert b"<boot" in outcome.data
    [warning] = outcome.diagnostics
    assert not warning.is_error
    assert "not checked" in warning.message


def test_a_failing_patch_fails_as_without_a_schema() -> None:
    outcome = run(patch("fails", "{op: set, path: /domain/nothing, value: x}"))
    assert [d.rule.id for d in outcome.diagnostics] == ["PL401"]


ELEMENTS = st.recursive(
    st.sampled_from(["vcpu", "disk", "target", "driver", "source", "bogus"]).map(lambda tag: f"<{tag} dev='a'/>"),
    lambda inner: st.lists(inner, max_size=3).map(lambda those: f"<disk type='file'>{''.join(those)}</disk>"),
    max_leaves=6,
)


@given(before=st.lists(ELEMENTS, max_size=3), after=st.lists(ELEMENTS, max_size=3))
def test_what_is_valid_has_no_fault_and_what_is_not_has_one(before: list[str], after: list[str]) -> None:
    old, new = (domain(f"<devices>{''.join(those)}</devices>") for those in (before, after))
    found = Comparison(SCHEMA, old).new_faults(new)
    if SCHEMA.allows(etree.fromstring(new)):
        assert found == []
    elif SCHEMA.allows(etree.fromstring(old)):
        assert any(fault.sure for fault in found)


@given(domains(), domains(), st.sampled_from(("urn:", "", "../", "?")))
def test_whatever_a_domain_holds_the_check_has_an_answer(before: Domain, after: Domain, start: str) -> None:
    """Comments and processing instructions anywhere, namespaces rebound or relative, text in odd places."""
    old, new = (one.data.replace(b"'urn:", f"'{start}".encode()) for one in (before, after))
    old, new = (data.replace(b'"urn:', f'"{start}'.encode()) for data in (old, new))
    for fault in Comparison(SCHEMA, old).new_faults(new):
        assert fault.path.startswith("/domain")
        assert fault.says


@given(domains())
def test_how_a_domain_is_written_is_no_news(domain: Domain) -> None:
    """Comments removed, attributes in another order, tags written differently."""
    root = etree.fromstring(domain.data)
    etree.strip_elements(root, etree.Comment, with_tail=False)
    for element in root.iter(etree.Element):
        set_attributes(element, reversed(attributes_of(element).items()))
    found = Comparison(SCHEMA, domain.data).new_faults(etree.tostring(root, encoding="utf-8"))
    assert [fault for fault in found if fault.sure] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not exist"),
        ("<grammar", "is not a RELAX NG schema"),
        ("<grammar xmlns='http://relaxng.org/ns/structure/1.0'/>", "is not a RELAX NG schema"),
        ("<element name='network' xmlns='http://relaxng.org/ns/structure/1.0'><text/></element>", "libvirt's domains"),
        (
            "<grammar xmlns='http://relaxng.org/ns/structure/1.0'><include href='gone.rng'/></grammar>",
            "is not a RELAX NG schema",
        ),
    ],
)
def test_a_schema_that_is_none(text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "domain.rng").write_text(text)
    with pytest.raises(PatchError, match=re.escape(said)) as caught:
        DomainSchema(tmp_path)
    assert caught.value.diagnostic.rule.id == "PL009"


def test_the_patches_of_the_page_do_what_it_says() -> None:
    page = (Path(handbook.__file__).parent / "pages" / "PL416.md").read_text()
    wrong, right = re.findall(r"^```yaml\n- (.*)\n```$", page, re.MULTILINE)
    before = "<devices><disk type='file'><target dev='vda'/></disk></devices>"
    assert [d.rule.id for d in run(patch("wrong", wrong), before).diagnostics] == ["PL416"]
    assert run(patch("right", right), before).data is not None
