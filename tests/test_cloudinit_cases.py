"""The cases under tests/cases/cloudinit: the effect of patches on cloud-init data, and the messages of refusals.

``tests/cases/README.md`` describes the content of a case file.
"""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from casefile import CaseFile, cases
from test_cases import Golden, golden, name, patch_files, patchlang, vmi_files

from patchlang import rules
from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.engine import patch_cloud_init
from patchlang.extract import read_vmi
from patchlang.files import source_of
from patchlang.lint.roles import SELECTING, declared, parts
from patchlang.loading import decode_source, load
from patchlang.record import MISSING
from patchlang.render import render
from patchlang.result import CloudInitOutcome
from patchlang.source import SourceFile

__all__ = ["golden"]

CASES = cases("cloudinit")
PARTS = (
    r"patch(-\w+)?\.yaml|vmi\.yaml|user-data|network-data|meta-data|record\.yaml|wrapping|(cloud-init|legacy)\.json|"
    r"expected\.(user-data|network-data|json|txt)|(warnings|trace)\.txt|not-idempotent"
)
META = {
    "noCloud": {"instance-id": "3d6a2c1e", "local-hostname": "web-01"},
    "configDrive": {"instance_id": "web-01.lab", "hostname": "web-01"},
}
TEXTS = {"user-data": "UserData", "network-data": "NetworkData"}


class Wrapping(NamedTuple):
    wrap: Callable[[bytes], bytes]
    unwrap: Callable[[bytes], bytes]


WRAPPINGS = {
    "base64": Wrapping(b64encode, b64decode),
    "gzip": Wrapping(
        lambda data: b64encode(gzip.compress(data, mtime=0)), lambda data: gzip.decompress(b64decode(data))
    ),
}


@dataclass(frozen=True)
class Case:
    """The data that virt-launcher sends, assembled from the parts of a case."""

    file: CaseFile

    def read(self, name: str) -> str | None:
        data = self.file.read(name)
        return None if data is None else data.decode()

    @property
    def wrapping(self) -> Wrapping | None:
        word = self.read("wrapping")
        return WRAPPINGS[word.strip()] if word else None

    def request(self) -> tuple[bytes, bytes]:
        """CloudInitData and CloudInitNoCloudSource."""
        data, legacy = self.read("cloud-init.json"), self.read("legacy.json")
        if data is not None or legacy is not None:
            return (data or "").encode(), (legacy or "").encode()
        record = yaml.safe_load(self.read("record.yaml") or "{}")
        source = record.get("DataSource", "noCloud")
        given = yaml.safe_load(self.read("meta-data") or "null")
        whole = {
            "DataSource": source,
            "NoCloudMetaData": (given or META["noCloud"]) if source == "noCloud" else None,
            "ConfigDriveMetaData": (given or META["configDrive"]) if source == "configDrive" else None,
            "UserData": self.text("user-data"),
            "NetworkData": self.text("network-data"),
            "DevicesData": None,
            "VolumeName": "cloudinitdisk",
        }
        return json.dumps({**whole, **record}, separators=(",", ":")).encode(), b""

    def patches(self) -> list[SourceFile]:
        return [source_of(part.name, part.data) for part in self.file.named(r"patch.*\.yaml")]

    def vmi(self) -> bytes:
        data = self.file.read("vmi.yaml")
        return b"{}" if data is None else read_vmi(data)

    def text(self, name: str) -> str:
        text = self.read(name) or ""
        return self.wrapping.wrap(text.encode()).decode() if self.wrapping and text else text

    def unwrapped(self, text: str | None) -> str:
        return self.wrapping.unwrap((text or "").encode()).decode() if self.wrapping and text else text or ""

    def check(self, golden: Golden, before: bytes, outcome: CloudInitOutcome) -> None:
        """Compares the changes with the parts of the case: the two texts, and everything else as JSON."""
        assert outcome.data is not None
        assert outcome.no_cloud_source is not None
        old, new = json.loads(before or b"{}") or {}, json.loads(outcome.data)
        changed = {key: new.get(key) for key in {**old, **new} if new.get(key) != old.get(key)}
        for file, field in TEXTS.items():
            text = self.unwrapped(changed.pop(field)) if changed.get(field) else ""
            golden.check(self.file, f"expected.{file}", text.encode())
        rest = json.dumps(changed, indent=2, ensure_ascii=False) + "\n" if changed else ""
        golden.check(self.file, "expected.json", rest.encode())
        same = all(old.get(key) == new.get(key) for key in {*old, *new})
        assert (outcome.data == before) == same, "the same data must be the same bytes"
        legacy = json.loads(outcome.no_cloud_source)
        for key, field in (("userData", "UserData"), ("networkData", "NetworkData")):
            assert (legacy.get(key) or "") == (new.get(field) or ""), "both fields must have the same value"


@pytest.mark.parametrize("file", CASES, ids=name)
def test_case(
    file: CaseFile,
    golden: Golden,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(file.unpack(tmp_path / "case"))
    case, files = Case(file), patch_files()
    data, legacy = case.request()
    loaded = load(files)
    if loaded.program is None:
        golden.check(file, "expected.txt", render(loaded.diagnostics).encode())
        return
    outcome = patch_cloud_init(loaded.program, data, legacy, case.vmi())
    said = render(outcome.diagnostics).encode()
    golden.check(file, "expected.txt", said if outcome.data is None else b"")
    golden.check(file, "warnings.txt", b"" if outcome.data is None else said)
    if data and not legacy and outcome.data is not None:
        given = tmp_path / "cloud-init.json"
        given.write_bytes(data)
        options = [arg for patch in files for arg in ("-p", str(patch))]
        vmis = [arg for vmi in vmi_files() for arg in ("--vmi", str(vmi))]
        args = ["apply", *options, "--cloud-init", str(given), *vmis, "--no-validate"]
        run = patchlang(args, capsysbinary, monkeypatch)
        note = "" if loaded.program.edits_cloud_init else f"note: the patches only edit a domain, but {given} is "
        note += "cloud-init data\n" if note else ""
        assert run == (0, outcome.data, note.encode() + said), "the command line says the same"
        if "trace.txt" in file:
            golden.check(file, "trace.txt", patchlang([*args, "--trace"], capsysbinary, monkeypatch).stderr)
    if outcome.data is None:
        assert not file.named(r"expected\.[^t].*"), "a refused run has no result"
        return
    case.check(golden, data, outcome)
    again = patch_cloud_init(loaded.program, outcome.data, outcome.no_cloud_source or b"", case.vmi())
    if "not-idempotent" in file:
        assert again.data != outcome.data, "the case is idempotent: remove its part `not-idempotent`"
    else:
        assert again.data is not None, render(again.diagnostics)
        assert again.data.decode() == outcome.data.decode()
        assert again.no_cloud_source == outcome.no_cloud_source


DOCUMENTS = [file for file in CASES if file.name.startswith("document-")]
"""Cloud-init data as people write it, with null, wrappers and parts, and one patch: ``base/site.patch.yaml``."""


def site_user_data(text: str) -> list[Any]:
    """The cloud-configs in user data as this patch should change them, computed in plain Python."""
    wanted = []
    for data in cloud_configs_of(text):
        data = {**(data or {})}
        data["packages"] = [*(data.get("packages") or []), "qemu-guest-agent"]
        data["runcmd"] = [["mkdir", "-p", "/srv"], *(data.get("runcmd") or [])]
        users = [*(data.get("users") or [])]
        if not any(isinstance(user, dict) and user.get("name") == "ops" for user in users):
            users.append({"name": "ops"})
        data["users"] = [
            {**user, "groups": [group for group in user.get("groups") or [] if group != "adm"] + ["adm"]}
            if isinstance(user, dict) and user["name"] == "ops"
            else user
            for user in users
        ]
        data["ntp"] = {**(data.get("ntp") or {}), "enabled": True}
        if data.get("bootcmd"):
            data["bootcmd"] = [*data["bootcmd"], "echo site"]
        wanted.append(data)
    return wanted


def cloud_configs_of(text: str) -> list[Any]:
    if text.startswith("MIME-Version"):
        parts = [part.get_payload() for part in message_from_string(text).walk() if not part.is_multipart()]
    elif text.startswith("#cloud-config-archive"):
        parts = [entry["content"] if isinstance(entry, dict) else entry for entry in yaml.safe_load(text) if entry]
    else:
        parts = [text]
    return [yaml.safe_load(part) for part in parts if not part.startswith("#!")]


def site_network_data(text: str) -> Any:
    whole = yaml.safe_load(text)
    data = {**((whole.get("network") or {}) if "network" in whole else whole)}
    if data.get("version") == 1:
        first, *rest = data["config"]
        data["config"] = [{**first, "subnets": [*(first["subnets"] or []), {"type": "dhcp6"}]}, *rest]
    else:
        links = data.get("ethernets") or {}
        first = links.get("eth0") or {}
        first = {**first, "mtu": 9000, "addresses": [*(first.get("addresses") or []), "192.0.2.7/24"]}
        data = {**data, "version": 2, "ethernets": {**links, "eth0": first}}
    return {**whole, "network": data} if "network" in whole else data


@pytest.mark.parametrize("file", DOCUMENTS, ids=name)
def test_documents_say_what_the_patch_wants(file: CaseFile) -> None:
    case = Case(file)
    before, after = case.read("user-data") or "", case.read("expected.user-data") or ""
    assert cloud_configs_of(after) == site_user_data(before)
    if (text := case.read("network-data")) is not None:
        assert yaml.safe_load(case.read("expected.network-data") or "") == site_network_data(text)


def test_there_are_documents() -> None:
    assert len(DOCUMENTS) >= 40


def applied() -> list[model.CloudInitEdit]:
    sources = [source for file in CASES if "expected.txt" not in file for source in Case(file).patches()]
    return [edit for source in sources for patch in decode_source(source)[0] for edit in patch.spec.cloud_init]


def test_every_part_is_one_that_a_case_may_have() -> None:
    stray = {f"{file.name}: {part}" for file in CASES for part in file.parts if not re.fullmatch(PARTS, part)}
    assert stray == set()


def test_every_field_of_every_op_has_a_case() -> None:
    """An edit covers every key that differs from its default."""
    edits = applied()
    wanted = {(op, key) for op, cls in model.CLOUD_INIT_OPS.items() for key in model_fields(cls)}
    # decode refuses them: addPart names its part itself
    wanted -= {("addPart", "part"), ("addPart", "unless"), ("addPart", "expect")}
    seen = {
        (op, key)
        for op, cls in model.CLOUD_INIT_OPS.items()
        for edit in edits
        if isinstance(edit, cls)
        for key, (field, _) in model_fields(cls).items()
        if field.default is MISSING or getattr(edit, field.name) != field.default
    }
    assert wanted - seen == set()


def test_every_op_on_every_target_and_every_position_has_a_case() -> None:
    edits = applied()
    placed = (*SELECTING, model.Role.MAKES)
    ops = [op for op in model.CLOUD_INIT_OPS.values() if any(one.role in placed for one in declared(op))]
    wanted: set[Any] = {(op, target) for op in ops for target in model.Target} | set(model.ListPosition)
    seen: set[Any] = {(type(edit), edit.target) for edit in edits}
    seen |= {part.value for edit in edits for part in parts(edit) if part.role is model.Role.POSITION}
    assert wanted - seen == set()


def test_every_rule_that_belongs_here_has_a_case() -> None:
    shown = "".join(part.text for file in CASES for part in file.named(r"(expected|warnings)\.txt"))
    seen = set(re.findall(r"\[(PL[0-9]{3}) ", shown))
    wanted = {
        rules.AMBIGUOUS, rules.AMBIGUOUS_SCALAR, rules.BAD_CLOUD_INIT, rules.BAD_POINTER, rules.FORMAT, rules.IGNORED,
        rules.MATCH_COUNT, rules.OPERATION, rules.TEST_FAILED, rules.UNUSABLE_RESULT,
    }  # fmt: skip
    assert {rule.id for rule in wanted} - seen == set()
