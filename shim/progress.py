"""Where the engine is, for the front to read when the engine is late or dead: a shared file in memory.

The engine writes it at each document and edit, which costs one system call and wakes nothing.
"""

from __future__ import annotations

import os

MAX_BYTES = 1000
_BETWEEN = "\n"


def create() -> int:
    """The descriptor of a new file, which a child started by ``subprocess`` does not inherit."""
    return os.memfd_create("progress", os.MFD_CLOEXEC)


def write(descriptor: int, patch: str, place: str) -> None:
    """Notes the ``patch`` (its name, empty if not known yet) and the ``place`` (``file:line:column``)."""
    data = f"{patch}{_BETWEEN}{place}".encode("utf-8", "replace")[:MAX_BYTES]
    os.pwrite(descriptor, data + b"\0", 0)


def begin(descriptor: int) -> None:
    """Notes that a request is taken, and that no patch runs yet."""
    write(descriptor, "", "")


def has_begun(descriptor: int) -> bool:
    """Whether anything is noted."""
    return os.pread(descriptor, 1, 0) not in (b"", b"\0")


def read(descriptor: int) -> tuple[str, str]:
    """The patch and the place noted last; empty if there are none."""
    data = os.pread(descriptor, MAX_BYTES + 1, 0).partition(b"\0")[0].decode("utf-8", "replace")
    patch, _, place = data.partition(_BETWEEN)
    return patch, place


def clear(descriptor: int) -> None:
    """Forgets what was noted."""
    os.pwrite(descriptor, b"\0", 0)
