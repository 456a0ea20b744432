"""How much memory the engine may use, so that running out is a separate error and never the container's end.

With cgroup v2 a kubelet sets ``memory.oom.group``: if the kernel kills one process of a container, it kills all. So
the engine's own limit (``RLIMIT_DATA``) must apply first.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

MIB = 1024 * 1024
DEFAULT = 256 * MIB
"""For the engine if no cgroup has a limit."""
LEAST = 16 * MIB
"""What the engine gets in any case, next to what it already has: with less it could not even start."""

UNLIMITED = 1 << 60
"""From here on, the kernel means that there is no limit (cgroup v1 has no word for that)."""


def cgroup_limit(proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The lowest memory limit of this process's cgroup and of its ancestors, in bytes; None if there is none.

    Reads cgroup v2 (``memory.max``) and v1 (``memory.limit_in_bytes``). What is above a container's own group may be
    invisible; what it sees begins at the mount's root.
    """
    limits: list[int] = []
    for folder, file in _groups(proc, root):
        limits += _limits_up_to(root, folder, file)
    found = [limit for limit in limits if limit < UNLIMITED]
    return min(found) if found else None


def _groups(proc: Path, root: Path) -> list[tuple[Path, str]]:
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    groups = []
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if ".." in path:  # a group outside this process's namespace
            path = "/"
        if line.startswith("0::"):
            # a host with both versions mounts v2 below
            groups += [(base / path.lstrip("/"), "memory.max") for base in (root, root / "unified")]
        elif "memory" in controllers.split(","):
            groups.append((root / "memory" / path.lstrip("/"), "memory.limit_in_bytes"))
    return groups


def _limits_up_to(root: Path, folder: Path, file: str) -> list[int]:
    found = []
    while folder.is_relative_to(root):
        try:
            text = (folder / file).read_text().strip()
        except OSError:
            text = "max"
        if text.isdigit():
            found.append(int(text))
        folder = folder.parent
    return found


def limit_self(allowed: int) -> None:
    """Limits this process to ``allowed`` bytes of its own memory, including what it already has.

    ``RLIMIT_DATA`` counts what is mapped, touched or not; the currently mapped, untouched part is added.
    """
    mapped, touched = _own_memory()
    allowed = max(allowed, touched + LEAST)
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = allowed + max(0, mapped - touched)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def give_back() -> None:
    """Returns free memory to the system: the allocator keeps what is below something still in use.

    At the container's limit the kernel would otherwise evict the pages of libraries, only to read them again at once.
    """
    import ctypes

    with suppress(AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)


def _own_memory() -> tuple[int, int]:
    """Bytes of data that are mapped, and how many of them are in memory."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmData", "RssAnon"))  # type: ignore[return-value]
