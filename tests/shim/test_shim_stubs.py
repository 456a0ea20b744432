"""The generated code matches ``proto/``, and ``proto/`` matches KubeVirt."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from shim.stubs import info_pb2, plugins_v1alpha1_pb2, v1alpha1_pb2, v1alpha2_pb2, v1alpha3_pb2

ROOT = Path(__file__).resolve().parents[2]

DOMAIN = {"OnDefineDomainParams": {"domainXML": 1, "vmi": 2}, "OnDefineDomainResult": {"domainXML": 1}}
CLOUD_INIT = {
    "PreCloudInitIsoParams": {"cloudInitNoCloudSource": 1, "vmi": 2, "cloudInitData": 3},
    "PreCloudInitIsoResult": {"cloudInitNoCloudSource": 1, "cloudInitData": 3},
}
CONTRACT = {
    info_pb2: (
        "kubevirt.hooks.info",
        {
            "InfoParams": {},
            "HookPoint": {"name": 1, "priority": 2},
            "InfoResult": {"name": 1, "hookPoints": 3, "versions": 4},
        },
        {"Info": ["Info"]},
    ),
    v1alpha1_pb2: ("kubevirt.hooks.v1alpha1", DOMAIN, {"Callbacks": ["OnDefineDomain"]}),
    v1alpha2_pb2: (
        "kubevirt.hooks.v1alpha2",
        {**DOMAIN, **CLOUD_INIT},
        {"Callbacks": ["OnDefineDomain", "PreCloudInitIso"]},
    ),
    v1alpha3_pb2: (
        "kubevirt.hooks.v1alpha3",
        {**DOMAIN, **CLOUD_INIT, "ShutdownParams": {}, "ShutdownResult": {}},
        {"Callbacks": ["OnDefineDomain", "PreCloudInitIso", "Shutdown"]},
    ),
    plugins_v1alpha1_pb2: (
        "kubevirt.hooks.plugins.v1alpha1",
        {
            "SidecarContext": {"invocation_context": 1},
            "MutateDomainRequest": {"domain_type": 1, "domain": 2, "vmi": 3, "sidecar_context": 4},
            "MutateDomainResponse": {"domain": 1},
        },
        {"DomainHookService": ["MutateDomain"]},
    ),
}


@pytest.mark.parametrize("module", CONTRACT, ids=lambda module: module.__name__)
def test_the_contract(module: ModuleType) -> None:
    package, messages, services = CONTRACT[module]
    file = module.DESCRIPTOR
    assert file.package == package
    fields = {n: {f.name: f.number for f in m.fields} for n, m in file.message_types_by_name.items()}
    assert fields == messages
    assert {n: [m.name for m in s.methods] for n, s in file.services_by_name.items()} == services


def test_messages_travel() -> None:
    params = v1alpha3_pb2.PreCloudInitIsoParams(cloudInitData=b"\xff", vmi=b"{}")
    assert params.SerializeToString() == b"\x12\x02{}\x1a\x01\xff"
    assert v1alpha2_pb2.PreCloudInitIsoParams.FromString(params.SerializeToString()).cloudInitData == b"\xff"


def test_the_stubs_are_fresh() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    spec = importlib.util.spec_from_file_location("generate_stubs", ROOT / "tools" / "generate_stubs.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    stale = generator.stale(ROOT / "shim" / "stubs", generator.generate())
    assert stale == [], "run tools/generate_stubs.py"
