"""A fleet of VMs built from the corpus, as ``kubectl get vmi,configmap -A -o json`` and ``virsh dumpxml`` would print
it.

Names, UUIDs, MAC addresses and annotations differ from VM to VM. A third of them lacks the annotation that the patch
requires; the patch changes the others in the same way for each base in the corpus.

    python -m benchmarks.fleet 10000 FOLDER
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from .documents import ANNOTATION, BASE, WITH_CEL

BASES = ("linux-min", "numa-gpu", "windows", "edge")
SIZE = 9_000
"""Bytes of each domain and of each VMI; smaller ones from the corpus get more disks and conditions."""
NAMESPACES = 20
SIDECARS = [
    {
        "image": "registry.example.test/patchlang:0.1.0",
        "args": ["--version", "v1alpha3", "--patches", "/etc/patchlang/patches.d/baseboard.yaml"],
        "configMap": {
            "name": "patches",
            "key": "baseboard.yaml",
            "hookPath": "/etc/patchlang/patches.d/baseboard.yaml",
        },
    }
]

_DISK = '<disk type="block" device="disk"><source dev="/dev/{0}"/><target dev="vd{0}" bus="virtio"/></disk>'
_NAME = re.compile(rb"<name>[^<]*</name>")
_UUID = re.compile(rb"<uuid>[^<]*</uuid>")
_MAC = re.compile(rb"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def write(folder: Path, count: int) -> None:
    """Write ``dump.json``, and ``domains`` with a file for each VM."""
    domains = folder / "domains"
    domains.mkdir(parents=True, exist_ok=True)
    with (folder / "dump.json").open("w") as dump:
        dump.write('{\n    "apiVersion": "v1",\n    "items": [\n')
        for name, namespace, domain, vmi in fleet(count):
            (domains / f"{namespace}_{name}.xml").write_bytes(domain)
            dump.write(f"{json.dumps(vmi, indent=4)},\n")
        for number in range(NAMESPACES):
            metadata = {"name": "patches", "namespace": f"team-{number:02}"}
            config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
            dump.write(json.dumps({**config_map, "data": {"baseboard.yaml": WITH_CEL}}, indent=4))
            dump.write(",\n" if number < NAMESPACES - 1 else "\n")
        dump.write('    ],\n    "kind": "List",\n    "metadata": {"resourceVersion": ""}\n}\n')


def fleet(count: int) -> Iterator[tuple[str, str, bytes, dict[str, Any]]]:
    """Name, namespace, domain and VMI of each VM."""
    domains = {base: _grown((BASE / f"{base}.domain.xml").read_bytes()) for base in BASES}
    vmis = {base: (BASE / f"{base}.vmi.json").read_bytes() for base in BASES}
    for number in range(count):
        base = BASES[number % len(BASES)]
        name, namespace = f"vm-{number:06}", f"team-{number % NAMESPACES:02}"
        uuid = str(uuid5(NAMESPACE_DNS, name))
        mac = "02:00:" + ":".join(f"{number:08x}"[at : at + 2] for at in range(0, 8, 2))
        domain = _NAME.sub(f"<name>{namespace}_{name}</name>".encode(), domains[base], count=1)
        domain = _MAC.sub(mac.encode(), _UUID.sub(f"<uuid>{uuid}</uuid>".encode(), domain, count=1))
        vmi = json.loads(_MAC.sub(mac.encode(), vmis[base]))
        vmi["metadata"] |= {"name": name, "namespace": namespace, "uid": uuid}
        annotations = vmi["metadata"].setdefault("annotations", {})
        annotations["hooks.kubevirt.io/hookSidecars"] = json.dumps(SIDECARS)
        annotations.pop(ANNOTATION, None)
        if number % 3:
            annotations[ANNOTATION] = f"Maker {number}"
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2025-03-04T09:12:33Z", "message": ""}
        missing = max(0, SIZE - len(json.dumps(vmi, indent=4)))
        vmi["status"] = {"conditions": [condition] * (missing // len(json.dumps(condition, indent=4)))}
        yield name, namespace, domain, vmi


def _grown(domain: bytes) -> bytes:
    """A domain with disks added to reach the size."""
    missing = max(0, SIZE - len(domain))
    disks = "".join(f"\t\t{_DISK.format(f'x{number}')}\n" for number in range(missing // len(_DISK)))
    return domain.replace(b"</devices>", disks.encode() + b"\t</devices>", 1)


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
