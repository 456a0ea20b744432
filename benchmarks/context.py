"""What the groups are given to measure with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True, slots=True)
class Context:
    """``python`` has what the image has and our packages, ``tools`` holds the programs that we are compared with."""

    python: Path
    tools: Path

    @contextmanager
    def not_cached(self) -> Iterator[Context]:
        """The same with a copy of ``python``'s environment that no page cache holds.

        A control group pays for the pages of files that it is the first to read, as a container does on a new node.
        """
        with self.scratch() as scratch:
            environment = scratch / "run"
            shutil.copytree(self.python.parents[1], environment, symlinks=True)
            for path in environment.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    _drop_from_cache(path)
            yield replace(self, python=environment / "bin" / "python")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder with a short path, since a socket's has at most 107 bytes."""
        with TemporaryDirectory(prefix="bench-") as folder:
            yield Path(folder)


def _drop_from_cache(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
