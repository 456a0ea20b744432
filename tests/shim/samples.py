"""Documents that the tests send, in virt-launcher's format."""

from __future__ import annotations

import json
from typing import Any

MANUFACTURER = "Radical Edward"
ENTRY = f'<entry name="manufacturer">{MANUFACTURER}</entry>'

DOMAIN = b"""<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
\t<name>lab_web-01</name>
\t<memory unit="b">2147483648</memory>
\t<os>
\t\t<type arch="x86_64" machine="q35">hvm</type>
\t\t<smbios mode="sysinfo"></smbios>
\t</os>
\t<sysinfo type="smbios">
\t\t<system>
\t\t\t<entry name="family">KubeVirt&#39;s</entry>
\t\t</system>
\t\t<bios></bios>
\t\t<baseBoard></baseBoard>
\t\t<chassis></chassis>
\t</sysinfo>
\t<devices>
\t\t<interface type="ethernet">
\t\t\t<target dev="tap0" managed="no"></target>
\t\t\t<mac address="02:00:00:5e:10:01"></mac>
\t\t\t<alias name="ua-default"></alias>
\t\t</interface>
\t\t<disk type="file" device="disk">
\t\t\t<source file="/var/run/disk.img"></source>
\t\t\t<target dev="vda" bus="virtio"></target>
\t\t</disk>
\t</devices>
</domain>"""

VMI_VALUE: dict[str, Any] = {
    "kind": "VirtualMachineInstance",
    "apiVersion": "kubevirt.io/v1",
    "metadata": {"name": "web-01", "namespace": "lab", "annotations": {"owner": "team-blue"}},
    "spec": {"domain": {}},
    "status": {},
}
VMI = json.dumps(VMI_VALUE).encode()

CLOUD_INIT_VALUE: dict[str, Any] = {
    "DataSource": "noCloud",
    "NoCloudMetaData": {"instance-id": "3d6a2c1e", "local-hostname": "web-01"},
    "ConfigDriveMetaData": None,
    "UserData": "#cloud-config\nhostname: shop\n",
    "NetworkData": "",
    "DevicesData": None,
    "VolumeName": "cloudinitdisk",
}
CLOUD_INIT = json.dumps(CLOUD_INIT_VALUE).encode()

PATCH = f"""\
apiVersion: patchlang/v1
kind: Patch
metadata:
  name: baseboard
spec:
  domain:
    - op: ensure
      path: /domain/sysinfo[@type='smbios']/baseBoard/entry[@name='manufacturer']
      value: {MANUFACTURER}
    - op: set
      path: /domain/devices/disk[target/@dev='vda']/@device
      value: lun
"""

CLOUD_INIT_PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata:
  name: greeting
spec:
  cloudInit:
    - op: ensure
      target: userData
      path: /bootcmd/-
      value: [echo, patched]
"""

FAILING_PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata:
  name: needs-a-tpm
spec:
  domain:
    - op: set
      path: /domain/devices/tpm/@model
      value: tpm-crb
"""


def patched(domain: bytes) -> bytes:
    """The result of the tests' executables for ``domain``."""
    return domain.replace(b"<baseBoard></baseBoard>", f"<baseBoard>{ENTRY}</baseBoard>".encode())
