"""Where the sidecar listens: the name of its socket, and that nothing else is in its place.

virt-launcher treats every entry of the folder that is not a folder as a sidecar's socket, remembers sockets only by
their file name, and opens a connection for each call (pkg/hooks/manager.go). So the name must differ between
containers and be the same after a restart, and no other file may ever be there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from .text import one_line

MAX_PATH = 107
"""Bytes of a socket's path (sun_path of Linux, without the closing NUL)."""


class SocketError(Exception):
    """The socket cannot be created; the text says why and names the path."""


def hook_socket(directory: Path, container: str | None) -> Path:
    """The path for the container named ``container``; a random name if KubeVirt did not say (CONTAINER_NAME)."""
    if container is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", container):
        raise SocketError(f"CONTAINER_NAME `{one_line(container)[:80]}` is not a container name")
    return directory / f"shim-{container or os.urandom(4).hex()}.sock"


def address(path: Path) -> str:
    """``path`` in the form gRPC needs, which parses the address as a URI."""
    return "unix:" + quote(os.path.abspath(path), safe="/")


@contextmanager
def claimed(paths: Sequence[Path]) -> Iterator[None]:
    """While open, no other shim uses the paths, and they are free: leftovers of a dead process are removed.

    Raises SocketError if a folder is unusable, if something answers at a path, or if something that is
    not a socket is there. gRPC would silently replace all of it.
    """
    with ExitStack() as locks:
        for directory in dict.fromkeys(path.parent for path in paths):
            descriptor = _open(directory)
            locks.callback(os.close, descriptor)
            _lock(descriptor)
            if not os.access(directory, os.W_OK | os.X_OK) or os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
                raise SocketError(f"the socket folder {directory} is not writable for user {os.geteuid()}")
        for path in paths:
            if len(os.fsencode(os.path.abspath(path))) > MAX_PATH:
                raise SocketError(f"the path {path} exceeds the {MAX_PATH} bytes allowed for a socket path")
            _clear(path)
        yield


def _open(directory: Path) -> int:
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SocketError(f"the socket folder {directory} does not exist") from None
    except NotADirectoryError:
        raise SocketError(f"the socket folder {directory} is not a folder") from None
    except OSError as error:
        raise SocketError(f"the socket folder {directory} cannot be opened: {error.strerror}") from None


def _lock(descriptor: int) -> None:
    """Locks the folder itself, since a lock file would count as a socket; continues after 2 s without a lock."""
    for _ in range(40):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            return
        else:
            return


def _clear(path: Path) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketError(f"cannot inspect {path}: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise SocketError(f"the socket path {path} is already {_kind(mode)}, which is left alone")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            pass
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EPROTOTYPE):
                raise SocketError(f"cannot connect to the socket at {path}: {error.strerror}") from None
            raise SocketError(f"another process listens at {path}, but does not respond") from None
        else:
            raise SocketError(f"another process listens at {path}")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SocketError(f"cannot remove the stale socket at {path}: {error.strerror}") from None


def hindrance(path: Path) -> str:
    """Why no socket can be created at ``path``, which gRPC does not say."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.bind(os.fspath(path))
    except OSError as error:
        return error.strerror or type(error).__name__
    path.unlink(missing_ok=True)
    return "gRPC failed without giving a reason"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a regular file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a pipe",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def identity(path: Path) -> tuple[int, int] | None:
    """What distinguishes the socket now at ``path`` from a later one there."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISSOCK(status.st_mode) else None


def remove(path: Path, mine: tuple[int, int] | None) -> None:
    """Removes the socket at ``path`` if it still has the identity ``mine``."""
    if mine is not None and identity(path) == mine:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return
