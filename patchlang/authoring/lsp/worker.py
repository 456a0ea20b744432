"""A process that checks folders, so that answers to the editor do not wait for checks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing import get_context
from typing import TYPE_CHECKING

from ...record import record
from .checking import Checker, Findings, Folder

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

LONGEST = 60.0
"""How many seconds a check may take."""


@record
class Job:
    """A folder to check. ``path``: only this file of it changed, so :meth:`Checker.quick` is enough if it works."""

    folder: Folder
    path: str | None = None


@record
class Done:
    """The findings; None if the quick check could not find them, or if ``fault`` says why the check failed."""

    job: Job
    found: Findings | None
    fault: str = ""


class Worker:
    """Does one job after another. ``done`` is called with each result, in a separate thread."""

    def __init__(self, done: Callable[[Done], None]) -> None:
        self._done = done
        self._jobs: dict[str, Job] = {}
        self._wanted = threading.Condition()
        self._closed = False
        self._process: BaseProcess | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def give(self, job: Job) -> None:
        """Add a job; it replaces a job for the same folder that has not begun."""
        with self._wanted:
            self._jobs[job.folder.path] = job
            self._wanted.notify()

    def close(self) -> None:
        """Ends the process."""
        with self._wanted:
            self._closed = True
            self._wanted.notify()
            if self._process is not None:
                self._process.terminate()  # it may be in the middle of a check
        self._thread.join(timeout=5)

    def _next(self) -> Job | None:
        with self._wanted:
            while not self._jobs and not self._closed:
                self._wanted.wait()
            return None if self._closed else self._jobs.pop(next(iter(self._jobs)))

    def _run(self) -> None:
        context = get_context("spawn")  # not forked: the engine's libraries may have threads
        while not self._closed:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._process = process
            try:
                self._serve(ours)
            finally:
                ours.close()
                process.terminate()
                process.join()

    def _serve(self, connection: Connection) -> None:
        """Give jobs to a process, until it has died or hangs, or there are no more jobs."""
        while (job := self._next()) is not None:
            try:
                connection.send(job)
                if not connection.poll(LONGEST):
                    self._done(Done(job, None, f"a check of {job.folder.path} took longer than {LONGEST:.0f} s"))
                    return
                self._done(connection.recv())
            except (EOFError, OSError):
                if not self._closed:
                    fault = f"the process that checked {job.folder.path} ended, perhaps for lack of memory"
                    self._done(Done(job, None, fault))
                return


def work(connection: Connection) -> None:
    """The loop of the process, until it gets no more jobs."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    checker = Checker()
    try:
        while True:
            connection.send(done_of(checker, connection.recv()))
    except (EOFError, OSError):
        return


def done_of(checker: Checker, job: Job) -> Done:
    """The result of a job."""
    try:
        if job.path is not None:
            return Done(job, checker.quick(job.folder, job.path))
        return Done(job, checker.full(job.folder))
    except MemoryError:
        return Done(job, None, f"not enough memory to check {job.folder.path}")
    except Exception as e:
        # a bug must not end the checks of all other files
        return Done(job, None, f"a check of {job.folder.path} failed: {type(e).__name__}: {e}")
