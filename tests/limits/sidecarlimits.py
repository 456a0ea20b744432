"""The memory and the CPU that KubeVirt gives a hook sidecar, set by cgroups (version 1) around a process.

``GetSidecarResources`` (pkg/virt-controller/services/renderresources.go): 64M of memory, 200m of CPU.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

MEMORY_BYTES = 64_000_000
CPU_PERIOD_US = 100_000
CPU_QUOTA_US = 20_000

_ROOT = Path("/sys/fs/cgroup")


class UnavailableError(Exception):
    """The limits cannot be set on this machine; the text says why."""


@dataclass(frozen=True)
class Limited:
    """Two groups that exist while the context is open."""

    memory: Path
    cpu: Path

    @property
    def enter(self) -> list[str]:
        """What to put before a command so that it runs inside."""
        script = f'echo $$ > {self.memory}/cgroup.procs && echo $$ > {self.cpu}/cgroup.procs && exec "$@"'
        return ["/bin/sh", "-c", script, "sh"]

    @property
    def peak(self) -> int:
        """The most that was charged at once, in bytes, the page cache included."""
        return int((self.memory / "memory.max_usage_in_bytes").read_text())

    @property
    def at_limit(self) -> int:
        """How often the limit was reached, so that the kernel took page cache back first."""
        return int((self.memory / "memory.failcnt").read_text())

    @property
    def killed(self) -> int:
        """How many processes the kernel killed for want of memory."""
        fields = dict(line.split() for line in (self.memory / "memory.oom_control").read_text().splitlines())
        return int(fields["oom_kill"])

    @property
    def throttled(self) -> int:
        """In how many periods the CPU's share was used up."""
        fields = dict(line.split() for line in (self.cpu / "cpu.stat").read_text().splitlines())
        return int(fields["nr_throttled"])


@contextmanager
def limited(cpu_quota_us: int = CPU_QUOTA_US) -> Iterator[Limited]:
    """Makes the groups; at the end kills whatever is left in them and removes them. Raises UnavailableError."""
    with ExitStack() as made:
        memory = _make("memory", made)
        _write(memory / "memory.limit_in_bytes", MEMORY_BYTES)
        cpu = _make("cpu", made)
        _write(cpu / "cpu.cfs_period_us", CPU_PERIOD_US)
        _write(cpu / "cpu.cfs_quota_us", cpu_quota_us)
        yield Limited(memory, cpu)


def _make(controller: str, made: ExitStack) -> Path:
    path = _own_group(controller) / f"patchlang-{os.getpid()}-{os.urandom(3).hex()}"
    try:
        path.mkdir()
    except OSError as error:
        raise UnavailableError(f"the limits need cgroups of version 1, writable as root: {error}") from None
    made.callback(_remove, path)
    return path


def _own_group(controller: str) -> Path:
    """Of this process; a limit set elsewhere could reach over its own."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return _ROOT / controller / path.lstrip("/")
    raise UnavailableError(f"the limits need cgroups of version 1, and there is no controller `{controller}`")


def _write(file: Path, value: int) -> None:
    try:
        file.write_text(str(value))
    except OSError as error:
        raise UnavailableError(f"{file.name} cannot be set: {error}") from None


def _remove(path: Path) -> None:
    """A group goes only when nothing runs in it any more."""
    for _ in range(200):
        try:
            for pid in (path / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            path.rmdir()
        except FileNotFoundError:
            return
        except (OSError, ProcessLookupError):
            time.sleep(0.05)
        else:
            return
