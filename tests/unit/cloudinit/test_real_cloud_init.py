"""Checks against the real cloud-init: its multipart reader, YAML reader and schema. Skipped if it is not installed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from realcloudinit import CLOUD_INIT, needs_cloud_init, read_user_data

from patchlang.cloudinit import jsonops, mime, userdata
from patchlang.cloudinit.pointer import parse
from patchlang.cloudinit.userdata import PartSelector
from patchlang.values import plain

BASES = Path(__file__).parents[2] / "corpus" / "base"

pytestmark = needs_cloud_init


def user_data(name: str) -> str:
    return str(json.loads((BASES / f"{name}.cloudinit.json").read_bytes())["UserData"])


CONFIG = user_data("nocloud-cloudconfig")
MESSAGE = user_data("nocloud-mime")
NEW = ("text/x-shellscript", '90 "site".sh', "#!/bin/sh\necho > /run/x\n")
BOUNDARIES = ["===============4821903377==", "x y", "a'()+_,-./:=?b"]


def test_parts_that_are_added() -> None:
    befores = [
        "",
        CONFIG,
        MESSAGE,
        "#!/bin/sh\ntrue",
        MESSAGE.replace("\n", "\r\n"),
        *(MESSAGE.replace(BOUNDARIES[0], boundary) for boundary in BOUNDARIES[1:]),
    ]
    for content in (NEW[2], "#!/bin/sh\necho größe\n", "#!/bin/sh\n" + "x" * 2000, "--===============4821903377==\n"):
        new = (*NEW[:2], content)
        afters = [userdata.add_part(text, *new) for text in befores]
        read = read_user_data([*befores, *afters])
        for before, after in zip(read[: len(befores)], read[len(befores) :], strict=True):
            assert after[-1][:3] == new
            assert [part[2] for part in after[:-1]] == [part[2] for part in before if part[2]]


def test_a_wrapped_cloud_config_is_read_as_before() -> None:
    text = CONFIG.replace("shop-frontend", "größe")
    before, after = read_user_data([text, userdata.add_part(text, *NEW)])
    assert after[0][0] == "text/cloud-config"
    assert after[0][2:] == before[0][2:]


def test_parts_are_what_cloud_init_sees() -> None:
    (read,) = read_user_data([MESSAGE])
    ours = [(part.content_type, part.filename, part.text()) for part in mime.parse(MESSAGE).parts]
    assert [part[:3] for part in read] == ours


EDITS = [
    ("ensure", "/bootcmd/-", ["echo", 'it\'s <here> & "there"']),
    ("ensure", "/write_files/[path=/etc/site/facts.env]/content", "A=1\n\nB='x y'\n"),
    ("ensure", "/write_files/[path=/etc/motd.d/10-site]/permissions", "0600"),
    ("ensure", "/packages/-", "qemu-guest-agent"),
    ("ensure", "/users/[name=ops]/groups/-", "docker"),
    ("remove", "/users/[name=deploy]", None),
    ("ensure", "/hostname", "größe"),
    ("ensure", "/ssh_pwauth", True),
    ("ensure", "/final_message", "first\nsecond\n"),
    ("remove", "/hostname", None),
    ("ensure", "/ntp", {"enabled": True, "servers": ["192.0.2.123"]}),
]


def applied(value: Any, op: str, path: str, operand: Any) -> Any:
    return jsonops.remove(value, parse(path)) if op == "remove" else getattr(jsonops, op)(value, parse(path), operand)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cloud_init_reads_the_outcome_of_each_edit_as_we_mean_it(end: str) -> None:
    opened = userdata.open_user_data(CONFIG.replace("\n", end))
    wanted = [applied(opened.value, *edit) for edit in EDITS]
    read = read_user_data([opened.write(value) for value in wanted])
    assert [parts[0][3] for parts in read] == wanted


def test_cloud_init_reads_an_edited_part_as_we_mean_it() -> None:
    for text in (MESSAGE, MESSAGE.replace("\n", "\r\n")):
        opened = userdata.open_user_data(text, PartSelector("text/cloud-config"))
        wanted = {**opened.value, "packages": ["größe"], "x": "a\nb\n"}
        before, after = read_user_data([text, opened.write(wanted)])
        assert plain(after[0][3]) == wanted
        assert after[1:] == before[1:]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: f"{edit[0]} {edit[1]}")
def test_the_schema_still_holds(tmp_path: Path, edit: tuple[str, str, Any]) -> None:
    opened = userdata.open_user_data(CONFIG)
    file = tmp_path / "user-data"
    file.write_text(opened.write(applied(opened.value, *edit)), encoding="utf-8")
    assert CLOUD_INIT
    done = subprocess.run([CLOUD_INIT, "schema", "-c", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
