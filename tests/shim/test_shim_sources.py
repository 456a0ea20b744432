"""The sources of patches, and the conditions under which executables run instead."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

from shim.config import DEFAULT_PATCHES

SLOWRUN = Path(__file__).with_name("slowrun.py")

BAD = {
    "empty": b"",
    "not-utf8": b"apiVersion: \xff",
    "utf16": PATCH.encode("utf-16"),
    "not-yaml": b"apiVersion: [patchlang/v1",
    "not-ours": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    "unknown-key": PATCH.replace("spec:", "spek:").encode(),
    "bad-xpath": PATCH.replace("/domain/devices/disk[", "/domain/devices/disk[[").encode(),
}


def must_not_run(shim: Shim, hook: str = "onDefineDomain") -> Path:
    """An executable that leaves a mark when it runs."""
    mark = shim.folder / "ran"
    shim.executable(hook, f'#!/bin/sh\ntouch {mark}\nprintf %s "$4"\n')
    return mark


def answers_with_errors(shim: Shim, version: str = "v1alpha2") -> str:
    """Every callback gets the same error; returns its text. Only OnDefineDomain is advertised."""
    sidecar = shim.launcher().only
    assert sidecar.hook_points == (("OnDefineDomain", "Shutdown") if version == "v1alpha3" else ("OnDefineDomain",))
    texts: set[str] = set()
    for _ in range(2):
        for callback, data in ((virtlauncher.define_domain, DOMAIN), (virtlauncher.pre_cloud_init, CLOUD_INIT)):
            if callback is virtlauncher.pre_cloud_init and version == "v1alpha1":
                continue
            with pytest.raises(grpc.RpcError) as caught:
                callback(sidecar.path, version, data, VMI)
            assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
            texts.add(caught.value.details())
    (text,) = texts
    assert len(text.encode()) < 1024
    assert text.isprintable()
    return text


def test_a_file_a_folder_and_several(shim: Shim) -> None:
    one = shim.patch(PATCH, "one.yaml")
    folder = shim.folder / "more"
    folder.mkdir()
    (folder / "two.yml").write_text(PATCH.replace("baseboard", "two").replace("Radical Edward", "Second"))
    (folder / ".hidden.yaml").write_text("hidden")
    (folder / "notes.txt").write_text("notes")
    shim.start("--patches", str(one), "--patches", str(folder), "--socket-dir", str(shim.hooks), default_paths=False)
    assert b">Second</entry>" in shim.launcher().on_define_domain(DOMAIN, VMI)
    assert any(m.startswith("patches: baseboard, two ") for m in shim.messages)


def test_a_config_map_volume(shim: Shim) -> None:
    """The layout is the kubelet's: ..data is a link to the folder of the version, the keys are links through it."""
    version = shim.patches / "..2026_01_01_00_00_00.123"
    version.mkdir()
    (version / "patch.yaml").write_text(PATCH)
    (shim.patches / "..data").symlink_to(version.name)
    (shim.patches / "patch.yaml").symlink_to("..data/patch.yaml")
    shim.start()
    assert ENTRY.encode() in shim.launcher().on_define_domain(DOMAIN, VMI)
    assert f"patches: baseboard (from {shim.patches}/patch.yaml)" in shim.messages


def test_a_test_beside_the_patches_is_passed_over(shim: Shim) -> None:
    shim.patch(PATCH)
    (shim.patches / "patch.test.yaml").write_text(
        "apiVersion: patchlang/v1\nkind: PatchTest\nmetadata: {name: baseboard}\n"
        "spec: {patches: [patch.yaml], domain: <domain/>, cases: [{name: nothing, error: PL401}]}\n"
    )
    shim.start()
    assert ENTRY.encode() in shim.launcher().on_define_domain(DOMAIN, VMI)
    assert f"patches: baseboard (from {shim.patches}/patch.yaml)" in shim.messages


@pytest.mark.parametrize("text", ["\ufeff" + PATCH, PATCH.replace("\n", "\r\n")], ids=["bom", "crlf"])
def test_how_editors_write_files(shim: Shim, text: str) -> None:
    (shim.patches / "patch.yaml").write_bytes(text.encode())
    assert ENTRY.encode() in shim.start().launcher().on_define_domain(DOMAIN, VMI)


def test_patches_beat_executables(shim: Shim) -> None:
    mark = must_not_run(shim)
    must_not_run(shim, "preCloudInitIso")
    shim.patch(PATCH)
    launcher = shim.start().launcher()
    assert launcher.only.hook_points == ("OnDefineDomain",)
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    warned = [line["msg"] for line in shim.lines if line["level"] == "warning"]
    for hook in ("onDefineDomain", "preCloudInitIso"):
        assert f"{shim.bin}/{hook} will not run, because there are patch files" in warned
    assert not mark.exists()


@pytest.mark.parametrize("mode", [0o644, 0o755], ids=oct)
def test_a_patch_at_an_executables_place(shim: Shim, mode: int) -> None:
    shim.executable("onDefineDomain", PATCH, mode)
    shim.executable("preCloudInitIso", CLOUD_INIT_PATCH, mode)
    launcher = shim.start().launcher()
    assert set(launcher.only.hook_points) == {"OnDefineDomain", "PreCloudInitIso"}
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    assert "patched" in launcher.pre_cloud_init_iso(CLOUD_INIT, VMI)["UserData"]


def test_a_patch_at_one_place_and_a_script_at_the_other(shim: Shim) -> None:
    mark = must_not_run(shim, "preCloudInitIso")
    shim.executable("onDefineDomain", PATCH)
    launcher = shim.start().launcher()
    assert launcher.only.hook_points == ("OnDefineDomain",)
    launcher.on_define_domain(DOMAIN, VMI)
    launcher.pre_cloud_init_iso(CLOUD_INIT, VMI)
    assert not mark.exists()


def test_a_patch_at_an_executables_place_that_is_named_too(shim: Shim) -> None:
    path = shim.executable("onDefineDomain", PATCH)
    shim.start("--patches", str(path))
    assert ENTRY.encode() in shim.launcher().on_define_domain(DOMAIN, VMI)


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha3"])
@pytest.mark.parametrize("kind", ["empty", "bad-xpath"])
def test_a_bad_patch_is_the_answer_to_every_call(shim: Shim, version: str, kind: str) -> None:
    mark = must_not_run(shim)
    (shim.patches / "bad.yaml").write_bytes(BAD[kind])
    shim.patch(PATCH, "good.yaml")
    shim.start(version=version)
    text = answers_with_errors(shim, version)
    assert f"{shim.patches}/bad.yaml" in text
    assert any(line["level"] == "error" and "bad.yaml" in line["msg"] for line in shim.lines)
    assert not mark.exists()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_patch_at_an_executables_place(shim: Shim, kind: str) -> None:
    path = shim.executable("onDefineDomain", BAD[kind])
    mark = must_not_run(shim, "preCloudInitIso")
    shim.start()
    assert str(path) in answers_with_errors(shim)
    assert not mark.exists()


def test_a_script_without_its_first_line(shim: Shim) -> None:
    shim.executable("onDefineDomain", "printf %s \"$4\" | sed 's/a/b/'\n")
    shim.start()
    assert "no `#!` line" in answers_with_errors(shim)


def test_errors_of_all_files_are_logged_and_counted(shim: Shim) -> None:
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (shim.patches / name).write_bytes(BAD["bad-xpath"].replace(b"baseboard", name[:1].encode()))
    shim.start()
    assert answers_with_errors(shim).endswith("(and 2 more)")
    errors = [m for m in shim.messages if m.startswith(str(shim.patches)) and "PL201" in m]
    assert len({message.split(":")[0] for message in errors}) == 3


def test_a_named_path_that_does_not_exist(shim: Shim) -> None:
    mark = must_not_run(shim)
    missing = shim.folder / "missing"
    shim.start("--patches", str(missing))
    assert f"{missing}" in answers_with_errors(shim)
    assert not mark.exists()


def test_an_empty_folder_is_no_patch_file(shim: Shim) -> None:
    mark = must_not_run(shim)
    shim.start()
    assert shim.launcher().on_define_domain(DOMAIN, VMI) == DOMAIN
    assert mark.exists()


def test_no_fallback(shim: Shim) -> None:
    """Having nothing to do is an error, even if an executable could do it."""
    mark = must_not_run(shim)
    shim.start("--no-fallback", version="v1alpha3")
    text = answers_with_errors(shim, "v1alpha3")
    assert text.startswith(
        f"nothing to do: no patch file in {DEFAULT_PATCHES}, and executables do not run (--no-fallback)"
    )
    assert not mark.exists()
    assert f"{shim.bin}/onDefineDomain will not run: --no-fallback" in shim.messages


def test_no_fallback_and_nothing_on_purpose(shim: Shim) -> None:
    mark = must_not_run(shim)
    launcher = shim.start("--no-fallback", "--allow-empty", version="v1alpha3").launcher()
    assert launcher.only.hook_points == ("Shutdown",)
    assert virtlauncher.define_domain(shim.socket, "v1alpha3", DOMAIN, VMI) == DOMAIN
    assert not mark.exists()
    assert f"{shim.bin}/onDefineDomain will not run: --no-fallback" in shim.messages
    launcher.shutdown()
    assert shim.end() == 0


def test_nothing_to_do(shim: Shim) -> None:
    """A mistyped key of a ConfigMap must not boot an unpatched VM."""
    shim.start()
    text = answers_with_errors(shim)
    assert text.startswith(f"nothing to do: no patch file in {DEFAULT_PATCHES}, and no executable onDefineDomain or ")
    assert "--allow-empty" in text
    assert any(line["level"] == "error" and line["msg"] == text for line in shim.lines)


@pytest.mark.parametrize("allow", [[], ["--allow-empty"]], ids=["", "allow-empty"])
def test_a_named_folder_that_is_empty(shim: Shim, allow: list[str]) -> None:
    mark = must_not_run(shim)
    folder = shim.folder / "named"
    folder.mkdir()
    shim.start("--patches", str(folder), *allow)
    assert str(folder) in answers_with_errors(shim)
    assert not mark.exists()


def test_allow_empty_is_no_excuse_for_a_fault(shim: Shim) -> None:
    (shim.patches / "bad.yaml").write_bytes(BAD["bad-xpath"])
    shim.start("--allow-empty")
    assert f"{shim.patches}/bad.yaml" in answers_with_errors(shim)


def test_no_fallback_with_a_patch(shim: Shim) -> None:
    shim.executable("onDefineDomain", PATCH)
    assert ENTRY.encode() in shim.start("--no-fallback").launcher().on_define_domain(DOMAIN, VMI)


def test_relative_entries_of_path_are_passed_over(shim: Shim) -> None:
    mark = must_not_run(shim)
    relative = os.path.relpath(shim.bin, Path(__file__).parents[2])
    shim.start(environment={"PATH": f"{relative}::."})
    assert answers_with_errors(shim).startswith("nothing to do: ")
    assert not mark.exists()


def test_the_first_in_path_counts(shim: Shim) -> None:
    second = shim.folder / "second"
    second.mkdir()
    other = must_not_run(shim)
    (shim.bin / "onDefineDomain").rename(second / "onDefineDomain")
    shim.executable("onDefineDomain", "#!/bin/sh\necho '<domain>first</domain>'\n")
    shim.start(environment={"PATH": f"{shim.bin}:{second}:{os.environ['PATH']}"})
    assert shim.launcher().on_define_domain(DOMAIN, VMI) == b"<domain>first</domain>\n"
    assert not other.exists()


def test_load_errors_reach_the_plugin_api(shim: Shim) -> None:
    (shim.patches / "bad.yaml").write_bytes(BAD["bad-xpath"])
    shim.start("--plugin-socket", str(shim.plugin), version=None)
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.mutate_domain(shim.wait_for_plugin(), DOMAIN, VMI)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "bad.yaml" in caught.value.details()


def test_a_run_that_does_not_return_is_given_up(shim: Shim) -> None:
    shim.patch(PATCH)
    launcher = shim.start(program=SLOWRUN).launcher()
    hanging = DOMAIN.replace(b"<baseBoard>", b"<hang></hang><baseBoard>")
    for _ in range(6):
        with pytest.raises(grpc.RpcError) as caught:
            launcher.on_define_domain(hanging, VMI)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "PL414" in caught.value.details()
    shim.kill()
    shim.start(program=SLOWRUN)
    shim.launcher()
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(hanging, VMI)
    assert "did not finish within 3 s" in caught.value.details()
    assert "the-slow-one" in caught.value.details()
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    import signal

    assert shim.signal(signal.SIGTERM) == 0


def test_a_bug_is_an_internal_error_without_data(shim: Shim) -> None:
    shim.patch(PATCH)
    launcher = shim.start(program=SLOWRUN).launcher()
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(DOMAIN.replace(b"<baseBoard>", b"<bug></bug><baseBoard>"), VMI)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "internal error" in caught.value.details()
    assert "lab_web" not in caught.value.details() + shim.text
    assert "ZeroDivisionError at slowrun.py" in shim.text
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
