"""Cloud-init data as a whole: from virt-launcher's request to a response that it accepts."""

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from patchlang.cloudinit import jsonops
from patchlang.cloudinit import state as cloudinit_state
from patchlang.cloudinit.pointer import parse
from patchlang.cloudinit.state import CloudInit, open_cloud_init
from patchlang.cloudinit.userdata import PartSelector
from patchlang.diagnostics import PatchError
from patchlang.document.model import Target
from patchlang.quoting import Names

BASES = Path(__file__).parents[2] / "corpus" / "base"
CONFIG = "#cloud-config\nhostname: a\n"
RECORD = {
    "DataSource": "noCloud",
    "NoCloudMetaData": {"instance-id": "i", "local-hostname": "web", "public-keys": {"0": "k"}},
    "ConfigDriveMetaData": None,
    "UserData": CONFIG,
    "NetworkData": "",
    "DevicesData": None,
    "VolumeName": "ci",
}


def base(name: str) -> bytes:
    return (BASES / f"{name}.cloudinit.json").read_bytes()


def encoded(**fields: Any) -> bytes:
    return json.dumps({**RECORD, **fields}, separators=(",", ":")).encode()


def opened(**fields: Any) -> CloudInit:
    return open_cloud_init(encoded(**fields))


def ensured(state: CloudInit, target: Target, path: str, value: Any, part: PartSelector | None = None) -> CloudInit:
    return state.with_value(target, jsonops.ensure(state.value(target, part), parse(path), value), part)


def refusal(call: Any) -> tuple[str, str, str | None]:
    with pytest.raises(PatchError) as e:
        call()
    found = e.value.diagnostic
    return found.rule.slug, found.message, found.help


@pytest.mark.parametrize("name", ["nocloud-cloudconfig", "nocloud-mime", "configdrive"])
def test_nothing_changed_gives_the_very_bytes(name: str) -> None:
    data = base(name)
    state = open_cloud_init(data)
    for target in Target:
        if target is not Target.USER_DATA or name != "nocloud-mime":
            state = state.with_value(target, state.value(target))
    assert state.facts()["userData"]["format"] == ("multipart" if name == "nocloud-mime" else "cloud-config")
    closed = state.close()
    assert closed.data == data
    assert closed.warnings == ()
    record = json.loads(data)
    source = json.loads(closed.no_cloud_source)
    assert (source["userData"], source.get("networkData", "")) == (record["UserData"], record["NetworkData"])


def test_the_rest_is_written_as_go_writes_it() -> None:
    data = base("nocloud-cloudconfig")
    state = ensured(open_cloud_init(data), Target.USER_DATA, "/runcmd/-", "a < b && c > d")
    before, after = data.decode(), state.close().data.decode()
    assert "a \\u003c b \\u0026\\u0026 c \\u003e d" in after
    head, _, tail = after.partition('"UserData":')
    assert before.startswith(head)
    assert before.endswith(tail[tail.index('"NetworkData":') :])
    assert "managed by team-blue" in after


def test_targets() -> None:
    state = opened(NetworkData="version: 2\n")
    state = ensured(state, Target.USER_DATA, "/packages/-", "vim")
    state = ensured(state, Target.NETWORK_DATA, "/ethernets/eth0/dhcp4", True)
    state = ensured(state, Target.META_DATA, "/local-hostname", "db")
    state = ensured(state, Target.CLOUD_INIT_DATA, "/VolumeName", "other")
    record = json.loads(state.close().data)
    assert record["UserData"] == CONFIG + "packages:\n  - vim\n"
    assert record["NetworkData"] == "version: 2\nethernets:\n  eth0:\n    dhcp4: true\n"
    assert record["NoCloudMetaData"]["local-hostname"] == "db"
    assert record["VolumeName"] == "other"


def test_edits_see_each_other_through_all_targets() -> None:
    state = ensured(opened(), Target.USER_DATA, "/a", 1)
    assert state.value(Target.CLOUD_INIT_DATA)["UserData"] == CONFIG + "a: 1\n"
    state = ensured(state, Target.CLOUD_INIT_DATA, "/UserData", "#cloud-config\nb: 2\n")
    assert state.value(Target.USER_DATA) == {"b": 2}
    state = ensured(state, Target.USER_DATA, "/c", 3)
    assert state.facts()["userData"]["value"] == {"b": 2, "c": 3}


def test_an_older_state_is_still_there() -> None:
    before = opened()
    after = ensured(before, Target.USER_DATA, "/a", 1)
    assert before.close().data == encoded()
    assert after.close().data != encoded()


def test_edits_that_undo_each_other_change_nothing() -> None:
    state = ensured(opened(), Target.USER_DATA, "/hostname", "b")
    state = ensured(state, Target.USER_DATA, "/hostname", "a")
    assert state.close().data == encoded()


def test_parts() -> None:
    part = PartSelector("text/cloud-config")
    state = ensured(open_cloud_init(base("nocloud-mime")), Target.USER_DATA, "/packages/-", "x", part)
    state = state.with_part("text/x-shellscript", "90.sh", "#!/bin/sh\n")
    text = json.loads(state.close().data)["UserData"]
    assert "  - kernel-modules-extra\n  - x\n" in text
    assert 'filename="90.sh"\n\n#!/bin/sh\n\n--===============4821903377==--\n' in text
    again = state.with_part("text/x-shellscript", "90.sh", "#!/bin/sh\n")
    assert again.close().data == state.close().data
    message = refusal(lambda: state.value(Target.NETWORK_DATA, part))[1]
    assert message == "`part` selects a part of user data, but the target is networkData"


def test_a_template_is_checked_at_once() -> None:
    state = opened(UserData="## template: jinja\n#cloud-config\na: 1\n")
    assert "this edit writes `{%` into it" in refusal(lambda: ensured(state, Target.USER_DATA, "/b", "{% x %}"))[1]


def test_empty_network_data_on_a_config_drive_becomes_json() -> None:
    fields = {"DataSource": "configDrive", "NoCloudMetaData": None, "ConfigDriveMetaData": {"instance_id": "i"}}
    state = ensured(opened(**fields), Target.NETWORK_DATA, "/links/-", {"id": "a"})
    assert json.loads(json.loads(state.close().data)["NetworkData"]) == {"links": [{"id": "a"}]}
    state = ensured(opened(), Target.NETWORK_DATA, "/version", 2)
    assert json.loads(state.close().data)["NetworkData"] == "version: 2\n"


@pytest.mark.parametrize(
    "fields",
    [
        {"DataSource": "configDrive", "NoCloudMetaData": None, "ConfigDriveMetaData": {"hostname": "x"}},
        {"NoCloudMetaData": {"hostname": "x"}},
    ],
)
def test_meta_data_is_the_one_that_is_set(fields: dict[str, Any]) -> None:
    assert opened(**fields).value(Target.META_DATA) == {"hostname": "x"}


def test_no_meta_data() -> None:
    state = opened(NoCloudMetaData=None)
    assert "no metadata" in refusal(lambda: state.value(Target.META_DATA))[1]
    assert "metaData" not in state.facts()


def test_facts() -> None:
    facts = opened(NetworkData="version: 2\n").facts()
    assert facts == {
        "dataSource": "noCloud",
        "userData": {"format": "cloud-config", "jinja": False, "text": CONFIG, "value": {"hostname": "a"}},
        "networkData": {"text": "version: 2\n", "version": 2, "value": {"version": 2}},
        "metaData": RECORD["NoCloudMetaData"],
    }


LEGACY = {"userData": CONFIG, "networkData": "version: 2\n"}


@pytest.mark.parametrize("data", [b"", b"null", b" "])
def test_the_older_field_alone(data: bytes) -> None:
    source = json.dumps(LEGACY, separators=(",", ":")).encode()
    state = open_cloud_init(data, source)
    assert state.close().no_cloud_source == source
    closed = ensured(state, Target.USER_DATA, "/a", 1).close()
    assert json.loads(closed.no_cloud_source) == {**LEGACY, "userData": CONFIG + "a: 1\n"}
    record = json.loads(closed.data)
    assert (record["UserData"], record["NetworkData"]) == (CONFIG + "a: 1\n", "version: 2\n")
    assert record["NoCloudMetaData"] is record["ConfigDriveMetaData"] is None
    assert closed.warnings == ()


def test_both_fields_say_the_same_in_the_end() -> None:
    source = b'{"secretRef": {"name": "s"}, "userData": "other", "networkData": "x"}'
    closed = open_cloud_init(encoded(), source).close()
    assert closed.data == encoded()
    assert json.loads(closed.no_cloud_source) == {"secretRef": {"name": "s"}, "userData": CONFIG, "networkData": ""}
    assert (
        open_cloud_init(encoded(), b"garbage").close().no_cloud_source
        == json.dumps({"userData": CONFIG}, separators=(",", ":")).encode()
    )


@pytest.mark.parametrize(
    ("data", "source", "rule", "message"),
    [
        (b"", b"", "bad-cloud-init-data", "the request has no cloud-init data"),
        (b"null", b"null", "bad-cloud-init-data", "the request has no cloud-init data"),
        (b"", b"garbage", "bad-cloud-init-data", "CloudInitNoCloudSource is not JSON: expecting value in line 1"),
        (b'{"UserData": secret}', b"", "bad-cloud-init-data", "CloudInitData is not JSON: expecting value in line 1"),
        (b"[]", b"", "bad-cloud-init-data", "CloudInitData is a list, not a map"),
        (b"\xff", b"", "bad-cloud-init-data", "CloudInitData is not UTF-8"),
        (b'{"a": "\\udc00"}', b"", "bad-cloud-init-data", "CloudInitData contains an unpaired surrogate"),
        (b'{"UserData": "' + b"x" * (1 << 20) + b'"}', b"", "input-too-big", "CloudInitData is too big"),
        (b"[" * 9999, b"", "bad-cloud-init-data", "CloudInitData is not JSON: nested deeper than 100"),
    ],
)
def test_bad_requests(data: bytes, source: bytes, rule: str, message: str) -> None:
    slug, found, _ = refusal(lambda: open_cloud_init(data, source))
    assert slug == rule
    assert found.startswith(message)
    assert "secret" not in found


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("/UserData", "", "UserData and NetworkData are both empty, but virt-launcher needs one of them"),
        ("/UserData", {"a": 1}, "`UserData` is a map, but virt-launcher expects text"),
        ("/userData", "x", "`userData` duplicates `UserData`: Go reads both as the same field"),
        ("/NoCloudMetaData", None, "NoCloudMetaData and ConfigDriveMetaData are both null"),
        (
            "/NoCloudMetaData/instance-id",
            7,
            "`NoCloudMetaData.instance-id` is a number, but virt-launcher expects text",
        ),
        ("/NoCloudMetaData/public-keys/1", ["k"], "`NoCloudMetaData.public-keys` contains a value that is not text"),
        ("/DataSource", "ec2", "DataSource must be `noCloud` or `configDrive`"),
        ("/DevicesData", {}, "`DevicesData` is a map, but virt-launcher expects a list"),
    ],
)
def test_what_virt_launcher_cannot_use(path: str, value: Any, message: str) -> None:
    state = ensured(opened(), Target.CLOUD_INIT_DATA, path, value)
    slug, found, _ = refusal(state.close)
    assert slug == "unusable-result"
    assert found.startswith("virt-launcher cannot use the result: " + message)


def test_empty_user_data_would_lose_the_meta_data() -> None:
    state = opened(UserData="", NetworkData="version: 2\n")
    closed = state.close()
    assert closed.data == encoded(UserData="", NetworkData="version: 2\n")
    assert "drops the hostname, the instance id, SSH keys and the volume's name" in closed.warnings[0].message
    assert not closed.warnings[0].is_error
    changed = ensured(state, Target.NETWORK_DATA, "/x", 1)
    assert "UserData is empty" in refusal(changed.close)[1]
    assert ensured(changed, Target.CLOUD_INIT_DATA, "/UserData", "#cloud-config\n").close().warnings == ()


def test_what_virt_launcher_would_drop_is_warned_of() -> None:
    state = ensured(opened(), Target.META_DATA, "/role", "web")
    closed = state.close(Names(inputs=lambda: [{"role": "web"}]))
    assert [w.message for w in closed.warnings] == [
        "virt-launcher does not know field `NoCloudMetaData.role` and drops it"
    ]
    assert "instance-id" in (closed.warnings[0].help or "")
    assert "field `NoCloudMetaData.…`" in state.close().warnings[0].message  # a name that may be a value


def test_warnings_of_user_data_come_along() -> None:
    state = ensured(opened(UserData=CONFIG + "hostname: b\n"), Target.USER_DATA, "/x", 1)
    names = Names(["{path: /hostname}"])
    assert "key `hostname` in line 2 of user data has no effect" in state.close(names).warnings[0].message
    assert "key `…` in line 2 of user data has no effect" in state.close().warnings[0].message


def test_texts_that_are_no_text() -> None:
    assert "UserData is a map, not text" in refusal(lambda: opened(UserData={}).value(Target.USER_DATA))[1]
    assert opened(UserData=None).value(Target.USER_DATA) == {}


def test_targets_that_must_stay_maps() -> None:
    for target in Target:
        state = opened(NetworkData="version: 2\n")
        assert "must remain a map" in refusal(lambda: state.with_value(target, [1]).close())[1]  # noqa: B023


def test_too_many_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudinit_state, "MAX_EDITS", 3)
    state = opened()
    for _ in range(3):
        state = ensured(state, Target.USER_DATA, "/l/-", "x")
    assert refusal(lambda: ensured(state, Target.USER_DATA, "/l/-", "x"))[0] == "limit-reached"


def test_an_answer_that_does_not_fit_one_message() -> None:
    state = ensured(opened(), Target.CLOUD_INIT_DATA, "/UserData", "#!" + "\x01" * 400_000)
    assert refusal(state.close)[0] == "limit-reached"


def test_no_user_data_stays_behind() -> None:
    state = ensured(opened(), Target.USER_DATA, "/password", "hunter2")
    known = state._known
    state.close()
    left = [weakref.ref(known), weakref.ref(known.read), weakref.ref(known.read._last)]
    assert "hunter2" in known.read._last.text
    gc.collect()
    gc.disable()  # no reference cycle keeps it until the next garbage collection
    try:
        del state, known
        assert [ref() for ref in left] == [None] * 3
    finally:
        gc.enable()
