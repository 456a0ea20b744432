"""The playground's answers, without a server: runs, boots, exports, writing help."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from patchlang.authoring.playground import booting, exporting, samples, trying, writing
from patchlang.authoring.playground.answers import answer
from patchlang.authoring.playground.offsets import characters_of_utf16, utf16_of_bytes, utf16_of_characters
from patchlang.authoring.playground.request import Given, PatchText, RequestError
from patchlang.cli import cli
from patchlang.diffs import diff
from patchlang.record import replace

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "tests/corpus/base"
MACHINE: Any = samples.sample({"name": "linux-min"})
DATA: Any = samples.sample({"name": "nocloud-cloudconfig"})
HEAD = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: p}\nspec:\n"
CLOUD_INIT = HEAD + "  cloudInit: [{op: add, path: /packages/-, value: chrony, target: userData}]\n"


FACTS = """\
# comments may stand here
env: {ZONE: "lab's \\"a\\""}
files:
  netinfo: |+
    line: 1

    - $x `x` \U0001f600

"""
WITH_FACTS = f"""{HEAD}\
  facts: {{env: [ZONE, NONE], files: {{netinfo: /etc/podinfo/network-info}}}}
  domain:
    - {{op: ensure, path: /domain/title, value: "$[ facts.env.ZONE.orValue('nowhere') ]"}}
    - {{op: ensure, path: /domain/description, value: "$[ facts.files.netinfo.orValue('') ]"}}
"""


def texts(
    patch: str, *, domain: str = MACHINE["domain"], vmi: str = MACHINE["vmi"], data: str = "", facts: str = ""
) -> Given:
    return Given((PatchText("patch.yaml", patch),), domain, vmi, data, facts)


def edits(text: str) -> str:
    return f"{HEAD}  domain:\n{text}"


def tried(given: Given) -> Any:
    found = trying.try_patches(given)
    json.dumps(found)
    return found


# -- runs --------------------------------------------------------------------------------------------------------------


def test_the_patch_to_begin_with_shows_something() -> None:
    found = tried(texts(samples.starter(), data=DATA["cloudInit"]))
    assert found["findings"] == []
    domain, cloud_init = found["outcomes"]
    assert (domain["of"], domain["state"], cloud_init["of"], cloud_init["state"]) == (
        "domain", "patched", "cloudInit", "untouched",
    )  # fmt: skip
    assert '+\t\t\t<entry name="manufacturer">team-blue</entry>' in domain["diff"]
    [patch] = domain["trace"]
    assert [(one["label"], one["matched"], one["changed"]) for one in patch["edits"]] == [
        ("domain[0] ensure", 1, 1), ("domain[1] set", 2, 2), ("domain[2] remove", 1, 1),
    ]  # fmt: skip
    assert all(run["state"] == "stable" for boot in replayed(texts(samples.starter())) for run in boot["runs"])


def spots(patch: str, domain: str) -> list[list[str]]:
    """The highlighted text of each edit, as the browser would cut it out."""
    units = domain.encode("utf-16-le")
    [outcome] = tried(texts(patch, domain=domain))["outcomes"]
    return [
        [units[2 * start : 2 * end].decode("utf-16-le") for start, end in edit["spots"]]
        for patch in outcome["trace"]
        for edit in patch["edits"]
    ]


DISK = """<disk
     type = 'block'><target dev="vda"/></disk>"""
DEVICES = f"""<devices><disk type="file"/>{DISK}</devices>"""
DOMAIN = f"""<!-- \U0001f600 é --><domain>
  <title x:a='1' a="2" xmlns:x="u">n</title>
  {DEVICES}
</domain>
"""


@pytest.mark.parametrize(
    ("edit", "marked"),
    [
        ("- {op: set, path: /domain/title, value: m}", [["<title x:a='1' a=\"2\" xmlns:x=\"u\">n</title>"]]),
        ("- {op: remove, path: /domain/title/text()}", [["n"]]),
        ("- {op: set, path: /domain/title/@b, value: m}", [["<title x:a='1' a=\"2\" xmlns:x=\"u\">"]]),
        ("- {op: set, path: \"/domain//@type\", value: m, expect: 2}", [['type="file"', "type = 'block'"]]),
        ("- {op: remove, path: //disk, expect: 2}", [['<disk type="file"/>', DISK]]),
        (
            "- {op: within, path: '//disk[target]', edits: [{op: remove, path: target}]}",
            [[DISK], ['<target dev="vda"/>']],
        ),
        (
            "- {op: add, path: /domain/devices, xml: <disk type='new'/>}\n"
            "- {op: set, path: '//disk[@type=\"new\"]/@type', value: m}",
            [[DEVICES], []],
        ),
    ],
)  # fmt: skip
def test_matched_nodes_are_marked_where_they_stand(edit: str, marked: list[list[str]]) -> None:
    assert spots(edits("".join(f"    {line}\n" for line in edit.split("\n"))), DOMAIN) == marked


def test_a_domain_in_a_log_is_marked_there() -> None:
    log = "é started\n" + DOMAIN.partition("-->")[2] + "ended\n"
    assert spots(edits("    - {op: set, path: //target/@dev, value: vdb}\n"), log) == [['dev="vda"']]


def test_a_patch_that_is_undone_has_its_marks() -> None:
    first = edits("    - {op: set, path: /domain/title, value: m}\n")
    second = first.replace("{name: p}", "{name: q}").replace("spec:\n", "spec:\n  failurePolicy: Ignore\n")
    second += "    - {op: set, path: /domain/none, value: x}\n"
    [outcome] = tried(texts(f"{first}---\n{second}", domain=DOMAIN))["outcomes"]
    assert [patch["state"] for patch in outcome["trace"]] == ["applied", "ignored"]
    assert [len(edit["spots"]) for patch in outcome["trace"] for edit in patch["edits"]] == [1, 1, 0]


@pytest.mark.parametrize(
    ("given", "pane", "rule", "cut"),
    [
        (texts(edits("    - {op: set, path: /domain/nam, value: x}\n")), "patch", "PL901", "nam"),
        (texts("# \U0001f600\n" + edits("    - {op: set, path: '///', value: x}\n")), "patch", "PL201", None),
        (texts(edits("    - {op: nonsense}\n")), "patch", "PL107", "nonsense"),
        (texts("{"), "patch", "PL003", None),
        (texts(edits("    - {op: set, path: /domain/os/none, value: x}\n")), "patch", "PL401", None),
        (texts(samples.starter(), domain="<domain>\n  <a></b>\n</domain>"), "domain", "PL501", None),
        (texts(samples.starter(), domain="kind: VirtualMachine\n"), "domain", "PL501", None),
        (texts(samples.starter(), domain="<network/>"), "domain", "PL503", None),
        (texts(samples.starter(), vmi="a: [\n"), "vmi", "PL504", None),
        (texts(samples.starter(), vmi="- 1\n"), "vmi", "PL504", None),
        (texts(CLOUD_INIT, data="<a/>"), "cloudInit", "PL505", None),
        (texts(CLOUD_INIT, data="a: [\n"), "cloudInit", "PL505", None),
        (texts(CLOUD_INIT, data="- 1\n"), "cloudInit", "PL505", None),
        (texts("x" * 300_000), None, "PL004", None),
    ],
)
def test_findings_have_their_pane_and_place(given: Given, pane: str | None, rule: str, cut: str | None) -> None:
    found = next(one for one in tried(given)["findings"] if one["rule"] == rule)
    if pane is not None:
        assert found["pane"] == pane
    if cut is not None:
        text = given.patches[0].text.encode("utf-16-le")
        assert text[2 * found["from"] : 2 * found["to"]].decode("utf-16-le") == cut


def test_a_place_that_a_message_names_is_marked() -> None:
    text = "<domain>\n  <a></b>\n</domain>"
    [found] = tried(texts(samples.starter(), domain=text))["findings"]
    assert (found["line"], found["from"] > text.index("\n"), found["to"]) == (2, True, text.index("b>\n") + 2)


def test_tests_beside_patches_are_checked_and_several_files_run_together() -> None:
    patch_test = "---\napiVersion: patchlang/v1\nkind: PatchTest\nmetadata: {name: t}\nspec: {cases: []}\n"
    first = edits("    - {op: ensure, path: /domain/title, value: m}\n")
    second = edits("    - {op: test, path: \"/domain/title[. = 'm']\"}\n").replace("{name: p}", "{name: q}")
    given = Given((PatchText("a.yaml", first + patch_test), PatchText("b.yaml", second)), MACHINE["domain"])
    found = tried(given)
    assert [one["message"] for one in found["findings"]] == ["the test has no case"]
    assert [patch["name"] for patch in found["outcomes"][0]["trace"]] == ["p", "q"]


def test_nothing_given_is_nothing_wrong() -> None:
    assert tried(Given((), "", "", ""))["outcomes"] == []
    assert tried(texts(samples.starter(), domain="", vmi=""))["outcomes"] == []


@pytest.mark.parametrize("name", ["linux-min", "windows", "numa-gpu", "edge", "many-disks"])
def test_what_is_shown_is_what_apply_shows(name: str, tmp_path: Path) -> None:
    """They match even though the VMI of a sample is shown as YAML."""
    patch = tmp_path / "patch.yaml"
    patch.write_text(samples.starter())
    inputs = ["--domain", str(BASE / f"{name}.domain.xml"), "--vmi", str(BASE / f"{name}.vmi.json")]
    done = CliRunner().invoke(cli, ["apply", "-p", str(patch), *inputs, "--diff", "--no-validate", "--no-check-domain"])
    sample: Any = samples.sample({"name": name})
    [outcome] = tried(texts(patch.read_text(), domain=sample["domain"], vmi=sample["vmi"]))["outcomes"]
    assert outcome["diff"].split("\n")[2:] == done.stdout.split("\n")[2:]


@pytest.mark.parametrize("name", ["nocloud-cloudconfig", "nocloud-mime", "configdrive"])
def test_cloud_init_data_as_yaml_says_the_same(name: str) -> None:
    sample: Any = samples.sample({"name": name})
    assert yaml.safe_load(sample["cloudInit"]) == json.loads((BASE / f"{name}.cloudinit.json").read_bytes())


# -- boots -------------------------------------------------------------------------------------------------------------


def replayed(given: Given) -> Any:
    found: Any = booting.replay(given)
    json.dumps(found)
    return found["boots"]


def test_a_boot_is_played_run_by_run() -> None:
    [boot] = replayed(texts(samples.starter()))
    assert [run["name"] for run in boot["runs"]][:4] == ["run 1", "run 1 on its own result", "run 2", "run 3"]
    first, again, *_ = boot["runs"]
    assert first["diff"]
    assert (again["diff"], again["state"]) == ("", "stable")


def test_what_piles_up_is_said_and_the_rest_is_played_all_the_same() -> None:
    patch = edits("    - {op: add, path: /domain/devices, xml: <input type='tablet' bus='usb'/>}\n")
    [boot] = replayed(texts(patch))
    first, again, second, *_ = boot["runs"]
    assert (first["state"], again["state"], second["state"]) == ("stable", "unstable", "unstable")
    assert again["message"] == "run 1 on its own result changes more"
    assert "+" in second["unlike"]
    assert len(boot["runs"]) == 7


def test_a_run_that_fails_ends_the_boot() -> None:
    patch = edits(
        "    - {op: test, path: \"//memballoon[@model='virtio-non-transitional']\"}\n"
        "    - {op: set, path: //memballoon/@model, value: none}\n"
    )
    [boot] = replayed(texts(patch))
    assert [run["state"] for run in boot["runs"]] == ["stable", "fails"]
    assert "matches nothing" in boot["runs"][1]["message"]


def test_cloud_init_data_is_replayed_and_what_is_not_edited_is_not() -> None:
    [boot] = replayed(texts(CLOUD_INIT, data=DATA["cloudInit"]))
    assert boot["of"] == "cloudInit"
    assert [run["state"] for run in boot["runs"]] == ["stable", "unstable"]
    assert replayed(texts("{", data=DATA["cloudInit"])) == []


def test_facts_are_what_patches_read() -> None:
    for facts, title in ((FACTS, 'lab\'s "a"'), ("", "nowhere"), ("# none\n", "nowhere")):
        given = texts(WITH_FACTS, facts=facts)
        [outcome] = tried(given)["outcomes"]
        assert f"<title>{title}</title>" in outcome["diff"]
        [boot] = replayed(given)
        assert f"<title>{title}</title>" in boot["runs"][0]["diff"]


@pytest.mark.parametrize(
    ("facts", "rule", "cut"),
    [
        ("env: {ZON: x}", "PL206", "ZON"),
        ("evn: {ZONE: x}", "PL101", "evn"),
        ("env: [ZONE]", "PL103", "[ZONE]"),
        ("\U0001f600", "PL103", "\U0001f600"),
        ("env: {ZONE: [1]}", "PL103", "[1]"),
        ("env: {", "PL003", None),
    ],
)
def test_wrong_facts_are_found_where_they_are(facts: str, rule: str, cut: str | None) -> None:
    found = tried(texts(WITH_FACTS, facts=facts))
    assert found["outcomes"] == []
    [finding] = found["findings"]
    assert (finding["pane"], finding["rule"]) == ("facts", rule)
    if cut is not None:
        units = facts.encode("utf-16-le")
        assert units[2 * finding["from"] : 2 * finding["to"]].decode("utf-16-le") == cut
    with pytest.raises(RequestError):
        exporting.export({"form": "command"}, texts(WITH_FACTS, facts=facts))


# -- exports -----------------------------------------------------------------------------------------------------------


def exported(form: str, given: Given, folder: Path) -> list[Path]:
    found: Any = exporting.export({"form": form}, given)
    for file in found["files"]:
        (folder / file["name"]).write_text(file["text"])
    return [folder / file["name"] for file in found["files"]]


WITH_ALL = texts(WITH_FACTS, facts=FACTS)
BOTH = samples.starter() + CLOUD_INIT.partition("spec:\n")[2].replace("path: /packages/-", "path: /packages/0")
EXPORTED = {
    "domain": texts(samples.starter()),
    "both": texts(BOTH, data=DATA["cloudInit"]),
    "without a VMI": texts(samples.starter(), vmi=""),
    "refused": texts(edits("    - {op: set, path: /domain/os/none, value: x}\n")),
    "unchanged": texts(edits("    - {op: remove, path: /domain/none, expect: '0+'}\n")),
    "facts": texts(WITH_FACTS, facts=FACTS),
    "odd": texts(samples.starter().replace("first-steps", "a.very-odd-name"), domain="\n\n" + MACHINE["domain"]),
}  # fmt: skip


@pytest.mark.parametrize("given", EXPORTED.values(), ids=EXPORTED)
def test_an_exported_test_passes(given: Given, tmp_path: Path) -> None:
    if given is EXPORTED["both"]:
        given = texts(BOTH.replace("op: add", "op: ensure").replace("/packages/0", "/timezone"), data=DATA["cloudInit"])
    exported("test", given, tmp_path)
    done = CliRunner().invoke(cli, ["test", "--no-config", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (0, ""), done.stdout
    checked = CliRunner().invoke(cli, ["validate", "--no-config", str(tmp_path)])
    assert "PL1" not in checked.stdout


@pytest.mark.parametrize("given", EXPORTED.values(), ids=EXPORTED)
def test_an_exported_config_map_is_one(given: Given, tmp_path: Path) -> None:
    [file] = exported("configmap", given, tmp_path)
    [loaded] = yaml.safe_load_all(file.read_text())
    assert list(loaded["data"].values()) == [given.patches[0].text]
    assert "hooks.kubevirt.io/hookSidecars" in file.read_text()
    done = CliRunner().invoke(cli, ["validate", "--no-config", str(file)])
    assert "PL7" not in done.stdout


@pytest.mark.parametrize("given", EXPORTED.values(), ids=EXPORTED)
def test_an_exported_command_line_shows_the_same_diff(given: Given, tmp_path: Path) -> None:
    [script] = exported("command", given, tmp_path)
    (tmp_path / "patchlang").write_text(f'#!/bin/sh\nexec {sys.executable} -m patchlang "$@" --no-check-domain\n')
    (tmp_path / "patchlang").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    shown = "".join(outcome["diff"] for outcome in tried(given)["outcomes"])
    assert done.stdout == shown
    assert (done.returncode == 0) == (given is not EXPORTED["refused"])


@pytest.mark.parametrize(
    ("form", "given", "said"),
    [
        ("test", texts("{"), "have errors"),
        ("configmap", texts("{"), "have errors"),
        ("command", texts("{", domain="", data=""), "give an input"),
        ("test", texts(samples.starter(), domain=""), "give an input"),
        ("test", texts(samples.starter(), vmi="["), "have errors"),
        ("command", texts(samples.starter(), domain="kind: x\n"), "must be XML"),
        *(
            ("command", replace(WITH_ALL, patches=(PatchText(name, WITH_FACTS),)), f"is called `{Path(name).name}`")
            for name in ("folder/domain.xml", "vmi.yaml", "files.netinfo")
        ),
        ("nonsense", texts(samples.starter()), "`form` must be one of"),
        ("test", Given(()), "no patch"),
    ],
)
def test_what_cannot_be_exported_is_said(form: str, given: Given, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        exporting.export({"form": form}, given)


# -- writing help ------------------------------------------------------------------------------------------------------


def test_completion_counts_as_browsers_do() -> None:
    text = "# \U0001f600\n" + edits("    - {op: s")
    found: Any = writing.completions({"text": text, "offset": len(text.encode("utf-16-le")) // 2})
    assert "set" in [one["label"] for one in found["items"]]
    units = text.encode("utf-16-le")
    assert units[2 * found["from"] : 2 * found["to"]].decode("utf-16-le") == "s"


def test_hover_says_what_stands_there() -> None:
    text = edits("    - {op: set}\n")
    found: Any = writing.hovered({"text": text, "offset": text.index("set}") + 1})
    assert found["text"].startswith("# set")
    assert writing.hovered({"text": "", "offset": -3}) == {"text": None}


NONSENSE = [{}, {"text": ""}, {"text": "", "offset": "1"}, {"text": "", "offset": True}]


@pytest.mark.parametrize("asked", [*NONSENSE, {"text": "x" * 2**21, "offset": 0}], ids=range(5))
def test_nonsense_is_refused(asked: dict[str, object]) -> None:
    for name in ("complete", "hover"):
        status, data = answer(name, json.dumps(asked).encode())
        assert (status, list(json.loads(data))) == (422, ["error"])


def test_every_rule_has_its_page() -> None:
    assert json.loads(answer("rule", b'{"rule": "PL401"}')[1])["text"].startswith("# ")
    assert answer("rule", b'{"rule": "PL4010"}')[0] == 422
    assert answer("sample", b'{"name": "../../rules"}')[0] == 422


# -- laws --------------------------------------------------------------------------------------------------------------


TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\U0001f600é\n "), max_size=30)


@given(TEXT, st.integers(-3, 80))
def test_offsets_lead_there_and_back(text: str, at: int) -> None:
    units = len(text.encode("utf-16-le")) // 2
    character = characters_of_utf16(text, at)
    assert 0 <= character <= len(text)
    there = utf16_of_characters(text, [character])[character]
    assert there == len(text[:character].encode("utf-16-le")) // 2
    assert there <= max(at, 0) <= there + 1 or at > units or at < 0
    byte = len(text[:character].encode())
    assert utf16_of_bytes(text.encode(), [byte])[byte] == there


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_written_gets_an_answer(data: st.DataObject) -> None:
    """The input is pieces of valid texts, cut and mixed."""
    pieces = st.sampled_from([samples.starter(), CLOUD_INIT, MACHINE["domain"], MACHINE["vmi"], DATA["cloudInit"], ""])

    def text() -> str:
        whole, other = data.draw(pieces), data.draw(pieces)
        cut = data.draw(st.integers(0, len(whole)))
        return whole[:cut] + data.draw(TEXT) + other[data.draw(st.integers(0, len(other))) :]

    asked = {
        "patches": [{"name": "p.yaml", "text": text()}],
        "domain": data.draw(st.sampled_from([MACHINE["domain"], text()])),
        "vmi": data.draw(st.sampled_from([MACHINE["vmi"], text()])),
        "cloudInit": data.draw(st.sampled_from(["", text()])),
    }
    for name in ("run", "replay"):
        assert answer(name, json.dumps(asked).encode())[0] == 200
    for form in ("test", "configmap", "command"):
        assert answer("export", json.dumps({**asked, "form": form}).encode())[0] in (200, 422)


def test_the_diff_is_that_of_the_library() -> None:
    before = MACHINE["domain"].encode()
    assert diff(before, before, "a", "b") == ""
