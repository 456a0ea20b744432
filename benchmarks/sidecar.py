"""Sidecar processes, started as the image starts them, and a client that calls them as virt-launcher does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from shim.sockets import address
from shim.stubs import info_pb2, info_pb2_grpc, v1alpha2_pb2, v1alpha2_pb2_grpc

from .cgroup import Cage
from .documents import INPUTS

VERSION = "v1alpha2"
CONTAINER = "hook-sidecar-0"
SOCKET = f"shim-{CONTAINER}.sock"
CALL_SECONDS = 60.0
START_SECONDS = 120.0
IMAGE = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LANG": "C.UTF-8",
    "CONTAINER_NAME": CONTAINER,
}
"""The environment that the Dockerfile and KubeVirt set. Bytecode is there: ``make bench`` compiles it."""


@contextmanager
def _dial(socket: Path) -> Iterator[grpc.Channel]:
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.default_authority", str(socket)))
    with grpc.insecure_channel(address(socket), options=options) as channel:
        yield channel


def define_domain(socket: Path, domain: bytes, vmi: bytes) -> bytes:
    """One OnDefineDomain by a connection of its own."""
    request = v1alpha2_pb2.OnDefineDomainParams(domainXML=domain, vmi=vmi)
    with _dial(socket) as channel:
        result = v1alpha2_pb2_grpc.CallbacksStub(channel).OnDefineDomain(request, timeout=CALL_SECONDS)
    return bytes(result.domainXML)


def pre_cloud_init(socket: Path, data: bytes, vmi: bytes) -> bytes:
    """One PreCloudInitIso by a connection of its own; the new ``CloudInitData``."""
    source = json.dumps({"userData": json.loads(data)["UserData"]}).encode()
    request = v1alpha2_pb2.PreCloudInitIsoParams(cloudInitData=data, cloudInitNoCloudSource=source, vmi=vmi)
    with _dial(socket) as channel:
        result = v1alpha2_pb2_grpc.CallbacksStub(channel).PreCloudInitIso(request, timeout=CALL_SECONDS)
    return bytes(result.cloudInitData)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is resident, in bytes: all of it, of it the process's own, and the most so far."""

    resident: int
    anonymous: int
    peak: int


class Sidecar:
    """A process that serves a socket in ``folder``, from when Info is answered to the end of the ``with``."""

    def __init__(
        self,
        folder: Path,
        program: Sequence[str],
        search: Path | None = None,
        cage: Cage | None = None,
        libraries: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = folder / SOCKET
        self._log = folder.with_name(folder.name + ".log")
        environment = _environment(search, libraries)
        command = cage.command(*program) if cage else list(program)
        started = time.perf_counter()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            self._wait_for_info()
        except BaseException:
            self._end()
            raise
        self.seconds_to_info = time.perf_counter() - started
        self.cpu_seconds_to_info = time.clock_gettime(_cpu_clock(self.process.pid))

    def _wait_for_info(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the sidecar does not answer; its log:\n{self.log}")
            if self.socket.exists():
                try:
                    with _dial(self.socket) as channel:
                        info_pb2_grpc.InfoStub(channel).Info(info_pb2.InfoParams(), timeout=START_SECONDS)
                except grpc.RpcError:
                    pass  # bound, and not yet listening
                else:
                    return
            time.sleep(0.002)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def memory(self) -> Memory:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kib = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.endswith(" kB")}
        return Memory(*(int(kib[name]) * 1024 for name in ("VmRSS", "RssAnon", "VmHWM")))

    def _end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()


def _cpu_clock(process: int) -> int:
    """The clock that counts a process's CPU time (CPUCLOCK_SCHED of the kernel)."""
    return ~process << 3 | 2


def shim(python: Path, sockets: Path, patches: Path | None) -> list[str]:
    """The command that starts our sidecar; without patches it runs executables."""
    arguments = ["--version", VERSION, "--socket-dir", str(sockets)]
    return [str(python), "-m", "shim", *arguments, *(["--patches", str(patches)] if patches else [])]


def hook_folder(folder: Path, hook: str, file: str) -> Path:
    """A folder for ``$PATH`` with an executable of ``inputs`` as ``hook``.

    Python itself is in it, too: what else is found as python3 may be a wrapper, which no container has.
    """
    folder.mkdir()
    (folder / hook).symlink_to(INPUTS / file)
    (folder / "python3").symlink_to(Path(sys.executable).resolve())
    return folder


def alone(hook: Path, *arguments: str, libraries: Path | None = None) -> Callable[[], bytes]:
    """Runs a hook of a ``hook_folder`` as the sidecar would, without a sidecar."""
    command, environment = [str(hook), *arguments], _environment(hook.parent, libraries)
    return lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout


def _environment(search: Path | None, libraries: Path | None) -> dict[str, str]:
    """The image's; ``search`` is first in ``$PATH``, ``libraries`` has packages that a hook in Python needs."""
    environment = {**os.environ, **IMAGE}
    if search is not None:
        environment["PATH"] = f"{search}{os.pathsep}{environment['PATH']}"
    if libraries is not None:
        environment["PYTHONPATH"] = str(libraries)
    return environment
