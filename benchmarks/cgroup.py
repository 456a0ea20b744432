"""Limits as KubeVirt sets them on a sidecar, with cgroups (version 1, as root): memory and CPU of child groups."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMORY = {"memory.limit_in_bytes": "64000000"}
"""The limits of a sidecar in a VM with dedicated CPUs or of the class Guaranteed."""
CPU = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "20000"}
"""200m: the CPU share of the same sidecar."""

SHARE = {"cpu.shares": "1024"}
"""The default share, without a limit. Outside of such groups, where no container runs, the kernel may give each
session its own share (sched_autogroup): a process that starts one, like the sidecar for a hook, then waits longer."""


class Unavailable(Exception):  # noqa: N818 (it says what is)
    """The limits cannot be set here; the message says why."""


class Cage:
    """Child groups of the current process. ``command`` starts a program in them."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    def command(self, *program: str) -> list[str]:
        enter = "".join(f"echo $$ > '{folder}/cgroup.procs' && " for folder in self._folders.values())
        return ["/bin/sh", "-c", f'{enter}exec "$@"', "sh", *program]

    @property
    def enter(self) -> list[str]:
        """The prefix of a command to run in the groups."""
        return self.command()

    @property
    def peak(self) -> int:
        """The peak of the charged memory in bytes, including the page cache."""
        return self.number("memory.max_usage_in_bytes")

    @property
    def killed(self) -> int:
        """How many processes the kernel killed because memory ran out."""
        return self.field("memory.oom_control", "oom_kill")

    def number(self, file: str) -> int:
        """The only number in a file of a controller, such as ``memory.max_usage_in_bytes``."""
        return int(self._read(file))

    def field(self, file: str, name: str) -> int:
        """One of the named numbers, such as ``oom_kill`` in ``memory.oom_control``."""
        return next(int(line.split()[1]) for line in self._read(file).splitlines() if line.split()[0] == name)

    def _read(self, file: str) -> str:
        return (self._folders[file.partition(".")[0]] / file).read_text()


@contextmanager
def cage(*limits: Mapping[str, str]) -> Iterator[Cage]:
    """Groups with the limits (``MEMORY``, ``CPU``), removed at the end. Raises Unavailable."""
    folders: dict[str, Path] = {}
    try:
        try:
            for limit in limits:
                controller = next(iter(limit)).partition(".")[0]
                folder = _own(controller) / f"patchlang-bench-{os.getpid()}-{time.monotonic_ns()}"
                folder.mkdir()
                folders[controller] = folder
                for file, value in limit.items():
                    (folder / file).write_text(value)
        except OSError as error:
            raise Unavailable(f"needs root and cgroup version 1 ({error.strerror}: {error.filename})") from None
        yield Cage(folders)
    finally:
        for folder in folders.values():
            _remove(folder)


def _own(controller: str) -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return ROOT / controller / path.lstrip("/")
    raise Unavailable(f"needs cgroup version 1 (no controller `{controller}`)")


def _remove(folder: Path) -> None:
    """End the remaining processes of a group; it is busy for a moment after its last process ends."""
    for _ in range(100):
        try:
            for process in (folder / "cgroup.procs").read_text().split():
                os.kill(int(process), signal.SIGKILL)
            folder.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return
