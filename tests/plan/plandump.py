"""Dumps for the tests of `patchlang plan`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ANNOTATION = "hooks.kubevirt.io/hookSidecars"
DOMAIN = """\
<domain>
  <name>{namespace}_{name}</name>
  <uuid>{uuid}</uuid>
  <devices>
    <disk type="block" device="disk">
      <source dev="/dev/{name}"/>
      <target dev="vda" bus="virtio"/>
      <driver name="qemu" cache="none"/>
    </disk>
    <interface type="ethernet">
      <mac address="{mac}"/>
      <alias name="ua-default"/>
    </interface>
  </devices>
</domain>
"""
TITLE = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: title}
spec:
  when: "'example.test/title' in vmi.metadata.annotations"
  domain:
    - {op: ensure, path: /domain/title, value: "$[ vmi.metadata.annotations['example.test/title'] ]"}
    - {op: set, path: /domain/devices/disk/driver/@cache, value: writeback}
"""


def sidecar(name: str = "patches", key: str = "patch.yaml", **fields: Any) -> dict[str, Any]:
    path = f"/etc/patchlang/patches.d/{key}"
    return {
        "image": "registry.example.test/patchlang:0.1.0",
        "args": ["--version", "v1alpha3", "--patches", path],
        "configMap": {"name": name, "key": key, "hookPath": path},
        **fields,
    }


def vmi(
    name: str, *sidecars: Mapping[str, Any], labels: Any = None, namespace: str = "lab", **more: str
) -> dict[str, Any]:
    annotations = {f"example.test/{key}": value for key, value in more.items()}
    if sidecars:
        annotations[ANNOTATION] = json.dumps(sidecars)
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": annotations}
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": metadata, "spec": {}}


def vm(one: dict[str, Any]) -> dict[str, Any]:
    """A VirtualMachine that has this VMI after its next start."""
    metadata = {key: one["metadata"][key] for key in ("labels", "annotations")}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {key: one["metadata"][key] for key in ("name", "namespace")},
        "spec": {"template": {"metadata": metadata, "spec": one["spec"]}},
    }


def config_map(name: str = "patches", namespace: str = "lab", **data: str) -> dict[str, Any]:
    keys = {key.replace("_", "."): text for key, text in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": keys}


def domain(one: dict[str, Any], text: str = DOMAIN) -> str:
    name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
    number = sum(map(ord, name))
    uuid, mac = f"{number:08x}-0000-4000-8000-000000000000", f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"
    return text.format(name=name, namespace=namespace, uuid=uuid, mac=mac)


def write(folder: Path, *objects: dict[str, Any], domains: bool = True, form: str = "json") -> None:
    """``dump.json`` or ``dump.yaml``, and in ``domains`` a domain for each VMI."""
    listed = {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}}
    text = json.dumps(listed, indent=4) if form == "json" else yaml.safe_dump(listed)
    (folder / f"dump.{form}").write_text(f"{text}\n")
    (folder / "domains").mkdir(exist_ok=True)
    for one in objects:
        if domains and one["kind"] == "VirtualMachineInstance":
            metadata = one["metadata"]
            (folder / "domains" / f"{metadata['namespace']}_{metadata['name']}.xml").write_text(domain(one))
