"""Warnings about results of patches that KubeVirt's own types lose, compared with runs that lose them."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from test_corpus import Run, attempt, runs
from test_lint import DOMAIN, compiled, source

from patchlang.diagnostics import Diagnostic, Severity
from patchlang.engine import patch_domain
from patchlang.files import source_of
from patchlang.kubevirt import marks, structs
from patchlang.kubevirt.advice import advise
from patchlang.kubevirt.replay import differences, second_run
from patchlang.loading import decode_source
from patchlang.render import render
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.run import validate_files

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = yaml.safe_load((ROOT / "tests" / "kubevirt.yaml").read_text())
OLDEST, NEWEST = structs.releases()[0], structs.releases()[-1]


def advice(text: str, release: str = OLDEST, *, plugins: bool = False) -> list[Diagnostic]:
    return advise(compiled(source(text))[0], release, plugins=plugins)


# -- between the runs of a boot ----------------------------------------------------------------------------------------


VMI = b'{"metadata": {"name": "one"}, "spec": {"volumes": [{"name": "one"}], "domain": {"cpu": {"cores": 4}}}}'


def boot(text: str, release: str | None) -> str:
    """The result of a boot's second run next to the first: ``more``, ``less`` or the same; None if nothing is lost."""
    _, program = compiled(source(text))
    domain = DOMAIN.replace(b'<model type="virtio"', b'<model type="vga"')
    first = patch_domain(program, domain, VMI).data
    assert first is not None
    assert first != domain
    second = patch_domain(program, second_run(domain, first, read_back_by=release, keeps_aliases=True), VMI).data
    assert second is not None
    if not differences(first, second, ("run 1", "run 2")):
        return "the same"
    nodes = [sum(1 + len(node.attrib) for node in etree.fromstring(data).iter("*")) for data in (first, second)]
    return "more" if nodes[1] > nodes[0] else "less"


PAIRS = [(rule, text) for rule, key in (("PL320", "lost"), ("PL321", "doubled")) for text in SAMPLES[key]]


@pytest.mark.parametrize(("rule", "text"), PAIRS)
def test_what_is_lost_between_two_runs_is_found(rule: str, text: str) -> None:
    found = advice(text)
    assert [d.rule.id for d in found] == [rule], render(found)
    assert found[0].severity is Severity.ADVICE
    assert found[0].help
    assert found[0].patch == "example"
    assert boot(text, None) == "the same"
    assert boot(text, OLDEST) == ("less" if rule == "PL320" else "more")


@pytest.mark.parametrize("text", SAMPLES["fine"])
def test_what_is_made_again_is_no_harm(text: str) -> None:
    assert render(advice(text)) == ""
    assert boot(text, OLDEST) == boot(text, None) == "the same"


def test_a_newer_release_may_know_it() -> None:
    text = """
        - op: add
          path: /domain/devices
          unless: controller[@index='9']
          xml: <controller type="pci" index="9"><target busNr="254"/></controller>
        """
    known = [advice(text, release) == [] for release in structs.releases()]
    assert known == [False, False, False, True, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "- {op: add, forEach: xpath('//disk'), path: /domain/devices, unless: sound, xml: <sound streams='2'/>}",
        "- {op: add, path: '/domain/devices[', unless: sound, xml: <sound streams='2'/>}",
    ],
)
def test_what_cannot_be_tried_is_not_judged(text: str) -> None:
    assert render(advise(decode_source(source(text))[0], OLDEST, plugins=False)) == ""


# one condition with its quotes written in many ways: it notices that an alias is lost, and adds the channel again
QUOTED = (
    r"""xpath('//alias[@name="ua-a"]') == []""",
    r"""xpath("//alias[@name='ua-a']") == []""",
    r"""xpath('//alias[@name=\'ua-a\']') == []""",
    r"""xpath("//alias[@name=\"ua-a\"]") == []""",
    r"""xpath('//alias[@name=\x27ua-a\u0027]') == []""",
    r"""xpath(r"//alias[@name='ua-a']") == []""",
    r"""xpath('''//alias[@name='ua-a']''') == []""",
    r"""[] == xpath('//alias[@name=\'ua-a\']') && vmi.metadata.name != 'it\'s'""",
    r"""size(xpath('//alias[@name=\'ua-a\']')) == 0x0""",
    r"""xpath('not(//alias[@name=\'ua-a\'])')""",
    r"""!(xpath('//alias[@name=\'ua-a\']') != [])""",
)


@pytest.mark.parametrize("when", QUOTED)
def test_it_is_the_same_however_a_quote_is_written(when: str) -> None:
    edit = {
        "op": "add",
        "path": "/domain/devices",
        "when": when,
        "xml": "<channel type='pty'><target type='virtio' name='a'/><alias name='ua-a'/></channel>",
    }
    assert [d.rule.id for d in advice(f"- {json.dumps(edit)}")] == ["PL321"]


@pytest.mark.parametrize("key", ["'name'", '"name"', "r'name'", r"'n\x61me'"])
def test_a_mark_is_the_same_however_a_key_is_written(key: str) -> None:
    for expression in (f"item[{key}]", f"variables.item[ {key} ]", f"(item)[{key}]"):
        assert marks.mark(expression) == "item.name"


# -- devices that KubeVirt cannot read, aliases that libvirt drops -----------------------------------------------------


@pytest.mark.parametrize("text", SAMPLES["unreadable"])
def test_a_device_that_kubevirt_cannot_read_is_found(text: str) -> None:
    assert [d.rule.id for d in advice(text)] == ["PL323"]


@pytest.mark.parametrize("text", SAMPLES["dropped"])
def test_an_alias_that_libvirt_drops_is_found_and_makes_the_device_twice(text: str) -> None:
    assert [d.rule.id for d in advice(text)] == ["PL324"]
    _, program = compiled(source(text))
    first = patch_domain(program, DOMAIN, VMI).data
    assert first is not None
    second = patch_domain(program, second_run(DOMAIN, first), VMI).data
    assert second is not None
    counts = [len(etree.fromstring(data).findall("devices/*")) for data in (DOMAIN, first, second)]
    assert [count - counts[0] for count in counts] == [0, 1, 2]


ALIAS = st.text(alphabet="ua-b_.é0 ", max_size=6)


@given(ALIAS)
def test_the_advice_and_the_replay_agree_on_aliases(alias: str) -> None:
    edit = {"op": "add", "path": "/domain/devices", "unless": "rng", "xml": f"<rng><alias name='{alias}'/></rng>"}
    ours = b"<domain><devices><rng><alias name='" + alias.encode() + b"'/></rng></devices></domain>"
    kept = etree.fromstring(second_run(b"<domain><devices/></domain>", ours)).xpath("count(//alias)") == 1
    found = [d.rule.id for d in advice(f"- {json.dumps(edit)}") if d.rule.id == "PL324"]
    assert found == ([] if kept or not alias else ["PL324"])


# -- with plugins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "places"), [(one["edits"], one["lost"]) for one in SAMPLES["with plugins"]])
def test_with_plugins_all_that_is_not_known_is_named_at_its_place(text: str, places: list[str]) -> None:
    found = [d for d in advice(text, "1.9", plugins=True) if d.rule.id == "PL322"]
    assert [d.span.source.text[d.span.start : d.span.end] for d in found if d.span] == places, render(found)
    assert [d for d in advice(text, "1.9") if d.rule.id == "PL322"] == []


def test_plugins_came_with_a_release() -> None:
    assert "iommufd" not in structs.domain("1.8").children
    assert "iommufd" in structs.domain("1.9").children


# -- real hooks --------------------------------------------------------------------------------------------------------

# the names in the path come from an annotation
COMPUTED = {"dotted-path-from-annotation-key"}
# warnings about edits that no run of the case makes, or that change something already in its input
NOT_TRIED = {"launch-security-sev-snp": {"hostData"}, "edge-mixed-content": {"note"}}

HOOKS: dict[str, list[Run]] = defaultdict(list)
for run in runs():
    if run.domain and not run.refused:
        HOOKS[run.case].append(run)


@pytest.mark.parametrize("release", structs.releases())
@pytest.mark.parametrize("folder", ["corpus", "patches"])
def test_nothing_is_said_of_patches_whose_boots_are_right(folder: str, release: str) -> None:
    files = sorted((ROOT / "examples" / folder).rglob("*.yaml"))
    inputs = [Input(str(file), True, file.read_bytes()) for file in files]
    checked = [*validate_files(inputs, options=Options(kubevirt=release))]
    assert sum(one.held.patches for one in checked) > 5
    assert render([d for one in checked for d in one.diagnostics if d.rule.id.startswith("PL32")]) == ""


@pytest.mark.parametrize("release", ["1.9", NEWEST])
@pytest.mark.parametrize("case", HOOKS)
def test_real_hooks_lose_with_plugins_what_is_said_and_nothing_else(case: str, release: str) -> None:
    file = ROOT / "examples" / "corpus" / f"{case}.yaml"
    patches, _ = decode_source(source_of(str(file), file.read_bytes()))
    spans = [d.span for d in advise(patches, release, plugins=True) if d.rule.id == "PL322"]
    texts = [span.source.text[span.start : span.end] for span in spans if span]
    said = {text.rpartition(":")[2].removeprefix("@") for text in texts}
    lost: set[str] = set()
    for run in HOOKS[case]:
        outcome, _ = attempt(run, run.data)
        assert outcome is not None
        lost |= set(unknown(outcome, release) - unknown(run.data, release))
    assert said <= lost | NOT_TRIED.get(case, set())
    assert said or not lost or case in COMPUTED, lost


def unknown(domain: bytes, release: str) -> Counter[str]:
    """Names of elements and attributes that KubeVirt's types do not know in that position."""
    whole, known = etree.fromstring(domain), etree.fromstring(domain)
    structs.prune(known, structs.domain(release), structs.Seen([]))
    return names(whole) - names(known)


def names(root: etree._Element) -> Counter[str]:
    found = [name for node in root.iter(etree.Element) for name in (node.tag, *node.attrib)]
    return Counter(etree.QName(name).localname for name in found)


# -- the data ----------------------------------------------------------------------------------------------------------


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("index_kubevirt", ROOT / "tools" / "index_kubevirt.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_index_has_each_release_as_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_kubevirt = tool()

    def release(name: str, **types: dict[str, object]) -> None:
        given = {kind: {"attributes": [], "children": {}, "text": False} | type for kind, type in types.items()}
        (tmp_path / f"{name}.json").write_text(json.dumps({"root": "Domain", "types": given}))

    release("1.9", Domain={"children": {"a": "A", "b": "text"}}, A={"attributes": ["x"]})
    release("1.10", Domain={"children": {"a": "Other"}}, Other={"attributes": ["y"], "text": True})
    release("main", Domain={"children": {"a": "Other"}}, Other={"attributes": ["y", "z"], "text": True})
    monkeypatch.setattr(index_kubevirt, "TARGET", tmp_path / "made" / "structs.json")
    (tmp_path / "made").mkdir()
    assert index_kubevirt.main(tmp_path) == 0
    made = (tmp_path / "made" / "structs.json").read_text()
    assert list(json.loads(made)["releases"]) == ["1.9", "1.10", "main"]
    monkeypatch.setattr(structs, "_read", lambda: json.loads(made))
    monkeypatch.setattr(structs, "domain", structs.domain.__wrapped__)
    old, new, main = (structs.domain(name) for name in ("1.9", "1.10", "main"))
    assert (set(old.children), old.children["a"].attributes, old.children["b"].text) == ({"a", "b"}, {"x"}, True)
    assert (set(new.children), new.children["a"].attributes, new.children["a"].text) == ({"a"}, {"y"}, True)
    assert main.children["a"].attributes == {"y", "z"}


def test_a_folder_without_structs_makes_no_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index_kubevirt = tool()

    assert index_kubevirt.main(tmp_path) == 2
    assert "no *.json in" in capsys.readouterr().err


def test_each_release_knows_what_its_structs_say() -> None:
    devices = {release: structs.domain(release).children["devices"] for release in structs.releases()}
    assert ["panic" in known.children for known in devices.values()] == [False, True, True, True, True, True]
    assert all("iotune" not in known.children["disk"].children for known in devices.values())
    flush = [
        structs.domain(release).children["features"].children["hyperv"].children["tlbflush"] for release in devices
    ]
    assert ["direct" in struct.children for struct in flush] == [False, False, False, True, True, True]
    assert ["expandDisksEnabled" in known.children["disk"].children for known in devices.values()][-3:] == [
        True, False, False,
    ]  # fmt: skip


def test_the_manual_says_what_each_release_knows() -> None:
    text = (ROOT / "docs" / "validate.md").read_text().split("<!-- kubevirt -->\n")[1].split("\n\n")[0]
    rows = [row.split("|")[1:3] for row in text.splitlines()[2:]]
    assert [release.strip() for release, _ in rows] == list(structs.releases())
    all_names = (ROOT / "patchlang" / "kubevirt" / "structs.json").read_text().replace("@", "")
    changes = json.loads((ROOT / "patchlang" / "kubevirt" / "structs.json").read_text())["releases"]
    for release, words in rows[1:]:
        named = set(re.findall("`([a-zA-Z0-9_]+)`", words))
        known = changes[release.strip()]
        changed = {
            name.split(" ")[0].removeprefix("@")
            for part in known.values()
            for kind, names in part.items()
            if not kind.endswith("Metadata")
            for name in names
        } - {"#text"}
        assert changed <= named, release
        assert all(f'"{name}' in all_names or f"{name} " in all_names for name in named), release
