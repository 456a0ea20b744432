"""Laws of every edit, whatever its op: errors with messages, no trace of failures, conditions that count, no markup.

The edits are generated from the model (``law_edits``). ``test_laws.py`` checks the meaning of each op.
"""

from __future__ import annotations

import json
from typing import Any

import law_reference as reference
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from law_domains import Domain, domains
from law_edits import Edit, domain_edits
from lxml import etree
from test_laws import MANY, document, is_xml, patched, path_of, texts

from patchlang import engine, rules
from patchlang.compile import Program
from patchlang.document import model
from patchlang.kubevirt.replay import differences, second_run
from patchlang.loading import load_sources
from patchlang.render import render
from patchlang.result import Outcome
from patchlang.source import SourceFile


def drawn(data: st.DataObject, domain: Domain, op: str = "", *, computed: bool = False, naming: bool = False) -> Edit:
    paths = [path_of(element) for element in reference.elements(etree.fromstring(domain.data))]
    paths += ["//*", "//a", "/domain/nowhere"]
    edit: Edit = data.draw(domain_edits(paths, op=op, computed=computed, naming=naming))
    return edit


def load(*edits: Edit, **spec: Any) -> Program | None:
    """The program of some edits, or None if they are refused before they run, which needs a message with a position."""
    program, found = load_sources([SourceFile("patch.yaml", document("law", list(edits), **spec))])
    if program is None:
        assert [d for d in found if d.is_error and d.span is not None and d.message]
        event("not loaded")
    return program


def loaded(*edits: Edit, **spec: Any) -> Program:
    """The program of some edits. Skips the example if they are refused before they run."""
    program = load(*edits, **spec)
    assume(program is not None)
    assert program is not None
    return program


def run(program: Program, domain: Domain, name: str = "a") -> Outcome:
    return engine.patch_domain(program, domain.data, json.dumps({"metadata": {"name": name}}).encode())


@pytest.mark.parametrize("op", model.DOMAIN_OPS)
@given(domains(), st.data())
def test_every_edit_is_answered(op: str, domain: Domain, data: st.DataObject) -> None:
    """A domain that parses, the same for the same input, or an error with a position in the patch."""
    program = load(drawn(data, domain, op))
    if program is None:
        return
    outcome = run(program, domain)
    assert outcome.data == run(program, domain).data
    if outcome.data is None:
        event("refused")
        [found] = [d for d in outcome.diagnostics if d.is_error]
        assert found.span is not None
        assert found.span.source.name == "patch.yaml"
        assert render([found])
        return
    event("same" if outcome.data == domain.data else "changed")
    assert etree.fromstring(outcome.data).tag == "domain"
    assert b"patch:" not in outcome.data, "nothing of a directive gets into a domain"


@MANY
@given(domains(), st.data())
def test_no_edit_leaves_a_trace_when_its_document_fails(domain: Domain, data: st.DataObject) -> None:
    edit = drawn(data, domain)
    outcome = run(loaded(edit, {"op": "test", "path": "/nowhere"}, failurePolicy="Ignore"), domain)
    assert patched(outcome) == domain.data
    assert [d.rule for d in outcome.diagnostics] == [rules.IGNORED]


@given(domains(), st.data(), st.sampled_from(("when", "forEach")))
def test_no_edit_runs_where_its_condition_does_not_hold(domain: Domain, data: st.DataObject, key: str) -> None:
    edit = {**drawn(data, domain), key: {"when": "false", "forEach": "[]"}[key]}
    if key == "forEach":
        edit.pop("when", None)  # evaluated first, and may fail
    assert patched(run(loaded(edit), domain)) == domain.data


@given(domains(), st.data(), st.booleans())
def test_a_value_that_may_be_missing_is_that_value_or_no_edit(domain: Domain, data: st.DataObject, there: bool) -> None:
    selected = data.draw(st.sampled_from([*map(path_of, reference.elements(etree.fromstring(domain.data))), "//*"]))
    made = data.draw(st.sampled_from(("", "/@x", "/n", "/n[@x='1']/@y", "/a", "/p:n/@p:x")))
    edit: Edit = {"op": "set", "path": selected + made[: 3 * made.startswith("/@")]}
    if data.draw(st.booleans()):
        edit = {"op": "ensure", "in": selected, "path": made.removeprefix("/") or "n"}
    edit["expect"] = "0+"
    given, plain = ("$[ optional.of(vmi.metadata.name) ]", {}) if there else ("$[ optional.none() ]", {"when": "false"})
    optional = run(loaded({**edit, "value": given}), domain)
    same = run(loaded({**edit, "value": "$[ vmi.metadata.name ]", **plain}), domain)
    event(f"{'there' if there else 'left out'}: {'refused' if optional.data is None else 'done'}")
    if there or optional.data is not None:
        assert optional.data == same.data


MANAGED = Domain(
    b"""<domain><name>vm</name><uuid>1</uuid><title/><devices><a kept="1"><alias name="ua-1"/><b/></a>
  <a kept="2"><b name="ua-2"/><alias name="ua-2"/></a><b><alias name="own"/></b><c><name>other</name></c></devices>
</domain>"""
)


@MANY
@given(st.data(), st.integers(1, 3))
def test_no_edit_changes_what_is_protected_unless_it_may(data: st.DataObject, count: int) -> None:
    """One name, one uuid and their texts, and the aliases of devices that still exist."""
    edits = []
    for _ in range(count):
        edit = protecting(drawn(data, MANAGED, naming=True))
        if edit["op"] in ("add", "set", "replace", "remove", "rename", "merge"):
            edit["expect"] = "0+"
        edits.append(edit)
    outcome = run(loaded(*edits), MANAGED)
    if outcome.data is None:
        event("refused: " + outcome.diagnostics[0].rule.id)
        return
    event("accepted")
    before, after = etree.fromstring(MANAGED.data), etree.fromstring(outcome.data)
    for tag in ("name", "uuid"):
        assert [texts_in(found) for found in after.findall(tag)] == [texts_in(found) for found in before.findall(tag)]
    for device in after.iterfind(".//*[@kept]"):
        assert [alias.get("name") for alias in device.findall("alias")] == [f"ua-{device.get('kept')}"]


def protecting(edit: Edit) -> Edit:
    """The edit and its inner edits, without ``allowProtected`` and without edits of copies, which may lose an alias."""
    edit.pop("allowProtected", None)
    if edit["op"] == "copy":
        edit.pop("edits", None)
    for inner in edit.get("edits", ()):
        protecting(inner)
    return edit


def texts_in(element: reference.Element) -> str:
    return str(etree.XPath("string()")(element))


@MANY
@given(domains(), st.data(), texts)
def test_a_value_is_no_markup_in_any_edit(domain: Domain, data: st.DataObject, value: str) -> None:
    """The elements and attributes of the result do not depend on the value."""
    edit = drawn(data, domain, computed=True)
    assume(is_xml(value))
    program = loaded(edit)
    plain, strange = run(program, domain), run(program, domain, value)
    if plain.data is None or strange.data is None:
        event(f"{edit['op']}: refused")
        return
    event(f"{edit['op']}: {'same' if strange.data == domain.data else 'changed'}")
    assert shape(etree.fromstring(plain.data)) == shape(etree.fromstring(strange.data))


def same(one: bytes, other: bytes) -> bool:
    """Ignores which of several prefixes a new element declares for a namespace. All other bytes must be the same."""
    if one == other or b"xmlns" not in one + other:
        return one == other
    documents = [reference.canonical(etree.fromstring(data), exact=True) for data in (one, other)]
    return bool(documents[0] == documents[1])


def shape(element: reference.Element) -> Any:
    """The document without its texts and values."""
    if not isinstance(element.tag, str):
        return None
    return element.tag, sorted(element.attrib), [shape(child) for child in element]


@MANY
@given(domains(), st.data(), st.sampled_from(("/domain/a", "/domain/*", "/domain", "/domain/*[@x]")))
def test_an_edit_within_a_node_is_that_edit_at_the_node(domain: Domain, data: st.DataObject, path: str) -> None:
    """Nested paths, or one path that joins both: the result is the same."""
    below = data.draw(st.sampled_from(("a", "*", "b/a", "@x", ".")))
    edit: Edit = data.draw(
        st.sampled_from(
            (
                {"op": "set", "path": "{}", "value": "new", "unless": "*"},
                {"op": "merge", "path": "{}", "xml": "<n x='1'/>", "position": "prepend"},
                {"op": "ensure", "in": "{}", "path": "n/@y", "value": "$[ xpath('string(@x)') ]"},
                {"op": "rename", "path": "{}", "to": "m"},
                {"op": "remove", "path": "{}"},
            )
        )
    )
    key = "in" if "in" in edit else "path"
    inner = {**edit, key: below, "expect": "0+"}
    outer = {**edit, key: f"{path}/{below}", "expect": "0+"}
    one = run(loaded({"op": "within", "path": path, "expect": "0+", "edits": [inner]}), domain)
    other = run(loaded(outer), domain)
    if one.data is None or other.data is None:
        event("refused")
        return
    event(f"{edit['op']}: {'same' if one.data == domain.data else 'changed'}")
    assert same(one.data, other.data)


@MANY
@given(domains(), st.data())
def test_a_place_changes_nothing_but_the_place(domain: Domain, data: st.DataObject) -> None:
    """``position`` and ``at`` of ``ensure`` and ``merge``: the same elements, and no change on the next run."""
    op: Edit = data.draw(
        st.sampled_from(
            (
                {"op": "ensure", "path": "/domain/n/m/@x", "value": "1"},
                {"op": "merge", "path": "/domain", "xml": "<n><m x='1'/></n><o/>"},
            )
        )
    )
    place: Edit = data.draw(
        st.sampled_from(({"position": "prepend"}, {"at": "*", "position": "before"}, {"at": "a", "position": "after"}))
    )
    placed, plain = run(loaded({**op, **place}), domain), run(loaded(op), domain)
    assert (placed.data is None) == (plain.data is None)
    if placed.data is None or plain.data is None:
        event("refused")
        return
    assert content(etree.fromstring(placed.data)) == content(etree.fromstring(plain.data))
    assert run(loaded({**op, **place}), Domain(placed.data)).data == placed.data


def content(element: reference.Element) -> Any:
    """An element with its content, except for texts and the order of children."""
    children = [content(child) for child in element if isinstance(child.tag, str)]
    return str(element.tag), sorted(element.attrib.items()), sorted(children)


OUTCOMES: tuple[Edit, ...] = (
    {"op": "rename", "path": "/domain/os/a", "to": "b"},
    {"op": "rename", "path": "/domain/devices/disk[@x='1']/@y", "to": "z"},
    {"op": "move", "from": "/domain/devices/rng", "path": "/domain/devices", "position": "prepend"},
    {"op": "move", "from": "/domain/os/b", "path": "/domain/cpu"},
    {"op": "ensure", "path": "/domain/cpu/@mode", "value": "x", "position": "after", "at": "os"},
    {"op": "ensure", "path": "/domain/devices/tpm/@model", "value": "x", "position": "before", "at": "disk"},
    {"op": "merge", "path": "/domain/devices", "position": "after", "at": "disk", "xml": (
        "<disk patch:forEach='[1, 2, 3]' patch:when='item != 2' type='$[ optional.of(vmi.metadata.name) ]'"
        " device='$[ optional.none() ]'><target dev='vd$[ item ]'/><serial>$[ vmi.?spec.?serial ]</serial></disk>"
    )},
    {"op": "merge", "path": "/domain", "xml": "<cpu><feature patch:forEach='[\"a\", \"b\"]' name='$[ item ]'/></cpu>"},
    {"op": "add", "path": "/domain/devices", "xml": "<sound patch:when='xpath(\"sound\") == []'/>"},
    {"op": "within", "path": "/domain/devices/disk", "expect": "0+", "unless": "@y", "edits": [
        {"op": "ensure", "path": "driver/@cache", "value": "none"},
        {"op": "set", "path": "@z", "value": "$[ node.name ]"},
        {"op": "remove", "path": "serial"},
        {"op": "within", "path": "target", "expect": "0..1", "edits": [{"op": "merge", "path": ".", "xml": "<a/>"}]},
    ]},
    {"op": "copy", "from": "/domain/devices/disk[target/@dev='vda']", "expect": "0..1", "path": "/domain/devices",
     "unless": "../disk[target/@dev='vdx']", "edits": [
        {"op": "set", "path": "target/@dev", "value": "vdx"}, {"op": "remove", "path": "alias"},
    ]},
    {"op": "qemuArgs", "args": ["-s", "-S", "-s"], "unique": "each", "env": "$[ {'A': vmi.metadata.name} ]"},
)  # fmt: skip


@st.composite
def machines(draw: st.DrawFn) -> bytes:
    """Domains that contain some of the nodes that these edits look for."""
    parts = ["<os/>", "<os><a/></os>", "<cpu><feature name='a'/></cpu>", "<vcpu>1</vcpu>"]
    devices = [
        "<disk x='1' y='2'><target dev='vda'/></disk>",
        "<disk><target dev='vda'/><alias name='ua-a'/></disk>",
        "<disk><serial>s</serial><target dev='vd1'/></disk>",
        "<rng/>",
        "<tpm model='y'/>",
        "<sound/>",
    ]
    above = "\n  ".join(draw(st.lists(st.sampled_from(parts), max_size=3, unique_by=lambda part: part[:4])))
    inside = "\n    ".join(draw(st.lists(st.sampled_from(devices), max_size=4, unique=True)))
    return f"<domain>\n  {above}\n  <devices>\n    {inside}\n  </devices>\n</domain>".encode()


@MANY
@given(machines(), st.sampled_from(OUTCOMES))
def test_what_names_its_outcome_is_done_once_in_all_runs_of_a_boot(machine: bytes, edit: Edit) -> None:
    """A second run on the result changes nothing, and each run of a boot gives the same machine."""
    program = loaded(edit)
    first = run(program, Domain(machine))
    if first.data is None:
        event("refused")
        return
    event("same" if first.data == machine else "changed")
    assert run(program, Domain(first.data)).data == first.data
    second = patched(run(program, Domain(second_run(machine, first.data))))
    third = patched(run(program, Domain(second)))
    assert differences(first.data, second, ("run 1", "run 2")) == ""
    assert differences(second, third, ("run 2", "run 3")) == ""
