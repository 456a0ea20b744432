"""The pod of this process, as far as a patch may read it: its environment, and files in fixed places.

The engine reads them in each call: a file that hangs delays and fails the call, but not the front.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat

from patchlang.podfacts import MAX_FACT, UnreadableError, WantedFile, folder_of, is_secret

# no such file; and a path that continues after a file
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


class ThisPod:
    """The process's own environment and file system. ``root`` is where its files are, for tests."""

    def __init__(self, root: str = "") -> None:
        self._root = root

    def variable(self, name: str) -> bytes | None:
        return os.environb.get(name.encode())

    def file(self, name: str, wanted: WantedFile) -> bytes | None:
        del name
        try:
            # a pipe must not wait for a writer, and a terminal must not become ours
            descriptor = os.open(self._root + wanted.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as e:
            if e.errno in _ABSENT:
                return None
            raise UnreadableError(e.strerror.lower() if e.strerror else "it cannot be opened") from None
        try:
            return self._read(descriptor, wanted)
        except OSError as e:
            raise UnreadableError(e.strerror.lower() if e.strerror else "it cannot be read") from None
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, wanted: WantedFile) -> bytes:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnreadableError("it is not a regular file")
        # what was opened, not what the path points to by now
        self._check_place(os.readlink(f"/proc/self/fd/{descriptor}"), wanted)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FACT + 1)

    def _check_place(self, opened: str, wanted: WantedFile) -> None:
        """The kubelet uses links within the folder to change files; none leaves it."""
        folder = folder_of(wanted.path)
        if folder is None:
            raise UnreadableError("files there cannot be read")
        parent, own = posixpath.split(folder)
        below = posixpath.join(os.path.realpath(self._root + parent), own, "")
        if not opened.startswith(below):
            raise UnreadableError("a link leaves its folder")
        if not wanted.allow_secret and is_secret(opened.removeprefix(below)):
            raise UnreadableError("a link leads to secrets, which needs `allowSecret`")
