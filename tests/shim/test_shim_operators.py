"""The sidecar for operators: audits, the log of a boot, and errors if nothing is found."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import grpc
import hostile
import pytest
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

HERE = Path(__file__).parent
VERSION = "v1alpha3"
ECHO = '#!/bin/sh\nprintf %s "$4"\n'
SKIPPED = PATCH.replace("spec:", "spec:\n  when: 'false'", 1).replace("name: ", "name: other-", 1)


def refusal(shim: Shim) -> str:
    """The error that OnDefineDomain returns."""
    with pytest.raises(grpc.RpcError) as caught:
        shim.launcher().on_define_domain(DOMAIN, VMI)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    return str(caught.value.details())


# -- audits --------------------------------------------------------------------------------------------------------


def test_an_audit_logs_what_would_be_done_and_hands_back_what_came(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.patch(CLOUD_INIT_PATCH, "cloudinit.yaml")
    launcher = shim.start("--audit", "--log-level", "debug", version=VERSION).launcher()
    assert set(launcher.only.hook_points) == {"OnDefineDomain", "PreCloudInitIso", "Shutdown"}
    assert launcher.on_define_domain(DOMAIN, VMI) == DOMAIN
    result = virtlauncher.pre_cloud_init(shim.socket, VERSION, CLOUD_INIT, VMI)
    assert result.cloudInitData == CLOUD_INIT
    said = [message for message in shim.messages if message.startswith("audit: ")]
    assert [re.sub(r"[0-9.]+ ms", "… ms", message) for message in said] == [
        f"audit: {call} would be answered after … ms: changed; returning the input unchanged"
        for call in ("OnDefineDomain", "PreCloudInitIso")
    ]
    assert any(re.fullmatch(r"patch \S+ applied: \d+ matched, [1-9]\d* changed, 0 skipped", m) for m in shim.messages)
    assert any(re.match(re.escape(str(shim.patches)) + r"/patch.yaml:\d+:\d+: ", m) for m in shim.messages)
    assert ENTRY not in shim.text


BROKEN = {
    "that cannot be loaded": ("spec: [", []),
    "that does not fit": (hostile.patch("a", "[{op: remove, path: /domain/nowhere, expect: 1}]"), []),
    "that takes too long": (hostile.SLOW["cel"], []),
    "that needs too much memory": (
        hostile.patch(
            "a",
            '[{op: set, path: /domain/memory, value: "$[ cel.bind(a, vmi.spec.text + vmi.spec.text, cel.bind(b, '
            'a + a + a + a, string((b + b + b + b + b + b + b + b).size()))) ]"}]',
        ),
        ["--max-memory", "32Mi"],
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_audit_of_a_patch(shim: Shim, what: str) -> None:
    """It never stops a VM: the log has the error, and the input comes back unchanged every time."""
    patch, more = BROKEN[what]
    shim.patch(patch)
    limits = json.dumps({"callback": 2.0})
    shim.start("--audit", *more, version=VERSION, program=HERE / "limited.py", environment={"LIMITS": limits})
    launcher = shim.launcher()
    assert "OnDefineDomain" in launcher.only.hook_points
    vmi = hostile.vmi("x" * 900_000) if more else hostile.long_vmi()
    for _ in range(2):
        assert launcher.on_define_domain(DOMAIN, vmi) == DOMAIN
    assert any(message.startswith("audit: OnDefineDomain would fail: ") for message in shim.messages)


def test_an_audit_of_input_that_cannot_be_read(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.start("--audit", version=VERSION).launcher()
    for domain in (b"<domain", b"x" * 2_000_000):
        assert virtlauncher.define_domain(shim.socket, VERSION, domain, VMI) == domain


def test_an_audit_of_executables_is_refused_at_the_start(shim: Shim) -> None:
    shim.executable("onDefineDomain", ECHO)
    assert shim.start("--audit", version=VERSION).end() == 1
    assert f"--audit cannot predict what an executable would do, and found {shim.bin}/onDefineDomain" in shim.text
    assert list(shim.hooks.iterdir()) == []


# -- the log -------------------------------------------------------------------------------------------------------


def test_the_log_has_the_digest_of_each_file(shim: Shim) -> None:
    """The digest covers every byte, including a byte order mark, and matches sha256sum."""
    texts = {"a.yaml": PATCH.encode(), "b.yaml": b"\xef\xbb\xbf" + SKIPPED.encode()}
    for name, data in texts.items():
        (shim.patches / name).write_bytes(data)
    shim.start(version=VERSION).launcher()
    for name, data in texts.items():
        assert f"patch file {shim.patches / name}: sha256 {hashlib.sha256(data).hexdigest()}" in shim.messages


@pytest.mark.parametrize(("level", "kinds"), [("debug", {"debug", "info"}), ("info", {"info"}), ("error", set())])
def test_levels_of_the_log(shim: Shim, level: str, kinds: set[str]) -> None:
    shim.patch(PATCH)
    assert ENTRY.encode() in shim.start("--log-level", level, version=VERSION).launcher().on_define_domain(DOMAIN, VMI)
    assert {line["level"] for line in shim.lines} == kinds


def test_without_a_version_it_serves_v1alpha3_and_says_so(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.start("--patches", str(shim.patches), "--socket-dir", str(shim.hooks), version=None, default_paths=False)
    assert shim.launcher().only.version == VERSION
    assert "no --version given: using v1alpha3" in shim.messages


# -- nothing found -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [[], ["--no-fallback"]])
def test_neither_a_patch_nor_an_executable_is_an_error(shim: Shim, more: list[str]) -> None:
    text = refusal(shim.start(*more, version=VERSION))
    assert text.startswith("nothing to do: no patch file in /etc/patchlang/patches.d, and ")
    assert ("--no-fallback" in text) == bool(more)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_directory_with_files(path: Path) -> None:
    path.mkdir()
    (path / "p.json").touch()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_circle(path: Path) -> None:
    path.symlink_to(path.name)


KINDS = [a_directory, a_directory_with_files, a_pipe, a_dangling_link, a_circle]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("where", ["named", "in the folder", "at the hook's place"])
def test_what_is_no_file_where_a_file_belongs(shim: Shim, where: str, make: Callable[[Path], None]) -> None:
    """The kubelet creates an empty directory if a key is missing; none of these may boot a VM unpatched."""
    named: list[str] = []
    if where == "named":
        path = shim.folder / "smbios.yaml"
        named = ["--patches", str(path)]
    elif where == "in the folder":
        path = shim.patches / "smbios.yaml"
        shim.patch(PATCH)
    else:
        path = shim.bin / "onDefineDomain"
        shim.patch(PATCH)
        later = shim.folder / "later"
        later.mkdir()
        (later / "onDefineDomain").write_text(ECHO)
        (later / "onDefineDomain").chmod(0o755)
    make(path)
    search = f"{shim.bin}:{shim.folder / 'later'}:{os.environ['PATH']}"
    shim.start(*named, version=VERSION, environment={"PATH": search})
    assert str(path) in refusal(shim)


# -- the engine's memory -------------------------------------------------------------------------------------------


def test_the_engine_is_the_first_to_go(shim: Shim) -> None:
    """For the case that the kernel must kill a process after all."""
    shim.patch(PATCH)
    shim.start(version=VERSION).launcher()
    assert shim.process is not None
    pid = shim.process.pid
    (engine,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert Path(f"/proc/{engine}/oom_score_adj").read_text().strip() == "1000"
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() != "1000"
