"""The environment that the groups measure in."""

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
    """``python`` has the image's packages and our own; ``tools`` holds the programs that we compare with."""

    python: Path
    tools: Path

    @contextmanager
    def not_cached(self) -> Iterator[Context]:
        """The same with a copy of ``python``'s environment that is in no page cache.

        A control group is charged for the file pages that it reads first, like a container on a new node.
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
        """A folder with a short path, since a socket path has at most 107 bytes."""
        with TemporaryDirectory(prefix="bench-") as folder:
            yield Path(folder)


def _drop_from_cache(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
