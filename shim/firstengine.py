"""Starts the first engine: a fork, before anything is imported that does not survive it or that no engine needs.

So it comes before asyncio and gRPC. What both processes need anyway is imported here first, and then costs once.
"""

from __future__ import annotations

import datetime  # noqa: F401 - by PyYAML, and by protobuf
import inspect  # noqa: F401 - by lxml, and by asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import Any, NamedTuple
from xml.parsers import expat  # noqa: F401

from . import frames, memory, progress

LOAD_SECONDS = 100.0
"""For reading and compiling the patches. KubeVirt waits for the socket for minutes, and gives up without a reason."""
FRONT_BYTES = 24 * memory.MIB
"""The memory of a container that the front needs: itself, two waiting messages, one that arrives or leaves."""


class FirstEngine(NamedTuple):
    """What a front needs to continue with it (:class:`shim.engines.Engines`).

    ``request`` is the header of the request that loads the patches, which later engines also get; ``noted`` is the
    progress file that all of them write.
    """

    pid: int
    connection: socket.socket
    request: dict[str, Any]
    noted: int

    def kill(self) -> None:
        """At an early end, before anything waits for it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def fork(wanted: dict[str, Any], max_memory: int | None) -> FirstEngine:
    """Forks: the child has the current imports, and shares their memory. ``wanted`` says what to load."""
    request = {"call": "load", "seconds": LOAD_SECONDS, "memory": _allowance(max_memory), **wanted}
    noted = progress.create()
    ours, theirs = pair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        from .engine import serve

        serve(theirs, noted)
    theirs.close()
    with suppress(OSError):  # it is already dead, as the front will find
        frames.send(ours, request)  # it can begin while the front imports gRPC
    return FirstEngine(pid, ours, request, noted)


def pair() -> tuple[socket.socket, socket.socket]:
    """The front's end, which does not block, and the engine's."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, frames.MAX_WAITING // 2)  # the kernel doubles it
    ours.setblocking(False)
    return ours, theirs


def _allowance(max_memory: int | None) -> int:
    """Bytes for the engine: what the container has left, and no more than requested."""
    limit = memory.cgroup_limit()
    if limit is None:
        return memory.DEFAULT if max_memory is None else max_memory
    left = max(0, limit - FRONT_BYTES)
    return left if max_memory is None else min(left, max_memory)
