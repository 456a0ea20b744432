"""Units of work in several processes. A worker's death is detected, and only the first process handles Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .discovery import Input
from .options import Options
from .unit import UnitOutcome, WorkerDied, check

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def check_all(units: Sequence[list[Input]], options: Options, jobs: int) -> Iterator[tuple[int, UnitOutcome]]:
    """The result of each unit, with its number, as they arrive. Raises WorkerDied."""
    from multiprocessing import get_context

    context = get_context("spawn")  # not forked: the engine's libraries may have threads
    workers = []
    try:
        with _without_interrupts():
            for _ in range(min(jobs, len(units))):
                ours, theirs = context.Pipe()
                worker = context.Process(target=_work, args=(theirs, options), daemon=True)
                worker.start()
                theirs.close()
                workers.append((worker, ours))
        yield from _distribute(units, [connection for _, connection in workers])
    finally:
        for worker, connection in workers:
            connection.close()
            worker.terminate()
            worker.join()


def _distribute(units: Sequence[list[Input]], connections: Sequence[Connection]) -> Iterator[tuple[int, UnitOutcome]]:
    """Gives each worker a unit, and the next one when it is done."""
    from multiprocessing.connection import Connection, wait

    waiting = iter(enumerate(units))
    busy: dict[Connection, int] = {}

    def give(connection: Connection) -> None:
        number, unit = next(waiting, (0, None))
        if unit is not None:
            connection.send(unit)
            busy[connection] = number

    try:
        for connection in connections:
            give(connection)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection), "nothing else is waited for"
                number, outcome = busy.pop(ready), ready.recv()
                give(ready)
                yield number, outcome
    except (EOFError, ConnectionError):
        raise WorkerDied from None


def _work(connection: Connection, options: Options) -> None:
    """What a worker does until there is no more work."""
    try:
        while True:
            connection.send(check(connection.recv(), options))
    except (EOFError, ConnectionError):
        return


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started in the meantime never see Ctrl-C, which the terminal sends to all of them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
