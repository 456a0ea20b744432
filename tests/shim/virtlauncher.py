"""A stand-in for virt-launcher: it finds, asks and calls hook sidecars as KubeVirt does (pkg/hooks/manager.go).

It scans the folder, treats every entry except a folder as a socket, remembers sockets by file name, gives Info one
second and callbacks sixty, and opens a new connection for each call.
"""

from __future__ import annotations

import contextlib
import copy
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from lxml import etree

from shim.sockets import address
from shim.stubs import (
    info_pb2,
    info_pb2_grpc,
    v1alpha1_pb2,
    v1alpha1_pb2_grpc,
    v1alpha2_pb2,
    v1alpha2_pb2_grpc,
    v1alpha3_pb2,
    v1alpha3_pb2_grpc,
)
from shim.stubs import plugins_v1alpha1_pb2 as plugins
from shim.stubs import plugins_v1alpha1_pb2_grpc as plugins_grpc

INFO_SECONDS = 1.0
CALL_SECONDS = 60.0
PLUGIN_SECONDS = 30.0
DIAL_SECONDS = 1.0

VERSIONS: dict[str, tuple[Any, Any]] = {
    "v1alpha3": (v1alpha3_pb2, v1alpha3_pb2_grpc),
    "v1alpha2": (v1alpha2_pb2, v1alpha2_pb2_grpc),
    "v1alpha1": (v1alpha1_pb2, v1alpha1_pb2_grpc),
}


@contextlib.contextmanager
def dial(path: Path) -> Iterator[grpc.Channel]:
    """A new channel for one call; ConnectionError if nobody accepts the connection within a second."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(DIAL_SECONDS)
        try:
            probe.connect(str(path))
        except OSError as error:
            raise ConnectionError(f"nobody answers at {path}: {error}") from None
    # grpc-go uses the path as the host name.
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.default_authority", str(path)))
    with grpc.insecure_channel(address(path), options=options) as channel:
        yield channel


@dataclass(frozen=True)
class Sidecar:
    """A sidecar as described by Info."""

    path: Path
    name: str
    version: str
    hook_points: tuple[str, ...]


def ask_info(path: Path) -> info_pb2.InfoResult:
    with dial(path) as channel:
        return info_pb2_grpc.InfoStub(channel).Info(info_pb2.InfoParams(), timeout=INFO_SECONDS)


class VirtLauncher:
    """Collects the sidecars below ``directory`` (one folder, as mounted into one container) and calls them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sidecars: dict[str, Sidecar] = {}

    def collect(self, wanted: int = 1, seconds: float = 20.0, interval: float = 0.05) -> VirtLauncher:
        """Wait for ``wanted`` sockets with different names; raises TimeoutError if fewer, RpcError from Info."""
        until = time.monotonic() + seconds
        while len(self.sidecars) < wanted:
            for path in sorted(self.directory.rglob("*")):
                if time.monotonic() > until:
                    break
                if path.is_dir() or path.name in self.sidecars:
                    continue
                try:
                    info = ask_info(path)
                except ConnectionError:
                    continue
                version = next((v for v in VERSIONS if v in info.versions), None)
                if version is None:
                    raise AssertionError(f"no version that virt-launcher knows: {info.versions}")
                points = tuple(point.name for point in info.hookPoints)
                self.sidecars[path.name] = Sidecar(path, info.name, version, points)
            if time.monotonic() > until:
                raise TimeoutError(f"only {sorted(self.sidecars)} answered below {self.directory}")
            time.sleep(interval)
        return self

    @property
    def only(self) -> Sidecar:
        (sidecar,) = self.sidecars.values()
        return sidecar

    def with_hook(self, point: str) -> list[Sidecar]:
        return [s for _, s in sorted(self.sidecars.items()) if point in s.hook_points]

    def on_define_domain(self, domain: bytes, vmi: bytes) -> bytes:
        """The domain after all sidecars that registered for it, in order."""
        for sidecar in self.with_hook("OnDefineDomain"):
            domain = define_domain(sidecar.path, sidecar.version, domain, vmi)
        return domain

    def pre_cloud_init_iso(self, data: bytes, vmi: bytes) -> dict[str, Any]:
        """The data that virt-launcher uses: it calls only the first sidecar and checks the result."""
        for sidecar in self.with_hook("PreCloudInitIso"):
            result = pre_cloud_init(sidecar.path, sidecar.version, data, vmi)
            return checked(json.loads(data)["DataSource"], result.cloudInitData, result.cloudInitNoCloudSource)
        value: dict[str, Any] = json.loads(data)
        return value

    def shutdown(self) -> None:
        for sidecar in self.with_hook("Shutdown"):
            messages, services = VERSIONS[sidecar.version]
            with dial(sidecar.path) as channel:
                services.CallbacksStub(channel).Shutdown(messages.ShutdownParams(), timeout=CALL_SECONDS)

    def boot(self, domain: bytes, vmi: bytes) -> list[bytes]:
        """The results of the up to three calls of one boot, each with the result of the previous one (see below)."""
        first = self.on_define_domain(with_placeholders(domain), vmi)
        second = self.on_define_domain(read_back(domain, first), vmi)
        third = self.on_define_domain(second, vmi)
        return [first, second, third]


def define_domain(path: Path, version: str, domain: bytes, vmi: bytes, seconds: float = CALL_SECONDS) -> bytes:
    messages, services = VERSIONS[version]
    with dial(path) as channel:
        request = messages.OnDefineDomainParams(domainXML=domain, vmi=vmi)
        result = services.CallbacksStub(channel).OnDefineDomain(request, timeout=seconds)
        return bytes(result.domainXML)


def pre_cloud_init(path: Path, version: str, data: bytes, vmi: bytes, seconds: float = CALL_SECONDS) -> Any:
    """The raw result; KubeVirt also sends the older document, built from the newer one."""
    messages, services = VERSIONS[version]
    older = b""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        value = json.loads(data)
        source = {"userData": value["UserData"], "networkData": value["NetworkData"]}
        older = json.dumps({k: v for k, v in source.items() if v}, separators=(",", ":")).encode()
    with dial(path) as channel:
        request = messages.PreCloudInitIsoParams(cloudInitData=data, cloudInitNoCloudSource=older, vmi=vmi)
        return services.CallbacksStub(channel).PreCloudInitIso(request, timeout=seconds)


def mutate_domain(path: Path, domain: bytes, vmi: bytes, kind: str = "libvirt", context: str = "Boot") -> bytes:
    """As in the plugin manager: the path must not be a symbolic link."""
    assert not path.is_symlink()
    with dial(path) as channel:
        request = plugins.MutateDomainRequest(
            domain_type=kind,
            domain=domain,
            vmi=vmi,
            sidecar_context=plugins.SidecarContext(invocation_context=context),
        )
        result = plugins_grpc.DomainHookServiceStub(channel).MutateDomain(request, timeout=PLUGIN_SECONDS)
        return result.domain


def checked(data_source: str, data: bytes, source: bytes) -> dict[str, Any]:
    """preCloudInitIsoValidateResult: the newer document if it is complete, otherwise the content of the older one."""
    value = json.loads(data)
    if value and value.get("UserData") and (value.get("NoCloudMetaData") or value.get("ConfigDriveMetaData")):
        assert json.loads(source).get("userData") == value["UserData"]
        assert json.loads(source).get("networkData", "") == value.get("NetworkData", "")
        whole: dict[str, Any] = value
        return whole
    older = json.loads(source)
    return {"DataSource": data_source, "UserData": older["userData"], "NetworkData": older.get("networkData", "")}


def with_placeholders(domain: bytes) -> bytes:
    """Run 1 may see interfaces that only reserve a slot for later hotplug."""
    root = etree.fromstring(domain)
    devices = _devices(root)
    for number in range(2):
        interface = etree.fromstring(
            f'<interface type="ethernet"><target dev="placeholder-{number}" managed="no"></target>'
            '<model type="virtio-non-transitional"></model></interface>'
        )
        devices.insert(number, interface)
    return _as_go(root)


def read_back(original: bytes, patched: bytes) -> bytes:
    """Run 2 sees the devices as libvirt returns them, but interfaces and everything else as before any edit."""
    before, after = etree.fromstring(original), etree.fromstring(patched)
    devices, read = _devices(before), copy.deepcopy(_devices(after))
    for interface in read.findall("interface"):
        read.remove(interface)
    for slot, device in enumerate(read):
        if device.tag in ("disk", "controller", "video") and device.find("address") is None:
            etree.SubElement(device, "address", type="pci", slot=f"0x{slot:02x}")
    etree.SubElement(read, "controller", type="pci", index="1", model="pcie-root-port")
    for number, interface in enumerate(devices.findall("interface")):
        read.insert(number, copy.deepcopy(interface))
    before.replace(devices, read)
    return _as_go(before)


def _devices(root: Any) -> Any:
    devices = root.find("devices")
    assert devices is not None
    return devices


def _as_go(root: Any) -> bytes:
    """Formatted as in Go: indented with tabs, no self-closing tags."""
    etree.indent(root, "\t")
    for element in root.iter("*"):
        if len(element) == 0 and not element.text:
            element.text = ""
    return bytes(etree.tostring(root))
