"""The memory limits of a container, as both versions of cgroups report them."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from shim.memory import MIB, cgroup_limit

V1_NONE = str(9223372036854771712)
"""The kernel's value for no limit."""

CASES: dict[str, tuple[str, dict[str, str], int | None]] = {
    "version 2, in a namespace": ("0::/\n", {"memory.max": "64000000"}, 64_000_000),
    "version 2, by its path": ("0::/pod/c\n", {"pod/c/memory.max": "64000000"}, 64_000_000),
    "version 2, the ancestor is less": (
        "0::/kube/pod/c\n",
        {"kube/pod/c/memory.max": "max", "kube/pod/memory.max": "50000000", "kube/memory.max": "90000000"},
        50_000_000,
    ),
    "version 2, none": ("0::/pod/c\n", {"pod/c/memory.max": "max", "pod/memory.max": "max"}, None),
    "version 2, outside of the namespace": ("0::/../../x\n", {"memory.max": "64000000"}, 64_000_000),
    "version 1, by its path": (
        "5:cpu,cpuacct:/pod/c\n4:memory:/pod/c\n",
        {"memory/pod/c/memory.limit_in_bytes": "64000000", "memory/memory.limit_in_bytes": V1_NONE},
        64_000_000,
    ),
    "version 1, the mount is the container's own": (
        "4:memory:/kubepods/pod/c\n",
        {"memory/memory.limit_in_bytes": "64000000"},
        64_000_000,
    ),
    "version 1, the ancestor is less": (
        "4:memory:/pod/c\n",
        {"memory/pod/c/memory.limit_in_bytes": "64000000", "memory/pod/memory.limit_in_bytes": "63000000"},
        63_000_000,
    ),
    "version 1, none": ("4:memory:/c\n", {"memory/c/memory.limit_in_bytes": V1_NONE}, None),
    "both, the controller is of version 1": (
        "4:memory:/c\n0::/c\n",
        {"memory/c/memory.limit_in_bytes": "64000000", "unified/c/cgroup.procs": ""},
        64_000_000,
    ),
    "no file at all": ("0::/\n", {}, None),
    "nonsense": ("\n0::\nx\n", {}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_limit_of_the_cgroup(tmp_path: Path, case: str) -> None:
    lines, files, wanted = CASES[case]
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(lines)
    root.mkdir()
    (tmp_path / "memory.max").write_text("1")  # anything above the mount does not belong to the container
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    assert cgroup_limit(proc, root) == wanted


def test_without_proc_there_is_no_limit(tmp_path: Path) -> None:
    assert cgroup_limit(tmp_path / "proc", tmp_path) is None


LIMITED = """
import sys
from shim.memory import limit_self
held = bytearray(20 << 20)
limit_self(int(sys.argv[1]))
taken = []
try:
    while True:
        taken.append(bytearray(1 << 20))
except MemoryError:
    print(len(taken))
"""


@pytest.mark.parametrize("room", [24, 100])
def test_what_a_process_may_take(room: int) -> None:
    """The limit is a total: used memory counts, mapped but untouched memory does not."""
    has = 20 + 8  # the text above, and Python itself
    run = subprocess.run([sys.executable, "-c", LIMITED, str((has + room) * MIB)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert room - 4 <= int(run.stdout) <= room + 4
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY, "this process is not limited"
