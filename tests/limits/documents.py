"""Domains and cloud-init data of a given size, written as virt-launcher writes them, and patches for them."""

from __future__ import annotations

import json

from samples import DOMAIN

BOARD = "board-00000000"

DOMAIN_PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: board}
spec:
  when: "'board' in vmi.metadata.annotations"
  domain:
    - {op: ensure, path: /domain/os/smbios/@mode, value: sysinfo}
    - op: ensure
      path: "/domain/sysinfo[@type='smbios']/baseBoard/entry[@name='serial']"
      value: "$[ vmi.metadata.annotations['board'] ]"
    - {op: set, path: "/domain/devices/disk[target/@dev='vda']/driver/@cache", value: writeback}
"""

CLOUD_INIT_PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: greeting}
spec:
  cloudInit:
    - {op: ensure, target: userData, path: /bootcmd/-, value: [echo, "$[ vmi.metadata.annotations['board'] ]"]}
    - {op: ensure, target: userData, path: /ssh_pwauth, value: false}
"""

_HEAD = DOMAIN.partition(b"\t<devices>\n")[0] + b"\t<devices>\n"
_DISK = b"""\t\t<disk type="file" device="disk">
\t\t\t<source file="/var/run/kubevirt-private/vmi-disks/%s/disk.img"></source>
\t\t\t<target dev="%s" bus="virtio"></target>
\t\t\t<driver cache="none" error_policy="stop" name="qemu" type="raw" discard="unmap"></driver>
\t\t\t<alias name="ua-%s"></alias>
\t\t</disk>
"""
_TAIL = b"\t</devices>\n</domain>"


def vmi(board: str = BOARD) -> bytes:
    metadata = {"name": "web-01", "namespace": "lab", "annotations": {"board": board}}
    return json.dumps({"metadata": metadata, "spec": {"domain": {}}}, separators=(",", ":")).encode()


def domain(size: int) -> bytes:
    """A domain of at most ``size`` bytes, as close as whole disks allow, with at least one disk."""
    disks = [_DISK % (b"vda", b"vda", b"vda")]
    length = len(_HEAD) + len(disks[0]) + len(_TAIL)
    while True:
        name = b"disk%d" % len(disks)
        disk = _DISK % (name, name, name)
        length += len(disk)
        if length > size:
            return b"".join((_HEAD, *disks, _TAIL))
        disks.append(disk)


def cloud_init(size: int, content: int = 1500) -> bytes:
    """Cloud-init data of about ``size`` bytes: files of ``content`` bytes each, and a list of packages."""
    lines = ["#cloud-config", "hostname: web-01", "packages: [curl, jq]", "write_files:"]
    length = 400 + sum(map(len, lines))
    number = 0
    while True:
        entry = [f"  - path: /etc/app/{number}.conf", "    content: |"]
        rows = max(1, content // 60)
        entry += [f"      key{row:04d} = value of the key in row {row:04d}, file {number:06d}" for row in range(rows)]
        length += sum(len(line) + 2 for line in entry)
        if length > size:
            break
        lines += entry
        number += 1
    if number == 0:
        lines.pop()
    value = {
        "DataSource": "noCloud",
        "NoCloudMetaData": {"instance-id": "3d6a2c1e", "local-hostname": "web-01"},
        "ConfigDriveMetaData": None,
        "UserData": "\n".join(lines) + "\n",
        "NetworkData": "version: 2\nethernets:\n  eth0: {dhcp4: true}\n",
        "DevicesData": None,
        "VolumeName": "cloudinitdisk",
    }
    return json.dumps(value, separators=(",", ":")).encode()
