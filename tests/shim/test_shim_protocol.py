"""Every version of the protocol, over a real socket, as virt-launcher uses it."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import virtlauncher
from lxml import etree
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, CLOUD_INIT_VALUE, DOMAIN, ENTRY, FAILING_PATCH, PATCH, VMI
from shimprocess import Shim

from patchlang import __version__

VERSIONS = ("v1alpha1", "v1alpha2", "v1alpha3")
HANGING = "#!/bin/sh\necho started >&2\nsleep 300\n"
GO_SIGNALS = {
    signal.SIGTERM: "terminated",
    signal.SIGINT: "interrupt",
    signal.SIGHUP: "hangup",
    signal.SIGQUIT: "quit",
}


def ends_in_an_error(call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(grpc.RpcError):
        call(*arguments)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_life(shim: Shim, version: str) -> None:
    shim.patch(PATCH)
    if version != "v1alpha1":
        shim.patch(CLOUD_INIT_PATCH, "cloudinit.yaml")
    launcher = shim.start(version=version).launcher()
    points = {"OnDefineDomain"}
    points |= {"PreCloudInitIso"} if version != "v1alpha1" else set()
    points |= {"Shutdown"} if version == "v1alpha3" else set()
    assert launcher.only.name == "shim"
    assert launcher.only.version == version
    assert set(launcher.only.hook_points) == points
    info = virtlauncher.ask_info(launcher.only.path)
    assert list(info.versions) == [version]

    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    data = launcher.pre_cloud_init_iso(CLOUD_INIT, VMI)
    assert ("patched" in data["UserData"]) == (version != "v1alpha1")
    assert data["NoCloudMetaData"] == CLOUD_INIT_VALUE["NoCloudMetaData"]

    launcher.shutdown()
    if version == "v1alpha3":
        assert shim.end() == 0
        assert "Hook's Shutdown callback method has been called" in shim.messages
    else:
        assert shim.signal(signal.SIGTERM) == 0
    assert list(shim.hooks.iterdir()) == []
    assert __version__ in shim.messages[0]
    assert "Info method has been called" in shim.messages
    assert "OnDefineDomain method has been called" in shim.messages
    assert ("PreCloudInitIso method has been called" in shim.messages) == (version != "v1alpha1")


def test_cloud_init_edits_that_no_call_would_apply_stop_the_start(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.patch(CLOUD_INIT_PATCH, "cloudinit.yaml")
    launcher = shim.start(version="v1alpha1").launcher()
    assert launcher.only.hook_points == ("OnDefineDomain",)
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(DOMAIN, VMI)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "--version v1alpha1 does not support cloud-init data" in caught.value.details()


@pytest.mark.parametrize("version", VERSIONS)
def test_all_versions_are_served_whatever_is_asked_for(shim: Shim, version: str) -> None:
    shim.patch(PATCH)
    path = shim.start(version="v1alpha2").launcher().only.path
    assert ENTRY.encode() in virtlauncher.define_domain(path, version, DOMAIN, VMI)


@pytest.mark.parametrize("number", GO_SIGNALS, ids=lambda n: n.name)
def test_signals_end_it_with_status_0(shim: Shim, number: signal.Signals) -> None:
    shim.start().launcher()
    assert shim.signal(number) == 0
    assert list(shim.hooks.iterdir()) == []
    assert f"sidecar-shim received signal: {GO_SIGNALS[number]}" in shim.messages


@pytest.mark.parametrize("number", GO_SIGNALS, ids=lambda n: n.name)
def test_signals_end_it_with_a_call_in_flight(shim: Shim, number: signal.Signals) -> None:
    shim.executable("onDefineDomain", HANGING)
    launcher = shim.start().launcher()
    errors: list[grpc.RpcError] = []

    def call() -> None:
        try:
            launcher.on_define_domain(DOMAIN, VMI)
        except grpc.RpcError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    shim.wait_for("onDefineDomain: started")
    assert shim.signal(number) == 0
    thread.join()
    assert len(errors) == 1
    assert list(shim.hooks.iterdir()) == []


def test_shutdown_ends_it_with_a_call_in_flight(shim: Shim) -> None:
    shim.executable("onDefineDomain", HANGING)
    launcher = shim.start(version="v1alpha3").launcher()
    thread = threading.Thread(target=ends_in_an_error, args=(launcher.on_define_domain, DOMAIN, VMI))
    thread.start()
    shim.wait_for("onDefineDomain: started")
    launcher.shutdown()
    assert shim.end() == 0
    thread.join()
    assert list(shim.hooks.iterdir()) == []


def test_a_call_in_flight_may_end_before_the_sidecar_does(shim: Shim) -> None:
    shim.executable("onDefineDomain", '#!/bin/sh\necho started >&2\nsleep 1\nprintf %s "$4"\n')
    launcher = shim.start().launcher()
    results: list[bytes] = []
    thread = threading.Thread(target=lambda: results.append(launcher.on_define_domain(DOMAIN, VMI)))
    thread.start()
    shim.wait_for("onDefineDomain: started")
    assert shim.signal(signal.SIGTERM) == 0
    thread.join()
    assert results == [DOMAIN]


def test_info_and_shutdown_are_answered_while_callbacks_wait(shim: Shim) -> None:
    shim.executable("onDefineDomain", HANGING)
    launcher = shim.start(version="v1alpha3").launcher()
    path = launcher.only.path
    calls = [
        threading.Thread(target=ends_in_an_error, args=(virtlauncher.define_domain, path, "v1alpha3", DOMAIN, VMI))
        for _ in range(16)
    ]
    for call in calls:
        call.start()
    shim.wait_for("onDefineDomain: started")
    for _ in range(5):
        assert virtlauncher.ask_info(path).name == "shim"
    launcher.shutdown()
    assert shim.end() == 0
    for call in calls:
        call.join()


def test_calls_come_one_at_a_time(shim: Shim) -> None:
    shim.executable("onDefineDomain", '#!/bin/sh\necho begin >&2\nsleep 0.1\necho end >&2\nprintf %s "$4"\n')
    path = shim.start().launcher().only.path
    results: list[bytes] = []
    calls = [
        threading.Thread(target=lambda: results.append(virtlauncher.define_domain(path, "v1alpha2", DOMAIN, VMI)))
        for _ in range(6)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert results == [DOMAIN] * 6
    said = [m for m in shim.messages if m in ("onDefineDomain: begin", "onDefineDomain: end")]
    assert said == ["onDefineDomain: begin", "onDefineDomain: end"] * 6


def test_the_boot_is_replayed(shim: Shim) -> None:
    shim.patch(PATCH)
    first, second, third = shim.start().launcher().boot(DOMAIN, VMI)
    for result in (first, second, third):
        root = etree.fromstring(result)
        assert root.xpath("string(sysinfo/baseBoard/entry[@name='manufacturer'])") == "Radical Edward"
        assert root.xpath("count(sysinfo/baseBoard/entry)") == 1
        assert root.xpath("string(devices/disk/@device)") == "lun"
    assert etree.fromstring(first).xpath("count(devices/interface[target[starts-with(@dev, 'placeholder-')]])") == 2
    assert third == second


def test_a_failing_patch_is_an_error_and_the_next_call_works(shim: Shim) -> None:
    shim.patch(FAILING_PATCH)
    launcher = shim.start().launcher()
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            launcher.on_define_domain(DOMAIN, VMI)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "PL401" in caught.value.details()
        assert "needs-a-tpm" in caught.value.details()
        assert "\n" not in caught.value.details()
        assert len(caught.value.details().encode()) < 1024
    with_tpm = DOMAIN.replace(b"\t</devices>", b'\t\t<tpm model="tpm-tis"></tpm>\n\t</devices>')
    assert b'<tpm model="tpm-crb"></tpm>' in launcher.on_define_domain(with_tpm, VMI)


@pytest.mark.parametrize(
    ("domain", "vmi", "rule"),
    [
        (b"<domain>", VMI, "PL501"),
        (b"", VMI, "PL501"),
        (b"<!DOCTYPE domain><domain></domain>", VMI, "PL502"),
        (b"<network></network>", VMI, "PL503"),
        (DOMAIN, b"", "PL504"),
        (DOMAIN, b"[]", "PL504"),
        (DOMAIN, b"secret-marker", "PL504"),
    ],
)
def test_bad_input(shim: Shim, domain: bytes, vmi: bytes, rule: str) -> None:
    shim.patch(PATCH)
    launcher = shim.start().launcher()
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(domain, vmi)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert rule in caught.value.details()
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    assert "secret-marker" not in shim.text


def test_bad_cloud_init_data(shim: Shim) -> None:
    shim.patch(CLOUD_INIT_PATCH)
    sidecar = shim.start().launcher().only
    for data in (b"", b"null", b"{", b"secret-marker"):
        with pytest.raises(grpc.RpcError) as caught:
            virtlauncher.pre_cloud_init(sidecar.path, sidecar.version, data, VMI)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "secret-marker" not in shim.text


def test_a_domain_over_the_limit(shim: Shim) -> None:
    shim.patch(PATCH)
    launcher = shim.start("--max-domain-bytes", str(len(DOMAIN) + 10)).launcher()
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(DOMAIN + b" " * 11, VMI)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for said in (str(len(DOMAIN) + 11), str(len(DOMAIN) + 10), "--max-domain-bytes"):
        assert said in caught.value.details()
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN + b"\n" * 10, VMI)


def test_a_message_over_grpcs_limit(shim: Shim) -> None:
    shim.patch(PATCH)
    launcher = shim.start().launcher()
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(DOMAIN + b" " * 4 * 1024 * 1024, VMI)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)


def test_what_is_not_advertised_comes_back_as_it_was(shim: Shim) -> None:
    """This is on purpose: without the flag, finding nothing is an error."""
    sidecar = shim.start("--allow-empty").launcher().only
    assert sidecar.hook_points == ()
    assert virtlauncher.define_domain(sidecar.path, "v1alpha2", DOMAIN, VMI) == DOMAIN
    result = virtlauncher.pre_cloud_init(sidecar.path, "v1alpha2", CLOUD_INIT, VMI)
    assert result.cloudInitData == CLOUD_INIT
    assert json.loads(result.cloudInitNoCloudSource) == {"userData": CLOUD_INIT_VALUE["UserData"]}


@pytest.mark.parametrize("patch", [PATCH, CLOUD_INIT_PATCH], ids=["domain", "cloudInit"])
def test_what_no_patch_edits_comes_back_as_it_was(shim: Shim, patch: str) -> None:
    shim.patch(patch)
    path = shim.start().launcher().only.path
    if patch is PATCH:
        result = virtlauncher.pre_cloud_init(path, "v1alpha2", CLOUD_INIT, VMI)
        assert json.loads(result.cloudInitData) == CLOUD_INIT_VALUE
        assert json.loads(result.cloudInitNoCloudSource) == {"userData": CLOUD_INIT_VALUE["UserData"]}
    else:
        assert virtlauncher.define_domain(path, "v1alpha2", DOMAIN, VMI) == DOMAIN
        with pytest.raises(grpc.RpcError) as caught:
            virtlauncher.define_domain(path, "v1alpha2", DOMAIN, b"[]")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("patch", [PATCH, CLOUD_INIT_PATCH], ids=["domain", "cloudInit"])
def test_only_what_a_patch_serves_is_advertised(shim: Shim, patch: str) -> None:
    shim.patch(patch)
    expected = ("OnDefineDomain",) if patch is PATCH else ("PreCloudInitIso",)
    assert shim.start().launcher().only.hook_points == expected


def test_mutate_domain(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.start("--plugin-socket", str(shim.plugin), version=None)
    path = shim.wait_for_plugin()
    once = virtlauncher.mutate_domain(path, DOMAIN, VMI)
    assert ENTRY.encode() in once
    assert virtlauncher.mutate_domain(path, once, VMI, context="MigrationTarget") == once
    for kind in ("bhyve", ""):
        with pytest.raises(grpc.RpcError) as caught:
            virtlauncher.mutate_domain(path, DOMAIN, VMI, kind=kind)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.mutate_domain(path, DOMAIN, b"no")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert shim.signal(signal.SIGTERM) == 0
    assert list(shim.plugin.parent.iterdir()) == []
    assert list(shim.hooks.iterdir()) == []


def test_both_apis_from_one_process(shim: Shim) -> None:
    shim.patch(PATCH)
    launcher = shim.start("--plugin-socket", str(shim.plugin), version="v1alpha3").launcher()
    hooked = launcher.on_define_domain(DOMAIN, VMI)
    assert virtlauncher.mutate_domain(shim.wait_for_plugin(), DOMAIN, VMI) == hooked
    launcher.shutdown()
    assert shim.end() == 0
    assert list(shim.plugin.parent.iterdir()) == []


def test_the_plugin_api_runs_the_executable_too(shim: Shim) -> None:
    shim.executable("onDefineDomain", "#!/bin/sh\nprintf %s \"$4\" | sed 's/lab_web/shop/'\n")
    shim.start("--plugin-socket", str(shim.plugin), version=None)
    assert b"shop-01" in virtlauncher.mutate_domain(shim.wait_for_plugin(), DOMAIN, VMI)


def test_each_document_has_a_log_line(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.patch(PATCH.replace("baseboard", "never").replace("spec:\n", 'spec:\n  when: "false"\n'), "never.yaml")
    shim.start().launcher().on_define_domain(DOMAIN, VMI)
    (applied,) = [m for m in shim.messages if m.startswith("patch baseboard applied: ")]
    assert "2 changed" in applied
    (skipped,) = [m for m in shim.messages if m.startswith("patch never skipped: ")]
    assert "0 matched, 0 changed" in skipped
    assert any(m.startswith("OnDefineDomain answered") for m in shim.messages)
    assert "Radical" not in shim.text


def test_thousands_of_edits_at_the_level_debug_hold_up_nobody(shim: Shim) -> None:
    """Their lines are bounded, and other calls are answered in between."""
    number, files = 800, 5
    for file in range(files):
        edits = "".join(
            f"    - {{op: ensure, path: /domain/devices/{'a' * 180}{file}-{edit}, value: x}}\n"
            for edit in range(number)
        )
        head = f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: many-{file}}}\nspec:\n  domain:\n"
        shim.patch(head + edits, f"{file}.yaml")
    launcher = shim.start("--log-level", "debug").launcher()
    path = launcher.only.path
    slowest = 0.0
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        call = pool.submit(launcher.on_define_domain, DOMAIN, VMI)
        while not call.done():
            started = time.monotonic()
            virtlauncher.ask_info(path)
            slowest = max(slowest, time.monotonic() - started)
        whole = time.monotonic() - began
        assert call.result().count(b"<" + b"a" * 180) == number * files
    assert slowest < whole / 2
    lines = [line["msg"] for line in shim.lines if line["level"] == "debug"]
    left_out = [int(said[1]) for line in lines if (said := re.fullmatch(r"lines of (\d+) more edits .*", line))]
    assert left_out
    assert len(lines) - len(left_out) + sum(left_out) == number * files


def test_at_the_level_debug_each_edit_has_a_log_line(shim: Shim) -> None:
    """The lines show places, but no names that an expression computes, since these may be secret."""
    shim.patch(
        PATCH
        + """\
    - op: ensure
      path: "/domain/metadata/$[ vmi.metadata.annotations['owner'] ]/@known"
      value: x
"""
    )
    domain = shim.start("--log-level", "debug").launcher().on_define_domain(DOMAIN, VMI)
    assert b"<team-blue known=" in domain
    said = [line["msg"] for line in shim.lines if line["level"] == "debug"]
    file = shim.patches / "patch.yaml"
    assert said == [
        f"{file}:7:7: domain[0] ensure: matched 1, changed 1: /domain/sysinfo/baseBoard/entry",
        f"{file}:10:7: domain[1] set: matched 1, changed 1: /domain/devices/disk/@device",
        f"{file}:13:7: domain[2] ensure: matched 1, changed 1: /domain/metadata/…/@known",
    ]
    assert "team-blue" not in shim.text


def test_two_containers(make_shim: Callable[..., Shim], folder: Path) -> None:
    """Each container sees one folder; virt-launcher sees the parent folder."""
    sockets = folder / "kubevirt-hooks"
    for number, text in enumerate((PATCH, PATCH.replace("Radical Edward", "Second"))):
        shim = make_shim(container=f"hook-sidecar-{number}")
        shim.hooks = sockets / f"hook-sidecar-{number}"
        shim.hooks.mkdir(parents=True)
        shim.patch(text)
        shim.start()
    launcher = virtlauncher.VirtLauncher(sockets).collect(2)
    assert set(launcher.sidecars) == {"shim-hook-sidecar-0.sock", "shim-hook-sidecar-1.sock"}
    assert b">Second</entry>" in launcher.on_define_domain(DOMAIN, VMI)
