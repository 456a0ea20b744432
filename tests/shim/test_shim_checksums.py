"""``--sha256``: only the reviewed file runs."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
import virtlauncher
from samples import CLOUD_INIT, DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

OTHER = PATCH.replace("baseboard", "other").replace("Radical Edward", "Another")


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def refused(shim: Shim, version: str = "v1alpha2") -> str:
    """The error in the answer to each callback."""
    sidecar = shim.launcher().only
    texts: set[str] = set()
    for callback, data in ((virtlauncher.define_domain, DOMAIN), (virtlauncher.pre_cloud_init, CLOUD_INIT)):
        with pytest.raises(grpc.RpcError) as caught:
            callback(sidecar.path, version, data, VMI)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        texts.add(caught.value.details())
    (text,) = texts
    assert "PL011" in text
    assert len(text.encode()) <= 1000
    return text


def test_the_text_that_was_reviewed(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.start("--sha256", digest(PATCH).upper())
    assert ENTRY.encode() in shim.launcher().on_define_domain(DOMAIN, VMI)


def test_an_engine_that_is_started_later_has_the_same_text(shim: Shim) -> None:
    path = shim.patch(PATCH)
    shim.start("--sha256", digest(PATCH), program=Path(__file__).with_name("slowrun.py"))
    launcher = shim.launcher()
    path.write_text(OTHER)
    with pytest.raises(grpc.RpcError):
        launcher.on_define_domain(DOMAIN.replace(b"<bios></bios>", b"<hang></hang>"), VMI)
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)


@pytest.mark.parametrize("change", ["\n", "# a comment\n", " "], ids=repr)
def test_another_text(shim: Shim, change: str) -> None:
    path = shim.patch(PATCH + change)
    text = refused(shim.start("--sha256", digest(PATCH)))
    assert f"{path} has SHA-256 {digest(PATCH + change)}, which `--sha256` does not list" in text
    assert digest(PATCH) in text


def test_several_files_with_a_checksum_each(shim: Shim) -> None:
    shim.patch(PATCH, "a.yaml")
    shim.patch(OTHER, "b.yaml")
    sums = [flag for text in (OTHER, PATCH) for flag in ("--sha256", digest(text))]
    domain = shim.start(*sums).launcher().on_define_domain(DOMAIN, VMI)
    assert b"Another" in domain


def test_a_file_more_than_was_reviewed(shim: Shim) -> None:
    shim.patch(PATCH, "a.yaml")
    more = shim.patch("not: [even YAML", "b.yaml")
    text = refused(shim.start("--sha256", digest(PATCH)))
    assert f"{more} has SHA-256" in text
    assert "remove the file" in text


def test_a_file_less_than_was_reviewed(shim: Shim) -> None:
    shim.patch(PATCH)
    text = refused(shim.start("--sha256", digest(PATCH), "--sha256", digest(OTHER)))
    assert f"no patch file has SHA-256 {digest(OTHER)}" in text


@pytest.mark.parametrize("more", [[], ["--allow-empty"]], ids=str)
def test_no_file_at_all_and_a_program_that_must_not_run(shim: Shim, more: list[str]) -> None:
    mark = shim.folder / "ran"
    shim.executable("onDefineDomain", f'#!/bin/sh\ntouch {mark}\nprintf %s "$4"\n')
    text = refused(shim.start("--sha256", digest(PATCH), *more))
    assert f"no patch file has SHA-256 {digest(PATCH)}" in text
    assert not mark.exists()


def test_a_patch_at_an_executables_place_counts(shim: Shim) -> None:
    shim.executable("onDefineDomain", PATCH)
    assert ENTRY.encode() in shim.start("--sha256", digest(PATCH)).launcher().on_define_domain(DOMAIN, VMI)


def test_another_patch_at_an_executables_place(shim: Shim) -> None:
    shim.executable("onDefineDomain", PATCH)
    assert digest(PATCH) in refused(shim.start("--sha256", digest(OTHER)))


def test_the_plugin_call_is_refused_as_well(shim: Shim) -> None:
    shim.patch(OTHER)
    path = shim.start("--sha256", digest(PATCH), "--plugin-socket", str(shim.plugin), version=None).wait_for_plugin()
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.mutate_domain(path, DOMAIN, VMI)
    assert "PL011" in caught.value.details()


def test_it_is_what_sha256sum_prints(shim: Shim) -> None:
    path = shim.patch(PATCH)
    printed = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
    shim.start("--sha256", printed.split()[0]).launcher()
    assert f"patch file {path}: sha256 {printed.split()[0]}" in shim.messages


@pytest.mark.parametrize("text", ["0" * 63, "0" * 65, "g" * 64, f"sha256:{'0' * 57}"], ids=repr)
def test_what_is_no_checksum(shim: Shim, text: str) -> None:
    shim.patch(PATCH)
    assert shim.start(f"--sha256={text}").end() == 1
    assert "is not a checksum of 64 hexadecimal digits" in shim.messages[-1]
