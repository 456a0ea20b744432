"""Laws of plans, whatever the patches: the sidecar's bytes, an effect for each change, groups that ignore names."""

from __future__ import annotations

import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import casefile
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from plandump import TITLE, config_map, sidecar

from patchlang.cloudinit import jsonops, pointer
from patchlang.domain import tree as domain_tree
from patchlang.domain.origins import Origins
from patchlang.domain.tree import DomainTree
from patchlang.engine import patch_domain
from patchlang.extract import read_vmi
from patchlang.files import source_of
from patchlang.loading import load_sources
from patchlang.plan import jsonstream, yamlstream
from patchlang.plan.effects import effect_of, with_expressions
from patchlang.plan.inventory import Reader
from patchlang.plan.report import Status
from patchlang.plan.run import Shard, plan
from patchlang.plan.work import Setup

ROOT = Path(__file__).resolve().parents[2]
CASES = [path for path in sorted(casefile.CASES.glob("apply/*.txtar")) if b"\n-- domain.xml" in path.read_bytes()]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples/patches").glob("*/domain.xml"))
CORPUS = [
    case
    for case in yaml.safe_load((ROOT / "tests/corpus/cases.yaml").read_text())
    if case["hook"] == "onDefineDomain" and (ROOT / f"examples/corpus/{case['id']}.yaml").exists()
]
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAC = re.compile(rb"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_change_has_an_effect_and_the_bytes_are_the_engine_s(path: Path) -> None:
    case = casefile.load(path)
    sources = [source_of(part.name, part.data) for part in case.named(r".*patch.*\.yaml")]
    program, _ = load_sources(sources)
    domain = case.read("domain.xml")
    if program is None or domain is None:
        pytest.skip("it is a case of more than patches and a domain")
    vmi = read_vmi(case.read("vmi.json") or case.read("vmi.yaml") or b"{}")
    trees: list[DomainTree] = []

    def parse(data: bytes) -> DomainTree:
        trees.append(domain_tree.parse(data))
        trees[-1].origins = Origins()
        return trees[-1]

    expected, found = patch_domain(program, domain, vmi), patch_domain(program, domain, vmi, parse=parse)
    assert found == expected
    if found.data is not None and found.data != domain:
        assert effect_of(trees[-1], "web").lines
        assert domain_tree.parse(with_expressions(trees[-1])).root.tag == "domain"


def fleet(folder: Path, patch: str, domain: bytes, vmi: dict[str, Any]) -> None:
    """Three VMs that differ only in names, UUIDs and addresses."""
    old = vmi["metadata"].get("name", "web")
    items: list[Any] = []
    for number in range(3):
        name = f"{old}-{number}"
        uuid, mac = f"{number:08x}-0000-4000-8000-00000000000{number}", f"02:00:00:00:00:{number:02x}"
        items.append(json.loads(UUID.sub(uuid.encode(), MAC.sub(mac.encode(), json.dumps(vmi).encode()))))
        items[-1]["kind"] = "VirtualMachineInstance"
        items[-1]["metadata"] |= {"name": name, "namespace": "lab"}
        items[-1]["metadata"].setdefault("annotations", {})["hooks.kubevirt.io/hookSidecars"] = json.dumps([sidecar()])
        text = UUID.sub(uuid.encode(), MAC.sub(mac.encode(), domain))
        (folder / f"lab_{name}.xml").write_bytes(text)
    patches = config_map(patch_yaml=patch)
    (folder / "dump.json").write_text(json.dumps({"items": [*items, patches]}))


def inventory(folder: Path) -> Setup:
    return Setup(Reader(folder, None, lambda _: None).read([str(folder)], []))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_names_uuids_and_addresses_part_no_group(example: Path, tmp_path: Path) -> None:
    vmi = json.loads(read_vmi((example / "vmi.yaml").read_bytes()))
    fleet(tmp_path, (example / "patch.yaml").read_text(), (example / "domain.xml").read_bytes(), vmi)
    setup = inventory(tmp_path)
    whole = plan(setup)
    assert [len(group.vms) for group in whole.groups.values()] == [3]
    for count in (2, 3):
        parts = [plan(setup, shard=Shard(number, count)) for number in range(1, count + 1)]
        assert all(part.dump == whole.dump for part in parts)
        assert {key for part in parts for key in part.groups} == whole.groups.keys()


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["id"])
def test_what_people_have_scripts_for_is_one_group(case: dict[str, Any], tmp_path: Path) -> None:
    corpus = ROOT / "tests/corpus"
    vmi = json.loads((corpus / case["vmi"]).read_bytes())
    for kind in ("annotations", "labels"):
        vmi["metadata"].setdefault(kind, {}).update(case.get(kind, {}))
    for name, value in case.get("vmi_set", {}).items():
        vmi = jsonops.ensure(vmi, pointer.parse(name), value)
    patch = (ROOT / f"examples/corpus/{case['id']}.yaml").read_text()
    fleet(tmp_path, patch, (corpus / case["base"]).read_bytes(), vmi)
    (group,) = plan(inventory(tmp_path)).groups.values()
    assert group.body.status is Status.CHANGES, group.body.findings
    assert len(group.vms) == 3
    assert group.body.diff


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
items = st.fixed_dictionaries(
    {"kind": st.sampled_from(["VirtualMachineInstance", "ConfigMap"])},
    optional={"metadata": st.dictionaries(st.text(), values, max_size=3), "spec": values, "{": values},
)


@settings(max_examples=200)
@given(
    listed=st.lists(items, max_size=5),
    indent=st.sampled_from([None, 1, 4]),
    ascii=st.booleans(),
    piece=st.integers(1, 60),
    lead=st.sampled_from(["", "\n ", "\ufeff"]),
)
def test_json_is_read_in_pieces_as_it_is_in_one(
    listed: list[Any], indent: int | None, ascii: bool, piece: int, lead: str
) -> None:
    document = {"apiVersion": "v1", "items": listed, "kind": "List"}
    text = (lead + json.dumps(document, indent=indent, ensure_ascii=ascii)).encode(errors="replace")
    expected = json.loads(text.decode("utf-8-sig"))["items"]
    before, jsonstream._PIECE = jsonstream._PIECE, piece
    try:
        found = list(jsonstream.objects(io.BytesIO(text)))
        brief = list(jsonstream.objects(io.BytesIO(text), ("VirtualMachineInstance",)))
    finally:
        jsonstream._PIECE = before
    assert [one.value for one in found] == expected
    for one, short in zip(found, brief, strict=True):
        slice = text[one.start : one.start + one.length]
        assert json.loads(slice) == one.value
        start = text[: one.start].decode("utf-8-sig")
        assert (one.line, one.column) == (start.count("\n") + 1, len(start) - start.rfind("\n"))
        assert (short.start, short.length, short.line, short.column) == (one.start, one.length, one.line, one.column)
        assert short.value.get("metadata") == one.value.get("metadata")
        assert short.value["kind"] == one.value["kind"]


@settings(max_examples=100)
@given(lists=st.lists(st.lists(items, max_size=4), min_size=1, max_size=3), style=st.sampled_from([None, True]))
def test_yaml_is_read_in_pieces_as_it_is_in_one(lists: list[list[Any]], style: bool | None) -> None:
    documents = [{"apiVersion": "v1", "items": one, "kind": "List", "metadata": {"a": "b"}} for one in lists]
    text = yaml.safe_dump_all(documents, default_flow_style=style, allow_unicode=True).encode(errors="replace")
    expected = [item for document in yaml.safe_load_all(text) for item in document["items"]]
    found = list(yamlstream.objects(io.BytesIO(text)))
    assert [one.value for one in found] == expected


def _hostile() -> st.SearchStrategy[Any]:
    """Objects with the right keys and arbitrary values below them."""
    anything = st.one_of(values, st.sampled_from(["lab", "patches", "web", TITLE, json.dumps([sidecar()])]))
    keys = ["name", "namespace", "labels", "annotations", "hooks.kubevirt.io/hookSidecars", "template", "metadata"]
    keys += [
        "spec",
        "data",
        "binaryData",
        "patch.yaml",
        "mutations",
        "domainHooks",
        "condition",
        "sidecar",
        "jsonPatch",
    ]
    inner = st.recursive(anything, lambda of: st.dictionaries(st.sampled_from(keys), of, max_size=4), max_leaves=6)
    kinds = ["VirtualMachineInstance", "VirtualMachine", "ConfigMap", "Plugin", "MutatingAdmissionPolicy", 1, None]
    names = st.sampled_from(["web", "db", "patches"])
    named = st.fixed_dictionaries({"name": names}, optional=dict.fromkeys(keys[1:], inner))
    parts = {"kind": st.sampled_from(kinds), "metadata": named | inner}
    return st.fixed_dictionaries(parts, optional={"spec": inner, "data": inner, "binaryData": inner})


@settings(max_examples=300)
@given(listed=st.lists(_hostile(), max_size=5), indent=st.sampled_from([None, 4]))
def test_any_dump_is_planned_or_refused(listed: list[Any], indent: int | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dump.json").write_text(json.dumps({"items": listed}, indent=indent))
        for vm in ("web", "db"):
            (folder / f"default_{vm}.xml").write_text("<domain><devices/></domain>")
        setup = inventory(folder)
        counts = plan(setup).counts()
        assert counts["vms"] == len(setup.inventory.numbers)
