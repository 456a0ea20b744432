"""A call that needs more memory than available fails: the kernel kills nothing, and the next call works."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest
import virtlauncher
from shimprocess import IMAGE, Shim

from benchmarks.cgroup import MEMORY, Cage

VERSION = "v1alpha3"
MIB = 1024 * 1024


@pytest.fixture
def limits() -> tuple[dict[str, str], ...]:
    """Limit only the memory: with a fifth of a CPU the tests take five times as long."""
    return (MEMORY,)


def patch(edits: str, variables: str = "", kind: str = "domain") -> str:
    """A patch file with these edits and variables, each given as a YAML list."""
    spec = f"  variables: {variables}\n" if variables else ""
    return f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: hungry}}\nspec:\n{spec}  {kind}: {edits}\n"


def domain(inside: str = "") -> bytes:
    return f"<domain><name>web</name><memory>1</memory>{inside}</domain>".encode()


def vmi(text: str = "") -> bytes:
    return json.dumps({"metadata": {"name": "web"}, "spec": {"text": text}}).encode()


def cloud_init(user_data: str) -> bytes:
    return json.dumps(
        {
            "DataSource": "noCloud",
            "NoCloudMetaData": {"instance-id": "3d6a2c1e", "local-hostname": "web-01"},
            "ConfigDriveMetaData": None,
            "UserData": user_data,
            "NetworkData": "",
            "DevicesData": None,
            "VolumeName": "cloudinitdisk",
        }
    ).encode()


SET = "{op: set, path: /domain/memory, value: '2'}"
VARIABLES = ", ".join(f'{{name: v{number}, expression: "vmi.spec.text + string({number})"}}' for number in range(60))
DOMAINS: dict[str, tuple[str, bytes, bytes]] = {
    "200,000 small elements": (patch(f"[{SET}]"), domain("<a/>" * 199_000), vmi()),
    "an element in each of 190,000": (
        patch(f'[{SET}, {{op: add, path: "//a", expect: "0+", xml: "<b/>"}}]'),
        domain("<a/>" * 190_000),
        vmi(),
    ),
    "concat of a million characters, in XPath": (
        patch(
            f"[{SET}, {{op: set, value: '2', "
            f'path: "/domain/memory[concat({", ".join(["$t"] * 40)}) = . or . = 2]"}}]',
            '[{name: t, expression: "vmi.spec.text"}]',
        ),
        domain(),
        vmi("x" * MIB),
    ),
    "a text that doubles, in CEL": (
        patch(
            "[{op: set, path: /domain/memory, value: \"$[ vmi.spec.text == '' ? '2' : cel.bind(a, vmi.spec.text + "
            'vmi.spec.text, cel.bind(b, a + a + a + a, cel.bind(c, b + b + b + b, string((c + c).size())))) ]"}]'
        ),
        domain(),
        vmi("x" * MIB),
    ),
}


ARGUMENTS = ", ".join(["'$[ vmi.spec.text ]'"] * 100)
REFUSED: dict[str, tuple[str, bytes, bytes]] = {
    "60 variables of a megabyte": (
        patch(
            f'[{SET}, {{op: test, expression: "[{", ".join(f"variables.v{n}" for n in range(60))}].size() == 60"}}]',
            f"[{VARIABLES}]",
        ),
        domain(),
        vmi("x" * (MIB - 100)),
    ),
    "5,000 elements at every node": (
        patch(f"[{SET}, {{op: add, path: '//*', expect: '0+', xml: '{'<b/>' * 5000}'}}]"),
        domain("<a/>" * 200),
        vmi("x"),
    ),
    "a megabyte in every attribute": (
        patch(f"[{SET}, {{op: set, path: '//*/@x', expect: '0+', value: '$[ vmi.spec.text ]'}}]"),
        domain("<a x='1'/>" * 200),
        vmi("x" * (MIB - 100)),
    ),
    "a megabyte in every argument": (
        patch(f"[{SET}, {{op: qemuArgs, args: [{ARGUMENTS}]}}]"),
        domain(),
        vmi("x" * (MIB - 100)),
    ),
    "a list of a hundred megabytes": (
        patch(f"[{SET}, {{op: qemuArgs, args: '$[ range(100).map(i, vmi.spec.text) ]'}}]"),
        domain(),
        vmi("x" * (MIB - 100)),
    ),
    "a merge of many elements at every node": (
        patch(f"[{SET}, {{op: merge, path: '//a', expect: '0+', xml: '{''.join(f'<m{n}/>' for n in range(3000))}'}}]"),
        domain("<a/>" * 200),
        vmi("x"),
    ),
    "lists that share a list": (
        patch(
            f"[{SET}, {{op: qemuArgs, args: '$[ cel.bind(shared, range(500), range(300).map(i, shared)) ]'}}]",
        ),
        domain(),
        vmi("x"),
    ),
    "a replacement of every character": (
        patch(f'[{SET}, {{op: test, expression: \'vmi.spec.text.replace("x", vmi.spec.text) != ""\'}}]'),
        domain(),
        vmi("x" * (MIB - 100)),
    ),
    "a text of a million separators": (
        patch(f"[{SET}, {{op: test, expression: 'vmi.spec.text.split(\",\").size() > 1'}}]"),
        domain(),
        vmi("," * (MIB - 100)),
    ),
    "copies of all, again and again": (
        patch(f"[{SET}, {{op: copy, forEach: 'range(30)', from: '/domain/*', path: '/domain/a[1]', expect: '0+'}}]"),
        domain("<a/>" * 30),
        vmi("x"),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_domain_that_grows(start: Callable[..., Shim], group: Cage, what: str) -> None:
    """The limit on what a run creates rejects it, and the engine survives."""
    text, grows, long = REFUSED[what]
    shim = start(text)
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            virtlauncher.define_domain(shim.socket, VERSION, grows, long)
        print(caught.value.details())
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION, caught.value.details()
        details = str(caught.value.details())
        assert any(text in details for text in ("PL413", "that a run may create", "in one expression")), details
    assert "out-of-memory" not in shim.text
    nobody_was_killed(shim, group)


def adds(value: str, more: str = "") -> str:
    return f"{{op: add, target: userData, path: /list, value: {value}{more}}}"


TEXT = "'$[ vmi.spec.text ]'"
EMPTY = "#cloud-config\n{}\n"
DOUBLED = ", ".join(["{op: copy, target: userData, from: /list, path: /list/-}"] * 30)
CLOUD_INIT: dict[str, tuple[str, str]] = {
    "a value of very many templates": (adds(f"[{', '.join([TEXT] * 1000)}]"), "x"),
    "a megabyte at each item": (
        f"{adds('[]')}, {{op: add, target: userData, path: /list/-, value: {TEXT}, forEach: 'range(1000)'}}",
        "x",
    ),
    "copies that double": (f"{adds(f'[{TEXT}]')}, {DOUBLED}", "x"),
    "parts of a megabyte": (
        ", ".join(
            f"{{op: addPart, contentType: text/x-shellscript, filename: {number}.sh, "
            'content: "#!/bin/sh\\n$[ vmi.spec.text ]"}'
            for number in range(20)
        ),
        "x",
    ),
    "what six characters are written for": (
        "{op: replace, target: cloudInitData, path: /UserData, value: \"#cloud-config\\na: '$[ vmi.spec.text ]'\\n\"}",
        "<",
    ),
}


@pytest.mark.parametrize("what", CLOUD_INIT)
def test_cloud_init_data_that_grows(start: Callable[..., Shim], group: Cage, what: str) -> None:
    edits, character = CLOUD_INIT[what]
    shim = start(patch(f"[{edits}]", kind="cloudInit"))
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            virtlauncher.pre_cloud_init(shim.socket, VERSION, cloud_init(EMPTY), vmi(character * (MIB - 100)))
        print(caught.value.details())
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION, caught.value.details()
        assert "PL413" in caught.value.details()
    assert "out-of-memory" not in shim.text
    nobody_was_killed(shim, group)


def test_places_of_a_megabyte(start: Callable[..., Shim], group: Cage) -> None:
    """The trace shows only the beginnings of a few."""
    edit = "{op: ensure, target: metaData, path: '/$[ vmi.spec.text ]', value: 1, forEach: 'range(200)'}"
    shim = start(patch(f"[{edit}]", kind="cloudInit"))
    virtlauncher.pre_cloud_init(shim.socket, VERSION, cloud_init(EMPTY), vmi("x" * (MIB // 5)))
    nobody_was_killed(shim, group)


@pytest.mark.parametrize("what", DOMAINS)
def test_a_domain(start: Callable[..., Shim], group: Cage, what: str) -> None:
    text, large, long = DOMAINS[what]
    shim = start(text)
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            virtlauncher.define_domain(shim.socket, VERSION, large, long)
        print(caught.value.details())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, caught.value.details()
        assert "error[PL417 out-of-memory] the run ran out of memory and was stopped" in caught.value.details()
        assert "(patch hungry)" in caught.value.details() or large.startswith(domain("<a/>" * 199_000)[:1000])
        assert b"<memory>2</memory>" in virtlauncher.define_domain(shim.socket, VERSION, domain("<a/>"), vmi())
    nobody_was_killed(shim, group)


def test_user_data_of_250000_entries(start: Callable[..., Shim], group: Cage) -> None:
    shim = start(patch("[{op: ensure, target: userData, path: /runcmd/-, value: 'true'}]", kind="cloudInit"))
    data = cloud_init("#cloud-config\nruncmd:\n" + "- a\n" * 250_000)
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.pre_cloud_init(shim.socket, VERSION, data, vmi())
    assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.FAILED_PRECONDITION)
    small = cloud_init("#cloud-config\nruncmd:\n- a\n")
    result = virtlauncher.pre_cloud_init(shim.socket, VERSION, small, vmi())
    assert json.loads(result.cloudInitData)["UserData"].endswith("- a\n- 'true'\n")
    nobody_was_killed(shim, group)


@pytest.fixture
def shim() -> Iterator[Shim]:
    with TemporaryDirectory(prefix="limits-") as folder:
        yield Shim(Path(folder))


def test_patches_that_do_not_fit(group: Cage, shim: Shim) -> None:
    """The sidecar keeps the loading error and answers with it."""
    edits = ", ".join(
        f"{{op: set, path: /domain/memory, value: \"$[ vmi.spec.text + '{'x' * 40}{number}' ]\"}}"
        for number in range(900)
    )
    for number in range(60):
        shim.patch(patch(f"[{edits}]").replace("hungry", f"hungry{number}"), f"{number}.yaml")
    shim.start(version=VERSION, within=group.enter, environment=IMAGE)
    launcher = shim.launcher()
    assert launcher.only.hook_points == ("OnDefineDomain", "Shutdown")
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(domain(), vmi())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "error[PL417 out-of-memory] loading the patches ran out of memory" in caught.value.details()
    assert "(patch hungry" in caught.value.details() or ".yaml:1:1: error" in caught.value.details()
    nobody_was_killed(shim, group)


def nobody_was_killed(shim: Shim, group: Cage) -> None:
    assert shim.process is not None
    assert (group.killed, shim.process.poll()) == (0, None), f"peak {group.peak:,} bytes, {shim.text[-2000:]}"
    assert shim.signal(signal.SIGTERM) == 0
    print(f"peak {group.peak:,} bytes")
