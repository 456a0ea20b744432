"""Judged by the real cloud-init: its multipart reader, its YAML reader, its schema. Skipped where it is missing."""

import json
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from patchlang import jsonops, mime, userdata
from patchlang.data import plain
from patchlang.pointer import parse
from patchlang.userdata import Selector

CLOUD_INIT = shutil.which("cloud-init")
BASES = Path(__file__).parents[1] / "corpus" / "base"

pytestmark = pytest.mark.skipif(CLOUD_INIT is None, reason="cloud-init is not installed")

READER = """
import base64, json, sys
from cloudinit import helpers, user_data, util
paths = helpers.Paths({"cloud_dir": sys.argv[1], "run_dir": sys.argv[1]})
results = []
for text in json.load(sys.stdin):
    found = []
    for part in user_data.UserDataProcessor(paths).process(base64.b64decode(text)).walk():
        if part.get_content_maintype() != "multipart":
            content = util.fully_decoded_payload(part)
            value = util.load_yaml(content) if part.get_content_type() == "text/cloud-config" else None
            found.append([part.get_content_type(), part.get_filename(), content, value])
    results.append(found)
print(json.dumps(results, default=str))
"""


def user_data(name: str) -> str:
    return str(json.loads((BASES / f"{name}.cloudinit.json").read_bytes())["UserData"])


def as_cloud_init_reads(texts: list[str], folder: Path) -> list[list[list[Any]]]:
    """For each text its parts: type, name, content, and the data of a cloud-config."""
    assert CLOUD_INIT
    python = Path(CLOUD_INIT).read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").split()
    encoded = json.dumps([b64encode(text.encode()).decode() for text in texts])
    command = [*python, "-c", READER, str(folder)]
    return list(json.loads(subprocess.run(command, input=encoded, capture_output=True, text=True, check=True).stdout))


CONFIG = user_data("nocloud-cloudconfig")
MESSAGE = user_data("nocloud-mime")
NEW = ("text/x-shellscript", '90 "site".sh', "#!/bin/sh\necho > /run/x\n")
BOUNDARIES = ["===============4821903377==", "x y", "a'()+_,-./:=?b"]


def test_parts_that_are_added(tmp_path: Path) -> None:
    befores = ["", CONFIG, MESSAGE, "#!/bin/sh\ntrue", MESSAGE.replace("\n", "\r\n"),
               *(MESSAGE.replace(BOUNDARIES[0], boundary) for boundary in BOUNDARIES[1:])]
    for content in (NEW[2], "#!/bin/sh\necho größe\n", "#!/bin/sh\n" + "x" * 2000, "--===============4821903377==\n"):
        new = (*NEW[:2], content)
        afters = [userdata.add_part(text, *new) for text in befores]
        read = as_cloud_init_reads([*befores, *afters], tmp_path)
        for before, after in zip(read[: len(befores)], read[len(befores) :], strict=True):
            assert after[-1][:3] == list(new)
            assert [part[2] for part in after[:-1]] == [part[2] for part in before if part[2]]


def test_a_wrapped_cloud_config_is_read_as_before(tmp_path: Path) -> None:
    text = CONFIG.replace("shop-frontend", "größe")
    before, after = as_cloud_init_reads([text, userdata.add_part(text, *NEW)], tmp_path)
    assert after[0][0] == "text/cloud-config"
    assert after[0][2:] == before[0][2:]


def test_parts_are_what_cloud_init_sees(tmp_path: Path) -> None:
    (read,) = as_cloud_init_reads([MESSAGE], tmp_path)
    ours = [[part.content_type, part.filename, part.text()] for part in mime.parse(MESSAGE).parts]
    assert [part[:3] for part in read] == ours


EDITS = [
    ("ensure", "/bootcmd/-", ["echo", "it's <here> & \"there\""]),
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
def test_cloud_init_reads_the_outcome_of_each_edit_as_we_mean_it(tmp_path: Path, end: str) -> None:
    opened = userdata.open_user_data(CONFIG.replace("\n", end))
    wanted = [applied(opened.value, *edit) for edit in EDITS]
    read = as_cloud_init_reads([opened.write(value) for value in wanted], tmp_path)
    assert [parts[0][3] for parts in read] == wanted


def test_cloud_init_reads_an_edited_part_as_we_mean_it(tmp_path: Path) -> None:
    for text in (MESSAGE, MESSAGE.replace("\n", "\r\n")):
        opened = userdata.open_user_data(text, Selector("text/cloud-config"))
        wanted = {**opened.value, "packages": ["größe"], "x": "a\nb\n"}
        before, after = as_cloud_init_reads([text, opened.write(wanted)], tmp_path)
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
