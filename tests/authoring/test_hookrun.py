"""Hooks run locally: called as the sidecar calls them, with every way in which they can fail."""

from __future__ import annotations

import os
from pathlib import Path
from select import select
from typing import Any

import pytest
import yaml

from patchlang.authoring.hookrun import HookError, run_hook
from patchlang.executables import MAX_ARGUMENT

CASES = yaml.safe_load(Path(__file__).with_name("hooks.yaml").read_text())
DOMAIN = b"<domain type='kvm'><name>a</name></domain>"
VMI = b'{"metadata": {"name": "a"}}'
CLOUD_INIT = b'{"DataSource": "noCloud", "NoCloudMetaData": {"instance-id": "i"}, "UserData": "#cloud-config\\n"}'
ARGUMENTS = '#!/bin/sh\nprintf "%s\\n" "$#" "$1" "$2" "$3" "$4" > "$0.seen"; cat >> "$0.seen"; printf %s "$4"\n'


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    return tmp_path / "hook"


def write(hook: Path, script: str, mode: int = 0o755) -> Path:
    hook.write_text(script, newline="")
    hook.chmod(mode)
    return hook


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_said_of_a_hook_that_goes_wrong(case: dict[str, Any], hook: Path) -> None:
    mode = int(str(case.get("mode", "0o755")), 8)
    write(hook, case["script"], mode)
    if mode == 0o644 and os.access(hook, os.X_OK):
        pytest.skip("this user may run every file")
    data = CLOUD_INIT if case.get("kind") == "cloud-init" else DOMAIN
    with pytest.raises(HookError) as caught:
        run_hook(hook, case.get("kind", "domain"), data, VMI, seconds=case.get("seconds", 60))
    assert str(caught.value).startswith(f"{hook}: {case['says']}")
    assert "help" not in case or caught.value.help == case["help"]


@pytest.mark.parametrize(("kind", "data"), [("domain", DOMAIN), ("cloud-init", CLOUD_INIT)])
def test_a_hook_gets_what_the_sidecar_gives_it(kind: Any, data: bytes, hook: Path) -> None:
    ran = run_hook(write(hook, ARGUMENTS), kind, data, VMI)
    assert ran.outcome == data
    seen = hook.with_name("hook.seen").read_bytes()
    assert seen == b"4\n--vmi\n" + VMI + b"\n--" + kind.encode() + b"\n" + data + b"\n"


def test_what_it_says_on_standard_error_is_kept(hook: Path) -> None:
    script = '#!/bin/sh\nfor i in $(seq 20000); do echo line $i >&2; done\nprintf %s "$4"\n'
    assert run_hook(write(hook, script), "domain", DOMAIN, VMI).last_words.endswith("line 19999 | line 20000")


def test_a_path_without_a_folder_is_a_file_here(hook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(hook.with_name("true"), ARGUMENTS)
    monkeypatch.chdir(hook.parent)
    assert run_hook(Path("true"), "domain", DOMAIN, VMI).outcome == DOMAIN


@pytest.mark.parametrize(
    ("name", "says"), [("absent", "cannot be read: No such file or directory"), ("", "is a directory")]
)
def test_a_path_that_is_not_a_file(name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(HookError, match=says):
        run_hook(tmp_path / name, "domain", DOMAIN, VMI)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<domain>" + b" " * MAX_ARGUMENT + b"</domain>", "--domain would be 131088 bytes long"),
        (b"<domain>\0</domain>", "--domain would contain a NUL character"),
    ],
)
def test_what_cannot_be_an_argument(data: bytes, says: str, hook: Path) -> None:
    with pytest.raises(HookError, match=says):
        run_hook(write(hook, ARGUMENTS), "domain", data, VMI)


def test_nothing_of_a_hook_that_hangs_is_left(hook: Path) -> None:
    script = '#!/bin/sh\nsleep 300 &\necho $! > "$0.child"\nwait\n'
    with pytest.raises(HookError, match="was killed"):
        run_hook(write(hook, script), "domain", DOMAIN, VMI, seconds=2)
    child = int(hook.with_name("hook.child").read_text())
    try:
        descriptor = os.pidfd_open(child)
    except ProcessLookupError:
        return
    with open(descriptor, "rb") as process:
        assert select([process], [], [], 60)[0], "the child is still there"
