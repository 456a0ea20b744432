"""Show the shim at work: start it with an example patch, call it as virt-launcher does, print what it changed.

The folder of the patch has the layout of a ConfigMap that kubelet mounted. `make demo` runs this.
"""

from __future__ import annotations

import difflib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc

from patchlang.extract import read_vmi
from shim.stubs import info_pb2, info_pb2_grpc, v1alpha3_pb2, v1alpha3_pb2_grpc

EXAMPLE = Path(__file__).parent / "patches" / "smbios-annotation"
VERSION = "v1alpha3"
COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        mount, sockets = Path(scratch, "patches"), Path(scratch, "sockets")
        mount_config_map(mount, {"smbios.yaml": (EXAMPLE / "patch.yaml").read_bytes()})
        sockets.mkdir()
        command = [
            sys.executable,
            "-m",
            "shim",
            "--version",
            VERSION,
            "--patches",
            str(mount),
            "--socket-dir",
            str(sockets),
        ]
        print("$ sidecar-shim --version", VERSION, "--patches PATCHES --socket-dir SOCKETS")
        started = time.perf_counter()
        shim = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "CONTAINER_NAME": "hook-sidecar-0"})
        try:
            socket = wait_for_socket(sockets, shim)
            call(socket, started)
        finally:
            shim.send_signal(signal.SIGTERM)
            _, log = shim.communicate(timeout=10)
        print(f"\nThe shim's log; SIGTERM ended it with status {shim.returncode}:")
        print(log.decode(), end="")


def mount_config_map(folder: Path, files: dict[str, bytes]) -> None:
    """Lay out files as kubelet's atomic writer does: a dated folder, `..data` pointing to it, and a link per key."""
    version = folder / "..2026_01_01_00_00_00.000000001"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, data in files.items():
        (version / name).write_bytes(data)
        (folder / name).symlink_to(f"..data/{name}")


def wait_for_socket(folder: Path, shim: subprocess.Popen[bytes]) -> Path:
    """The first socket in the folder; virt-launcher scans it the same way."""
    while shim.poll() is None:
        for path in folder.iterdir():
            if path.is_socket():
                return path
        time.sleep(0.01)
    raise SystemExit(f"the shim exited with status {shim.returncode}: {shim.communicate()[1].decode()}")


def call(socket: Path, started: float) -> None:
    domain = (EXAMPLE / "domain.xml").read_bytes()
    vmi = read_vmi((EXAMPLE / "vmi.yaml").read_bytes())
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        info = info_pb2_grpc.InfoStub(channel).Info(info_pb2.InfoParams(), timeout=1)
        ready = time.perf_counter() - started
        points = ", ".join(point.name for point in info.hookPoints)
        print(f"Info: {info.name}, {', '.join(info.versions)}, {points}; {ready * 1000:.0f} ms after the start")
    began = time.perf_counter()
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        stub = v1alpha3_pb2_grpc.CallbacksStub(channel)
        result = stub.OnDefineDomain(v1alpha3_pb2.OnDefineDomainParams(domainXML=domain, vmi=vmi), timeout=60)
    took = time.perf_counter() - began
    size = f"{len(domain)} bytes in, {len(result.domainXML)} bytes out"
    print(f"OnDefineDomain: {size}, {took * 1000:.1f} ms including the connection\n")
    print_diff(domain.decode(), result.domainXML.decode())


def print_diff(before: str, after: str) -> None:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in difflib.unified_diff(
        before.splitlines(), after.splitlines(), "domain from KubeVirt", "domain to libvirt", lineterm=""
    ):
        colour = COLOURS.get(line[:1]) if coloured else None
        print(f"{colour}{line}\x1b[0m" if colour else line)


if __name__ == "__main__":
    main()
