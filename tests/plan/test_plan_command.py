"""`patchlang plan`, from dumps to reports and exit status."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, TextIO

import pytest
import yaml
from click.testing import CliRunner, Result
from plandump import DOMAIN, TITLE, config_map, domain, sidecar, vm, vmi, write

from patchlang.cli import cli
from patchlang.cli.progress import Progress


def run(*args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["plan", *args], input=stdin, catch_exceptions=False)


def plan(*args: str, **how: Any) -> dict[str, Any]:
    result = run(*args, "--format", "json", **how)
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def groups(data: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(group["status"], group["vms"]) for group in data["groups"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lab(folder: Path) -> Path:
    """Two VMs that change, one whose `when` is false, one without sidecars, one without a domain."""
    objects = [
        vmi("web-1", sidecar(), title="shop"),
        vmi("web-2", sidecar(), title="mail"),
        vmi("db", sidecar()),
        vmi("plain"),
        vmi("off", sidecar(), title="x"),
    ]
    write(folder, *objects, config_map(patch_yaml=TITLE))
    (folder / "domains/lab_off.xml").unlink()
    return folder


@pytest.mark.usefixtures("lab")
def test_vms_are_grouped_by_effect() -> None:
    data = plan("dump.json", "--domains", "domains")
    assert groups(data) == [
        ("changes", ["lab/web-1", "lab/web-2"]),
        ("unchanged", ["lab/db"]),
        ("unknown", ["lab/off"]),
        ("unpatched", ["lab/plain"]),
    ]
    counts = {"vms": 5, "fails": 0, "changes": 2, "unchanged": 1, "unknown": 1, "unpatched": 1}
    assert data["counts"] == counts
    changes = data["groups"][0]
    expression = "$[ vmi.metadata.annotations['example.test/title'] ]"
    assert changes["edits"] == ["title: domain[0] ensure", "title: domain[1] set"]
    assert changes["effect"] == [
        "/domain/devices/disk[target/@dev='vda']/driver/@cache = 'writeback'",
        f"/domain: + <title> {expression}",
    ]
    assert changes["examples"] == [
        {"vm": "lab/web-1", "values": {expression: "shop"}},
        {"vm": "lab/web-2", "values": {expression: "mail"}},
    ]
    assert f"+  <title>{expression}</title>" in changes["diff"].splitlines()
    assert '-      <driver name="qemu" cache="none"/>' in changes["diff"].splitlines()
    assert [group["reason"] for group in data["groups"][1:]] == [
        "`when` is false",
        "no domain in the dump",
        "no sidecar requested",
    ]


@pytest.mark.usefixtures("lab")
def test_the_text() -> None:
    result = run("dump.json", "--domains", "domains")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:3] == ["2 of 5 would change", "  lab/web-1, lab/web-2", "  by title: domain[0] ensure"]
    assert '"shop" (lab/web-1), "mail" (lab/web-2)' in result.stdout
    assert "1 of 5 unchanged: `when` is false" in lines
    assert "already" in result.stdout
    assert lines[-1] == "5 VMs: 2 would change, 1 unchanged, 1 unknown, 1 without patches"


@pytest.mark.usefixtures("lab")
def test_exit_status(lab: Path) -> None:
    args = ("dump.json", "--domains", "domains")
    assert run(*args).exit_code == 0
    assert run(*args, "--detailed-exitcode").exit_code == 2
    assert run(*args, "--detailed-exitcode", "-l", "nothing=here").exit_code == 0
    (lab / "domains/lab_web-1.xml").write_text("<domain>")
    assert run(*args).exit_code == 1
    assert run(*args, "--detailed-exitcode").exit_code == 1


@pytest.mark.usefixtures("lab")
def test_yaml_standard_input_and_jobs_give_the_same(lab: Path) -> None:
    whole = run("dump.json", "--domains", "domains", "--format", "json").stdout
    text = (lab / "dump.json").read_bytes()
    as_yaml = yaml.safe_dump(json.loads(text)).encode()
    (lab / "dump.yaml").write_bytes(as_yaml)
    documents = yaml.safe_dump_all(json.loads(text)["items"]).encode()
    (lab / "documents.yaml").write_bytes(documents)
    for args in (["dump.yaml"], ["documents.yaml"], ["dump.json", "-j", "2"]):
        assert run(*args, "--domains", "domains", "--format", "json").stdout == whole, args
    for stdin in (text, as_yaml, documents):
        assert run("-", "--domains", "domains", "--format", "json", stdin=stdin).stdout == whole


def test_a_failing_patch_points_into_its_config_map(folder: Path) -> None:
    wrong = TITLE.replace("driver/@cache", "driverr/@cache")
    write(folder, vmi("web-1", sidecar(), title="a"), vmi("web-2", sidecar(), title="b"), config_map(patch_yaml=wrong))
    result = run("dump.json", "--domains", "domains")
    assert result.exit_code == 1
    dump = (folder / "dump.json").read_text().splitlines()
    line = next(number for number, text in enumerate(dump, 1) if "driverr" in text)
    column = dump[line - 1].index("/domain/devices") + 1
    assert f"dump.json:{line}:{column}: error[PL401 match-count]" in result.stdout
    assert "ConfigMap lab/patches, key patch.yaml, line 8" in result.stdout
    assert "2 of 2 would not start" in result.stdout
    (finding,) = plan("dump.json", "--domains", "domains")["groups"][0]["diagnostics"]
    assert (finding["path"], finding["start"]) == ("dump.json", {"line": line, "column": column})


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_patch_that_does_not_load(folder: Path, form: str) -> None:
    objects = [vmi("web", sidecar()), config_map(patch_yaml=TITLE.replace("op: set", "op: sett"))]
    write(folder, *objects, form=form)
    result = run(f"dump.{form}", "--domains", "domains")
    assert result.exit_code == 1
    lines = (folder / f"dump.{form}").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "sett" in text)
    assert f"dump.{form}:{line}:{lines[line - 1].index('sett') + 1}: error[PL" in result.stdout


@pytest.mark.parametrize(
    ("sidecars", "data", "status", "said"),
    [
        ([{**sidecar(), "args": "text"}], {"patch_yaml": TITLE}, "fails", "in the annotation hookSidecars, line 1"),
        ([sidecar(key="other.yaml")], {"patch_yaml": TITLE}, "fails", "has no key `other.yaml`"),
        ([sidecar("others")], {"patch_yaml": TITLE}, "unknown", "ConfigMap lab/others is not in the dump"),
        ([sidecar(args=["--patches", "/other"])], {"patch_yaml": TITLE}, "unknown", "does not read"),
        ([sidecar(configMap=None)], {"patch_yaml": TITLE}, "unknown", "its image"),
        ([sidecar(configMap=None, pvc={"name": "a", "volumePath": "/a"})], {}, "unknown", "a volume claim"),
        ([{"image": "registry.example.test/other:1"}], {}, "unknown", "what its sidecars do is not known"),
        ([sidecar(args=[*sidecar()["args"], "--audit"])], {"patch_yaml": TITLE}, "unchanged", "only audits"),
        ([sidecar(args=[*sidecar()["args"], "--sha256", 64 * "0"])], {"patch_yaml": TITLE}, "fails", "PL011"),
        ([sidecar(args=[*sidecar()["args"], "--oops"])], {"patch_yaml": TITLE}, "fails", "no flag `--oops`"),
    ],
)
def test_what_is_asked_for(folder: Path, sidecars: list[Any], data: dict[str, str], status: str, said: str) -> None:
    write(folder, vmi("web", *sidecars, title="a"), config_map(**data))
    (group,) = plan("dump.json", "--domains", "domains")["groups"]
    assert group["status"] == status
    assert said in " ".join([group["reason"], *(one["text"] for one in group["diagnostics"])])


def test_an_executable_beside_is_noted_and_not_guessed(folder: Path) -> None:
    hook = {"configMap": {"name": "hook", "key": "onDefineDomain", "hookPath": "/usr/bin/onDefineDomain"}}
    script = config_map("hook", onDefineDomain="#!/bin/sh\ncat\n")
    write(folder, vmi("web", sidecar(), hook, title="a"), config_map(patch_yaml=TITLE), script)
    data = plan("dump.json", "--domains", "domains")
    assert groups(data) == [("changes", ["lab/web"])]
    assert "others" in {note["name"] for note in data["restsOn"]}


def test_sidecars_follow_each_other(folder: Path) -> None:
    second = TITLE.replace("name: title", "name: second").replace("value: writeback", "value: unsafe")
    asked = [sidecar(), sidecar(key="second.yaml")]
    write(folder, vmi("web", *asked, title="a"), config_map(patch_yaml=TITLE, second_yaml=second))
    (group,) = plan("dump.json", "--domains", "domains")["groups"]
    assert group["edits"] == ["title: domain[0] ensure", "title: domain[1] set", "second: domain[1] set"]


def test_a_domain_that_the_sidecar_refuses_for_its_size(folder: Path) -> None:
    small = sidecar(args=[*sidecar()["args"], "--max-domain-bytes", "100"])
    write(folder, vmi("a", small, title="a"), vmi("b", sidecar(), title="a"), config_map(patch_yaml=TITLE))
    data = plan("dump.json", "--domains", "domains")
    assert groups(data) == [("fails", ["lab/a"]), ("changes", ["lab/b"])]
    assert data["groups"][0]["reason"].endswith("is too big: the sidecar accepts 100 bytes")


def test_a_vm_and_its_vmi_count_once_and_the_next_start_counts(folder: Path) -> None:
    running = vmi("web", title="old")
    write(folder, running, vm(vmi("web", sidecar(), title="new")), config_map(patch_yaml=TITLE))
    for objects in ([0, 1, 2], [2, 1, 0]):
        items = json.loads((folder / "dump.json").read_text())["items"]
        (folder / "again.json").write_text("\n".join(json.dumps(items[number]) for number in objects))
        data = plan("again.json", "--domains", "domains")
        assert groups(data) == [("changes", ["lab/web"])]
        assert list(data["groups"][0]["examples"][0]["values"].values()) == ["new"]


@pytest.mark.parametrize("kinds", ["vmi", "vmi and vm"])
def test_a_vmi_that_is_no_json_inside_is_a_finding(folder: Path, kinds: str) -> None:
    one = vmi("web", sidecar(), title="a")
    write(folder, one, *([vm(one)] if "vm" in kinds.split() else []), config_map(patch_yaml=TITLE))
    text = (folder / "dump.json").read_text()
    (folder / "dump.json").write_text(text.replace('"spec": {}', '"spec": {\n                "a" 1\n            }', 1))
    (group,) = plan("dump.json", "--domains", "domains")["groups"]
    assert (group["status"], group["diagnostics"][0]["rule"]) == ("fails", "PL504")


def test_a_stopped_vm_is_unknown_and_with_a_domain_it_is_not(folder: Path) -> None:
    one = vmi("web", sidecar(), title="a")
    write(folder, vm(one), config_map(patch_yaml=TITLE))
    assert groups(plan("dump.json", "--domains", "domains")) == [("unknown", ["lab/web"])]
    (folder / "domains/lab_web.xml").write_text(domain(one))
    assert groups(plan("dump.json", "--domains", "domains")) == [("changes", ["lab/web"])]


def test_patches_that_are_not_rolled_out(lab: Path) -> None:
    (lab / "new.yaml").write_text(TITLE.replace("when: ", "# ").replace("annotations['example.test/title']", "name"))
    data = plan("dump.json", "--domains", "domains", "-p", "new.yaml")
    assert groups(data) == [("changes", ["lab/db", "lab/plain", "lab/web-1", "lab/web-2"]), ("unknown", ["lab/off"])]
    assert "given" in {note["name"] for note in data["restsOn"]}
    (lab / "new.yaml").write_text("kind: Patch")
    result = run("dump.json", "--domains", "domains", "-p", "new.yaml")
    assert (result.exit_code, "new.yaml:1:1: error" in result.output) == (1, True)


def test_two_sets_of_patches_beside_each_other(lab: Path) -> None:
    (lab / "old.yaml").write_text(TITLE)
    (lab / "new.yaml").write_text(TITLE.replace("writeback", "unsafe"))
    data = plan("dump.json", "--domains", "domains", "--base", "old.yaml", "-p", "new.yaml")
    assert groups(data) == [
        ("changes", ["lab/web-1", "lab/web-2"]),
        ("unchanged", ["lab/db", "lab/plain"]),
        ("unknown", ["lab/off"]),
    ]
    changes = data["groups"][0]
    place = "/domain/devices/disk[target/@dev='vda']/driver/@cache"
    assert changes["effect"] == [f"no more: {place} = 'writeback'", f"{place} = 'unsafe'"]
    changed = [line for line in changes["diff"].splitlines() if line[:1] in "+-"][2:]
    assert [line.split("cache=")[1] for line in changed] == ['"writeback"/>', '"unsafe"/>']
    nothing = TITLE.replace("when: ", "when: false && ")
    (lab / "new.yaml").write_text(nothing.replace('false && "', '"false && '))
    data = plan("dump.json", "--domains", "domains", "--base", "old.yaml", "-p", "new.yaml")
    assert groups(data)[0] == ("changes", ["lab/web-1", "lab/web-2"])
    assert all(line.startswith("no more: ") for line in data["groups"][0]["effect"])
    (lab / "new.yaml").write_text(TITLE.replace("writeback", "unsafe"))
    (lab / "old.yaml").write_text(TITLE.replace("driver/@cache", "driverr/@cache"))
    data = plan("dump.json", "--domains", "domains", "--base", "old.yaml", "-p", "new.yaml")
    assert data["groups"][0]["reason"].startswith("the base fails: PL401")
    assert run("dump.json", "--base", "old.yaml").exit_code == 2


@pytest.mark.usefixtures("lab")
def test_parts_come_to_the_whole(lab: Path) -> None:
    args = ("dump.json", "--domains", "domains")
    for number in (1, 2, 3):
        assert run(*args, "--shard", f"{number}/3", "--format", "json", "-o", f"{number}.json").exit_code == 0
    for form in ("json", "text", "markdown", "html", "junit"):
        whole = run(*args, "--format", form).stdout
        assert run("merge", "2.json", "3.json", "1.json", "--format", form).stdout == whole
    assert run("merge", "2.json", "3.json", "1.json", "--detailed-exitcode").exit_code == 2
    (lab / "whole.json").write_text(run(*args, "--format", "json").stdout)
    run(*args, "--shard", "1/2", "--format", "json", "-o", "half.json")
    run(*args, "--shard", "3/3", "-l", "a=b", "--format", "json", "-o", "other.json")
    (lab / "text").write_text("text")
    (lab / "foreign.json").write_text("{}")
    for parts, said in {
        ("1.json", "2.json"): "missing parts of 3: 3",
        ("1.json", "2.json", "2.json"): "2.json and 2.json are both part 2 of 3",
        ("1.json", "half.json"): "parts of different plans",
        ("1.json", "other.json"): "parts of different plans",
        ("whole.json",): "is a whole plan",
        ("text",): "not JSON",
        ("foreign.json",): "not a plan",
        (): "needs the parts",
    }.items():
        result = run("merge", *parts)
        assert result.exit_code == 2
        assert said in result.stderr, result.stderr


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_is_one_of_so_many(shard: str) -> None:
    assert "write K/N, with K from 1 to N" in run("dump.json", "--shard", shard).stderr


def test_domains_by_name_in_a_log_and_as_pairs(folder: Path) -> None:
    one, two, three = (vmi(name, sidecar(), title="a") for name in ("one", "two", "three"))
    (folder / "pairs").mkdir()
    for file, objects in {
        "a.vmi.json": [one],
        "two.json": [two],
        "rest.json": [three, config_map(patch_yaml=TITLE)],
    }.items():
        (folder / "pairs" / file).write_text("".join(map(json.dumps, objects)))
    nameless = DOMAIN.replace("<name>{namespace}_{name}</name>", "")
    (folder / "pairs/a.domain.xml").write_text(domain(one, nameless))
    (folder / "pairs/two.log").write_text(f"noise\n{domain(two)}more noise\n")
    (folder / "pairs/whatever.xml").write_text(domain(three))
    assert groups(plan("pairs")) == [("changes", ["lab/one", "lab/three", "lab/two"])]
    (folder / "pairs/nobody.xml").write_text(nameless)
    result = run("pairs")
    assert result.exit_code == 1
    assert "cannot tell which VM the domain in `pairs/nobody.xml` belongs to" in result.stderr


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "dump.json",
            '{"items": [{"kind": "VirtualMachineInstance",}]}',
            "dump.json:1:46: error[PL001",
        ),
        ("dump.json", '{"items": [{"kind": "ConfigMap"}', "dump.json:1:33: error[PL001 unreadable-file]"),
        ("dump.yaml", "apiVersion: v1\nitems:\n- kind: a: b\n", "dump.yaml:3:10: error[PL001 unreadable-file]"),
        ("dump.yaml", "a: [\n", "dump.yaml:2:1: error[PL001 unreadable-file]"),
        ("dump.yaml", "kind: VirtualMachine\nmetadata: {name: a}\nb: &b [*b]\n", "dump.yaml:1:1: error[PL001"),
        ("dump.json", "{}", "no VM found in dump.json"),
        ("dump.json", '{"kind": "VirtualMachine", "metadata": {}}', "a VirtualMachine has no name"),
    ],
)
def test_a_dump_that_is_none(folder: Path, file: str, text: str, said: str) -> None:
    (folder / file).write_text(text)
    result = run(file)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert result.stdout == ""


def test_a_dump_that_is_not_there(folder: Path) -> None:
    assert run("missing.json").exit_code == 1
    (folder / "empty").mkdir()
    assert "no VM found in empty" in run("empty").stderr


@pytest.mark.parametrize("text", ["a=b=c", "a in b", "a in (b", "a b", ",", "=a", "a,,b"])
def test_a_selector_that_is_none(text: str) -> None:
    result = run("dump.json", "-l", text)
    assert result.exit_code == 2
    assert "label selector" in result.stderr


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=web", "ab"), ("app==web", "ab"), ("app!=web", "cd"), ("app in (web, db)", "abc"), ("tier", "a"),
        ("!tier", "bcd"), ("app notin (web)", "cd"), ("app=web,!tier", "b"), ("x.io/role=", "c"), ("", "abcd"),
    ],
)  # fmt: skip
def test_selectors(folder: Path, selector: str, names: str) -> None:
    labels = [{"app": "web", "tier": "front"}, {"app": "web"}, {"app": "db", "x.io/role": ""}, {}]
    write(folder, *(vmi(name, labels=one) for name, one in zip("abcd", labels, strict=True)))
    data = plan("dump.json", "--domains", "domains", "-l", selector)
    assert [vm for _, vms in groups(data) for vm in vms] == [f"lab/{name}" for name in names]


def test_cloud_init_and_facts_are_not_guessed(folder: Path) -> None:
    edit = "  cloudInit: [{op: ensure, target: userData, path: /hostname, value: a}]\n"
    head = TITLE.split("spec:")[0] + "spec:\n"
    facts = (
        head + "  facts: {env: [NODE]}\n  domain: [{op: ensure, path: /domain/title, value: '$[ facts.env.NODE ]'}]\n"
    )
    patches = config_map(cloud_yaml=head + edit, facts_yaml=facts)
    write(folder, vmi("a", sidecar(key="cloud.yaml")), vmi("b", sidecar(key="facts.yaml")), patches)
    data = plan("dump.json", "--domains", "domains")
    assert ("unknown", ["lab/a"]) in groups(data)
    assert {"cloud-init", "facts"} <= {note["name"] for note in data["restsOn"]}


def test_values_that_may_be_secret_are_no_examples(folder: Path) -> None:
    patch = TITLE.replace("/domain/title, ", "\"/domain/devices/graphics[@type='vnc']/@passwd\", ")
    write(folder, vmi("web", sidecar(), title="s3cret"), config_map(patch_yaml=patch))
    for form in ("text", "json", "html", "markdown", "junit"):
        result = run("dump.json", "--domains", "domains", "--format", form)
        assert "passwd" in result.stdout
        assert "s3cret" not in result.stdout


@pytest.mark.parametrize("form", ["text", "json", "html", "markdown", "junit"])
def test_no_report_holds_what_a_terminal_obeys(folder: Path, form: str) -> None:
    evil = "\x1b[31m\u202e\x07"
    one = vmi(f"web{evil}", sidecar(), title=f"a{evil}")
    broken = sidecar("patches", f"b{evil}.yaml")
    write(folder, one, vmi(f"db{evil}", broken), config_map(patch_yaml=TITLE.replace("writeback", '"write\\e[1m"')))
    (folder / "domains/lab_evil.xml").write_text(domain(one).replace("qemu", "q\u202e"))
    result = run("dump.json", "--domains", "domains", "--format", form)
    assert result.exit_code == 1
    assert not set(result.stdout) & {"\x1b", "\u202e", "\x07"}


def test_progress_is_told_on_a_terminal(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    class Eager(Progress):
        PATIENCE = EVERY = 0.0

        def __init__(self, _: TextIO) -> None:
            super().__init__(terminal)

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("patchlang.cli.plan.Progress", Eager)
    run("dump.json", "--domains", "domains")
    shown = terminal.getvalue().split("\r\x1b[K")
    assert "5 VMs read" in shown
    assert "5 of 5 VMs planned" in shown
    assert shown[-1] == "", "the line is gone in the end"
    assert "VMs" not in run("dump.json", "--domains", "domains").stderr
