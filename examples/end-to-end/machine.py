"""A machine that needs no cluster, no KVM and no installation: a kernel, an initramfs, and libvirt without its daemon.

Everything is in one folder. The kernel is Debian's, only downloaded and unpacked; the initramfs has busybox, `init` and
the few modules that it loads; libvirt's QEMU driver runs inside virsh (`qemu:///embed`) and emulates the CPU.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from lxml import etree

Element: TypeAlias = Any

HERE = Path(__file__).parent
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# in loading order
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "qemu_fw_cfg",
)
BUSYBOX = Path("/bin/busybox")
DRIVERS = "libvirt/connection-driver/libvirt_driver_qemu.so"
BOOT_SECONDS = 180  # emulated, on a busy machine
END = "guest: end"


class MachineError(Exception):
    """There is no machine; the message says why, and what to do."""


def missing_packages() -> list[str]:
    """The Debian packages that are missing and needed to boot."""
    static = BUSYBOX.exists() and b"/ld-linux" not in BUSYBOX.read_bytes()
    found = {
        "busybox-static": static,
        "dpkg": shutil.which("dpkg-deb") is not None,
        "libvirt-clients": shutil.which("virsh") is not None,
        "libvirt-daemon": Path("/usr/sbin/libvirtd").exists(),
        "libvirt-daemon-driver-qemu": any(Path("/usr/lib").glob(f"*/{DRIVERS}")),
        "qemu-system-x86": shutil.which("qemu-system-x86_64") is not None,
    }
    return [package for package, there in found.items() if not there]


# -- what boots --------------------------------------------------------------------------------------------------------


def fetch_kernel(folder: Path) -> Path:
    """Unpack the kernel package below ``folder``, without installing anything."""
    unpacked = folder / "kernel"
    if not unpacked.exists():
        depends = _run("apt-cache", "depends", KERNEL_PACKAGE).splitlines()
        package = next((line.split()[1] for line in depends if line.strip().startswith("Depends: linux-image")), None)
        if package is None:
            raise MachineError(f"apt does not know {KERNEL_PACKAGE}: run `apt-get update` first, on Debian for amd64")
        _run("apt-get", "--quiet", "-o", "APT::Sandbox::User=root", "download", package, cwd=folder)
        (archive,) = folder.glob(f"{package}_*.deb")
        _run("dpkg-deb", "--extract", str(archive), str(unpacked))
        archive.unlink()
    return unpacked


def make_initramfs(folder: Path, kernel: Path) -> Path:
    tree, image = folder / "initramfs", folder / "initramfs.cpio"
    for name in ("bin", "dev", "modules", "proc", "sys"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(BUSYBOX, tree / "bin" / "busybox")
    shutil.copy(HERE / "init", tree / "init")
    (tree / "init").chmod(0o755)
    for number, module in enumerate(MODULES):
        (file,) = kernel.rglob(f"{module}.ko")
        shutil.copy(file, tree / "modules" / f"{number}-{module}.ko")
    names = "\n".join(sorted(str(path.relative_to(tree)) for path in tree.rglob("*")))
    with image.open("wb") as file:
        command = [str(BUSYBOX), "cpio", "-o", "-H", "newc"]
        subprocess.run(command, cwd=tree, input=names.encode(), stdout=file, stderr=subprocess.DEVNULL, check=True)
    return image


# -- libvirt -----------------------------------------------------------------------------------------------------------


class Libvirt:
    """libvirt's QEMU driver inside virsh; its files are below ``folder``, whose path should be short.

    As root, it would look for a dedicated user to run QEMU, so root becomes nobody for it. Run one virsh at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._prefix: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
            self._prefix = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

    @property
    def command(self) -> list[str]:
        environment = ["env", "-i", f"PATH={os.defpath}", f"HOME={self.folder}", "LC_ALL=C.UTF-8"]
        return [*self._prefix, *environment, "virsh", "--quiet", "--connect", f"qemu:///embed?root={self.folder}"]

    def virsh(self, *commands: str) -> subprocess.CompletedProcess[str]:
        done = [*self.command, "; ".join(commands)]
        return subprocess.run(done, cwd="/", capture_output=True, text=True, check=False, timeout=BOOT_SECONDS)

    def version(self) -> str:
        """`libvirt 9.0.0, QEMU 7.2.22`."""
        text = self.virsh("version").stdout
        library, hypervisor = (re.search(rf"^{what}: \w+ ([\d.]+)", text, re.MULTILINE) for what in _VERSIONS)
        if library is None or hypervisor is None:
            raise MachineError(f"virsh does not tell its version: {text}")
        return f"libvirt {library[1]}, QEMU {hypervisor[1]}"

    @contextmanager
    def running(self, domain: bytes) -> Iterator[subprocess.Popen[bytes]]:
        """The virsh that runs the machine, and stops it at the end."""
        file, log = self.folder / "domain.xml", self.folder / "virsh.log"
        file.write_bytes(domain)
        name = etree.fromstring(domain).findtext("name")
        with log.open("wb") as output:
            virsh = subprocess.Popen(self.command, cwd="/", stdin=subprocess.PIPE, stdout=output, stderr=output)
        try:
            assert virsh.stdin is not None
            virsh.stdin.write(f"create {file}\n".encode())
            virsh.stdin.flush()
            yield virsh
        finally:
            virsh.communicate(f"destroy '{name}'\nquit\n".encode(), timeout=60)

    def boot(self, domain: bytes) -> list[str]:
        """The guest's output on its serial console, which ``bootable`` redirected to a file."""
        serial = self.folder / "serial.log"
        serial.unlink(missing_ok=True)
        until = time.monotonic() + BOOT_SECONDS
        with self.running(domain) as virsh:
            while time.monotonic() < until:
                said = serial.read_text(errors="replace").splitlines() if serial.exists() else []
                if END in said:
                    return [line.removeprefix("guest: ") for line in said if line.startswith("guest: ")][:-1]
                log = (self.folder / "virsh.log").read_text()
                if "error: " in log or virsh.poll() is not None:
                    raise MachineError(f"libvirt does not start the domain: {log.strip()}")
                time.sleep(0.1)
        raise MachineError(f"the guest does not end its start within {BOOT_SECONDS} seconds; it said: {said[-20:]}")


_VERSIONS = ("Using library", "Running hypervisor")


# -- the domain --------------------------------------------------------------------------------------------------------

# the parts that libvirt cannot define for an emulated machine, cannot turn into a command line or cannot start, and the
# ones that have no counterpart outside a pod
NOT_DEFINED = ("devices/emulator", "devices/tpm")
NOT_EMULATED = (*NOT_DEFINED, "memoryBacking/hugepages", "numatune", "devices/hostdev", "devices/interface")
_NOT_STARTED = ("features/hyperv", "features/kvm", "features/pvspinlock", "clock/timer")
_NO_OTHER_END = ("channel", "console", "filesystem", "graphics", "redirdev", "serial")


def emulated(domain: bytes, without: Iterable[str] = NOT_EMULATED) -> Element:
    """The domain for QEMU's own emulation, otherwise unchanged."""
    root = etree.fromstring(domain)
    root.set("type", "qemu")
    for kind in root.findall("os/type"):
        kind.set("machine", "q35")
    for cpu in root.findall("cpu"):
        if cpu.get("mode") == "host-passthrough":
            cpu.set("mode", "maximum")
    _remove(root, without)
    return root


def bootable(domain: bytes, folder: Path, kernel: Path, initramfs: Path) -> bytes:
    """The domain with available resources: our kernel, little memory, empty disks, the console in ``serial.log``."""
    root = emulated(domain)
    system, devices = root.find("os"), root.find("devices")
    _remove(root, ("memory", "currentMemory", "maxMemory"))
    etree.SubElement(root, "memory", unit="MiB").text = "192"
    (image,) = (kernel / "boot").glob("vmlinuz-*")
    for name, text in (
        ("kernel", str(image)),
        ("initrd", str(initramfs)),
        ("cmdline", "console=ttyS0 quiet panic=-1"),
    ):
        etree.SubElement(system, name).text = text
    _remove(root, _NOT_STARTED)
    _remove(devices, _NO_OTHER_END)
    for disk in devices.findall("disk"):
        _empty(disk, folder)
    etree.SubElement(etree.SubElement(devices, "serial", type="file"), "source", path=str(folder / "serial.log"))
    return bytes(etree.tostring(root))


def _empty(disk: Element, folder: Path) -> None:
    """An empty file instead of the disk's content."""
    file = folder / f"{disk.find('target').get('dev')}.img"
    file.write_bytes(bytes(1 << 20))
    if os.geteuid() == 0:
        shutil.chown(file, "nobody", "nogroup")
    _remove(disk, ("source", "driver", "backingStore"))
    disk.set("type", "file")
    etree.SubElement(disk, "source", file=str(file))
    etree.SubElement(disk, "driver", name="qemu", type="raw")


def _remove(parent: Element, paths: Iterable[str]) -> None:
    for path in paths:
        for found in parent.findall(path):
            found.getparent().remove(found)


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"`{' '.join(command)}` fails: {(done.stderr or done.stdout).strip()}")
    return done.stdout
