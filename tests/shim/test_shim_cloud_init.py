"""Cloud-init edits over a real socket: the same bytes as the command line, and results that virt-launcher accepts."""

from __future__ import annotations

import itertools
import json
from typing import Any

import grpc
import pytest
import test_corpus
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, VMI
from shimprocess import Shim

VERSIONS = ("v1alpha2", "v1alpha3")
CASES = {case: list(runs) for case, runs in itertools.groupby(test_corpus.runs(), lambda run: run.case)}
SECRET = "#cloud-config\npassword: hunter2\n"
UNUSABLE = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: unusable}
spec:
  cloudInit:
    - {op: ensure, target: userData, path: /a, value: 1}
    - {op: replace, target: metaData, path: /instance-id, value: 7}
"""
REFUSED = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: refused}
spec:
  cloudInit:
    - {op: test, target: userData, path: /password, value: other}
"""
WARNING = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: role}
spec:
  cloudInit:
    - {op: ensure, target: metaData, path: /role, value: web}
"""


def call(shim: Shim, version: str, data: bytes, source: bytes, vmi: bytes = VMI) -> Any:
    messages, services = virtlauncher.VERSIONS[version]
    sidecar = shim.start(version=version).launcher().only
    with virtlauncher.dial(sidecar.path) as channel:
        request = messages.PreCloudInitIsoParams(cloudInitData=data, cloudInitNoCloudSource=source, vmi=vmi)
        return services.CallbacksStub(channel).PreCloudInitIso(request, timeout=virtlauncher.CALL_SECONDS)


@pytest.mark.parametrize("case", [case for case, runs in CASES.items() if not runs[0].domain])
def test_the_corpus(shim: Shim, case: str) -> None:
    """virt-launcher accepts each run, and the bytes match the engine's."""
    shim.patch((test_corpus.PATCHES / f"{case}.yaml").read_text())
    launcher = shim.start(version="v1alpha3").launcher()
    for run in CASES[case]:
        wanted, _ = test_corpus.attempt(run, run.data)
        if wanted is None:
            with pytest.raises(grpc.RpcError) as caught:
                launcher.pre_cloud_init_iso(run.data, run.vmi)
            assert caught.value.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
            continue
        result = virtlauncher.pre_cloud_init(launcher.only.path, "v1alpha3", run.data, run.vmi)
        assert result.cloudInitData == wanted
        taken = launcher.pre_cloud_init_iso(run.data, run.vmi)
        assert taken["UserData"] == json.loads(wanted)["UserData"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("newer", [b"", b"null"])
def test_the_older_message_alone(shim: Shim, version: str, newer: bytes) -> None:
    shim.patch(CLOUD_INIT_PATCH)
    result = call(shim, version, newer, b'{"userData":"#cloud-config\\n","networkData":"version: 2\\n"}')
    assert json.loads(result.cloudInitNoCloudSource) == {
        "userData": "#cloud-config\nbootcmd:\n  - [echo, patched]\n",
        "networkData": "version: 2\n",
    }
    data = json.loads(result.cloudInitData)
    assert (data["DataSource"], data["NetworkData"]) == ("noCloud", "version: 2\n")


@pytest.mark.parametrize("version", VERSIONS)
def test_both_messages_say_the_same(shim: Shim, version: str) -> None:
    shim.patch(CLOUD_INIT_PATCH)
    result = call(shim, version, CLOUD_INIT, b'{"userData":"something else"}')
    assert json.loads(result.cloudInitNoCloudSource)["userData"] == json.loads(result.cloudInitData)["UserData"]


@pytest.mark.parametrize(
    ("patch", "words"), [(UNUSABLE, "`NoCloudMetaData.instance-id` is a number"), (REFUSED, "text at `/password`")]
)
def test_the_status_says_what_is_wrong_and_no_secret(shim: Shim, patch: str, words: str) -> None:
    shim.patch(patch)
    data = json.dumps({**json.loads(CLOUD_INIT), "UserData": SECRET}).encode()
    with pytest.raises(grpc.RpcError) as caught:
        call(shim, "v1alpha3", data, b"")
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    said = caught.value.details()
    assert words in said
    assert "patch.yaml:" in said
    assert ", cloudInit[" in said
    assert len(said.encode()) < 1024
    assert "hunter2" not in said + shim.text


def test_warnings_are_in_the_log(shim: Shim) -> None:
    shim.patch(WARNING)
    call(shim, "v1alpha3", CLOUD_INIT, b"")
    (warning,) = [line for line in shim.lines if line["level"] == "warning"]
    assert "virt-launcher does not know field `NoCloudMetaData.role` and drops it" in warning["msg"]
