"""The processes below the front: the event loop awaits their ends, orphans are reaped, none is left behind.

As a container's first process the front inherits every orphan, and nothing else will ever wait for them. Waiting for
any child (``waitpid(-1)``) would steal the exit status of a process that is being awaited, so each is waited for
by its number: our own children by a descriptor (pidfd; on kernels before 5.3 at SIGCHLD), orphans at SIGCHLD,
when the kernel gives the number of one that has ended.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Container
from contextlib import suppress

from .log import log

ROUNDS, PAUSE = 200, 0.01
"""How often, and how many seconds apart, a surviving process is killed again."""
AT_ONCE = 100
"""Processes that are killed or waited for before anything else gets its turn."""
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Children:
    """What this process started or inherited. Only used in the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._awaited: dict[int, asyncio.Future[int]] = {}
        self._adopts = os.getpid() == 1
        self._sees = _proc_is_ours()
        loop.add_signal_handler(signal.SIGCHLD, self._on_child)

    def adopt_orphans(self) -> None:
        """From now on we inherit what a child leaves behind, like a container's first process."""
        if self._adopts:
            return
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
            self._adopts = True
        else:
            log.warning("processes that an executable leaves behind may escape: %s", os.strerror(ctypes.get_errno()))

    def ended(self, pid: int) -> asyncio.Future[int]:
        """The exit status of a child, negative if a signal ended it; call it once, right after the start."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._awaited[pid] = future
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError):
            self._collect(pid)  # it may have ended before we listened
            return future

        def readable() -> None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
            self._collect(pid)

        self._loop.add_reader(descriptor, readable)
        return future

    def alive(self) -> frozenset[int]:
        """The current children, ours and inherited; of those that cannot be seen, only ours."""
        if not self._sees:
            return frozenset(self._awaited)
        # Only the main thread starts any, and the kernel gives orphans to the first living thread.
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
                return frozenset(map(int, file.read().split()))
        except OSError:
            return frozenset(_children_of(os.getpid()))

    async def end_all(self, but: Container[int] = ()) -> None:
        """Kills all processes below this one, except those children and their descendants, and waits for the ends."""
        for _ in range(ROUNDS):
            found = [child for child in self.alive() if child not in but]
            if self._sees:
                await _kill_with_all_below(found)
            else:  # at least the sessions of the programs
                _kill(*(-child for child in found), *found)
            self._reap()
            if not found:
                return
            await asyncio.sleep(PAUSE)
        log.error("%d processes did not exit after being killed", len(found))

    def _on_child(self) -> None:
        for pid in list(self._awaited):
            self._collect(pid)
        if self._adopts:
            self._reap()

    def _reap(self) -> None:
        """Waits for ended orphans, one by one: looking at all children each time takes too long."""
        for _ in range(AT_ONCE):
            try:
                seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if seen is None:
                return
            if seen.si_pid in self._awaited:
                self._collect(seen.si_pid)
            else:
                os.waitpid(seen.si_pid, os.WNOHANG)
        self._loop.call_soon(self._reap)

    def _collect(self, pid: int) -> None:
        future = self._awaited.get(pid)
        if future is None:
            return
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended, status = pid, 0  # something else has waited for it: impossible, but must not hang
        if ended == pid:
            del self._awaited[pid]
            if not future.done():
                future.set_result(os.waitstatus_to_exitcode(status))


def _kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _proc_is_ours() -> bool:
    """If it belongs to another PID namespace, its numbers are not those that we could kill or wait for."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


async def _kill_with_all_below(pids: list[int]) -> None:
    """Kills each after its children are listed; what it starts in between becomes our orphan."""
    left = list(pids)
    for count in itertools.count(1):
        if not left:
            return
        pid = left.pop()
        left += _children_of(pid)
        _kill(pid)
        if count % AT_ONCE == 0:
            await asyncio.sleep(0)


def _children_of(pid: int) -> list[int]:
    """The kernel lists them by thread; without that list, each process has its parent."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except FileNotFoundError:
        if os.path.exists(f"/proc/{pid}/task") and not os.path.exists(f"/proc/{pid}/task/{pid}/children"):
            return [int(name) for name in os.listdir("/proc") if name.isdecimal() and _parent_of(name) == pid]
    except (ProcessLookupError, PermissionError):
        pass
    return found


def _parent_of(name: str) -> int | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
