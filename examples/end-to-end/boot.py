"""Boot a domain that the sidecar patched, and let the guest report what it sees.

The script starts the shim with two patches and calls it over its socket as virt-launcher does; libvirt boots the result
under emulation. Before that it boots the original domain, to show that the patches make the difference.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import grpc
import machine

from patchlang.extract import read_vmi
from shim.stubs import v1alpha3_pb2, v1alpha3_pb2_grpc

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from demo import mount_config_map, wait_for_socket  # noqa: E402

SMBIOS = HERE.parent / "patches" / "smbios-annotation"
PATCHES = {"10-smbios.yaml": SMBIOS / "patch.yaml", "20-inside.yaml": HERE / "inside.yaml"}
DOMAIN = SMBIOS / "domain.xml"
VMI = HERE / "vmi.yaml"
EXPECTED = (
    "board_vendor Radical Edward",
    "serial vda containerdisk",
    "serial vdb cloudinitdisk",
    "fw_cfg opt/test.example/rack rack-7",
)


class Guests:
    """A folder to boot domains in, with its kernel and its libvirt."""

    def __init__(self, folder: Path, libvirt: machine.Libvirt) -> None:
        self.kernel = machine.fetch_kernel(folder)
        self.initramfs = machine.make_initramfs(folder, self.kernel)
        self.libvirt = libvirt

    def boot(self, domain: bytes) -> list[str]:
        return self.libvirt.boot(machine.bootable(domain, self.libvirt.folder, self.kernel, self.initramfs))


def patched_by_the_shim(domain: bytes, vmi: bytes, folder: Path) -> bytes:
    """The sidecar's answer to ``OnDefineDomain``; ``folder`` holds its patches and its socket."""
    mount, sockets = folder / "patches", folder / "sockets"
    mount_config_map(mount, {name: path.read_bytes() for name, path in PATCHES.items()})
    sockets.mkdir()
    command = [sys.executable, "-m", "shim", "--version", "v1alpha3"]
    command += ["--patches", str(mount), "--socket-dir", str(sockets)]
    shim = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "CONTAINER_NAME": "hook-sidecar-0"})
    try:
        with grpc.insecure_channel(f"unix://{wait_for_socket(sockets, shim)}") as channel:
            stub = v1alpha3_pb2_grpc.CallbacksStub(channel)
            request = v1alpha3_pb2.OnDefineDomainParams(domainXML=domain, vmi=vmi)
            return bytes(stub.OnDefineDomain(request, timeout=60).domainXML)
    finally:
        shim.send_signal(signal.SIGTERM)
        shim.communicate(timeout=10)


def unseen(said: Sequence[str]) -> list[str]:
    """The lines expected from a guest that it did not print."""
    return [line for line in EXPECTED if line not in said]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, help="keep kernel, initramfs and logs here (default: a temporary folder)"
    )
    arguments = parser.parse_args()
    if missing := machine.missing_packages():
        print(f"needs Debian packages: apt-get install --no-install-recommends {' '.join(missing)}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="boot-") as scratch:
        folder = arguments.folder.resolve() if arguments.folder else Path(scratch, "guests")
        folder.mkdir(parents=True, exist_ok=True)
        for path in (Path(scratch), folder):
            path.chmod(0o755)  # root runs libvirt as nobody
        try:
            return boot_both(Guests(folder, machine.Libvirt(folder / "v")), Path(scratch))
        except machine.MachineError as error:
            print(error, file=sys.stderr)
            return 3


def boot_both(guests: Guests, folder: Path) -> int:
    domain = DOMAIN.read_bytes()
    before = guests.boot(domain)
    after = guests.boot(patched_by_the_shim(domain, read_vmi(VMI.read_bytes()), folder))
    print(f"{guests.libvirt.version()}: what the guest says")
    print("as KubeVirt made it:", *before, sep="\n  ")
    print("as the sidecar patched it:", *after, sep="\n  ")
    if missing := unseen(after):
        print("the patched guest does not say:", *missing, sep="\n  ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
