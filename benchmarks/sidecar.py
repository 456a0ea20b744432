"""Sidecar processes, started as in the image, and a client that calls them as virt-launcher does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from array import array
from collections import Counter
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
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LANG": "C.UTF-8",
    "CONTAINER_NAME": CONTAINER,
}
"""The environment that the Dockerfile and KubeVirt set. ``make bench`` compiles the bytecode."""


_PAGE = os.sysconf("SC_PAGE_SIZE")
_USER_SPACE = 1 << 47
_PRESENT, _PAGE_NUMBER = 1 << 63, (1 << 55) - 1


@contextmanager
def _dial(socket: Path) -> Iterator[grpc.Channel]:
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.default_authority", str(socket)))
    with grpc.insecure_channel(address(socket), options=options) as channel:
        yield channel


def define_domain(socket: Path, domain: bytes, vmi: bytes) -> bytes:
    """One OnDefineDomain over its own connection."""
    request = v1alpha2_pb2.OnDefineDomainParams(domainXML=domain, vmi=vmi)
    with _dial(socket) as channel:
        result = v1alpha2_pb2_grpc.CallbacksStub(channel).OnDefineDomain(request, timeout=CALL_SECONDS)
    return bytes(result.domainXML)


def info(socket: Path) -> None:
    """One Info over its own connection."""
    with _dial(socket) as channel:
        info_pb2_grpc.InfoStub(channel).Info(info_pb2.InfoParams(), timeout=CALL_SECONDS)


def pre_cloud_init(socket: Path, data: bytes, vmi: bytes) -> bytes:
    """One PreCloudInitIso over its own connection; returns the new ``CloudInitData``."""
    source = json.dumps({"userData": json.loads(data)["UserData"]}).encode()
    request = v1alpha2_pb2.PreCloudInitIsoParams(cloudInitData=data, cloudInitNoCloudSource=source, vmi=vmi)
    with _dial(socket) as channel:
        result = v1alpha2_pb2_grpc.CallbacksStub(channel).PreCloudInitIso(request, timeout=CALL_SECONDS)
    return bytes(result.cloudInitData)


@dataclass(frozen=True, slots=True)
class Memory:
    """Total bytes of the sidecar's processes.

    ``resident`` counts each page once, whichever process has it. ``anonymous`` is the sum of the pages without a file
    (RssAnon): pages that two processes still share after a fork count twice; ``own`` counts those once as well
    (Pss_Anon).
    """

    resident: int
    anonymous: int
    own: int


class Sidecar:
    """A process that serves a socket in ``folder``, from the first answer to Info to the end of the ``with``."""

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
        self.cpu_seconds_to_info = sum(time.clock_gettime(cpu_clock(pid)) for pid in self.processes())

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
                    pass  # bound, but not yet listening
                else:
                    return
            time.sleep(0.002)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def processes(self) -> list[int]:
        """The front and the live engine."""
        return [self.process.pid, *children(self.process.pid)]

    def memory(self) -> Memory:
        return memory(self.processes())

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


def children(pid: int) -> list[int]:
    """The child processes of a process, whichever of its threads started them."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in lists for child in children.read_text().split()]


def memory(processes: Sequence[int]) -> Memory:
    """Their current memory. Needs root: the kernel does not tell other users which page is which."""
    total: Counter[str] = Counter()
    pages: set[int] = set()
    for pid in processes:
        pages |= _pages(pid)
        for file in ("status", "smaps_rollup"):
            for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
                if line.endswith(" kB"):
                    name, kib = line.split()[:2]
                    total[name.rstrip(":")] += int(kib) * 1024
    return Memory(len(pages) * _PAGE, total["RssAnon"], total["Pss_Anon"])


def _pages(pid: int) -> set[int]:
    """The page numbers of a process's memory (see the kernel's admin-guide/mm/pagemap)."""
    found: set[int] = set()
    mappings = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for mapping in mappings:
            start, end = (int(address, 16) for address in mapping.split()[0].split("-"))
            if start >= _USER_SPACE:
                continue
            pagemap.seek(start // _PAGE * 8)
            entries = array("Q", pagemap.read((end - start) // _PAGE * 8))
            found.update(entry & _PAGE_NUMBER for entry in entries if entry & _PRESENT)
    return found


def cpu_clock(process: int) -> int:
    """The clock that counts a process's CPU time (CPUCLOCK_SCHED in the kernel)."""
    return ~process << 3 | 2


def bare(python: Path, sockets: Path, how: str) -> list[str]:
    """The command that starts the two processes without a sidecar; ``how`` says how the child starts: fork or exec."""
    return [str(python), "-m", "benchmarks.bare", str(sockets / SOCKET), how]


def shim(python: Path, sockets: Path, patches: Path | None) -> list[str]:
    """The command that starts our sidecar; without patches it runs executables."""
    arguments = ["--version", VERSION, "--socket-dir", str(sockets)]
    return [str(python), "-m", "shim", *arguments, *(["--patches", str(patches)] if patches else [])]


def hook_folder(folder: Path, hook: str, file: str) -> Path:
    """A folder for ``$PATH`` with an executable of ``inputs`` as ``hook``.

    Python itself is in it too: any other python3 may be a wrapper, which no container has.
    """
    folder.mkdir()
    (folder / hook).symlink_to(INPUTS / file)
    (folder / "python3").symlink_to(Path(sys.executable).resolve())
    return folder


def alone(hook: Path, *arguments: str, libraries: Path | None = None) -> Callable[[], bytes]:
    """Run a hook from a ``hook_folder`` as the sidecar would, without a sidecar."""
    command, environment = [str(hook), *arguments], _environment(hook.parent, libraries)
    return lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout


def _environment(search: Path | None, libraries: Path | None) -> dict[str, str]:
    """The image's environment; ``search`` is first in ``$PATH``, ``libraries`` has the packages of Python hooks."""
    environment = {**os.environ, **IMAGE}
    if search is not None:
        environment["PATH"] = f"{search}{os.pathsep}{environment['PATH']}"
    if libraries is not None:
        environment["PYTHONPATH"] = str(libraries)
    return environment
