"""A whole plan: reads the dump, plans its VMs in one process or several, combines the results."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from typing import Any

from ..record import record, replace
from .report import Plan
from .work import Planner, Setup

_AT_ONCE = 64
"""How many VMs a process gets at a time."""
_SELDOM = 50_000
"""How many objects between two searches for cyclic garbage."""

Tasks = Sequence[tuple[str, int, str | None]]
"""VMs by name and number, with the files of their domains."""


class WorkerDied(Exception):  # noqa: N818 (it says what happened)
    """A process that planned VMs died; the system killed it."""


@record
class Shard:
    """Part ``number``, from 1, of ``of``."""

    number: int
    of: int


def plan(
    setup: Setup,
    *,
    shard: Shard | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Plan:
    """Plans the selected VMs of a dump; the plan is the same with any number of jobs. Raises WorkerDied.

    ``progress`` gets the number of finished VMs and the total.
    """
    inventory = setup.inventory
    names = sorted(name for name, number in inventory.numbers.items() if inventory.wanted[number])
    result = Plan(shard=(shard.number, shard.of) if shard else None, dump=_digest(setup, names))
    left_over = inventory.domains.keys() - inventory.numbers.keys()
    result.notes |= {"after", "first-run", "unknown"} | ({"left-over"} if left_over else set())
    result.notes |= ({"given"} if setup.given is not None else set()) | ({"base"} if setup.base is not None else set())
    mine = names[shard.number - 1 :: shard.of] if shard else names
    tasks = [(name, inventory.numbers[name], inventory.domains.get(name)) for name in mine]
    done = 0
    for part, count in _parts(setup, tasks, jobs):
        result.add(part)
        done += count
        progress(done, len(tasks))
    return result


def _parts(setup: Setup, tasks: Tasks, jobs: int) -> Iterator[tuple[Plan, int]]:
    _collect_seldom()
    pieces = [tasks[start : start + _AT_ONCE] for start in range(0, len(tasks), _AT_ONCE)]
    if jobs < 2 or len(pieces) < 2:
        planner = Planner(setup)
        for piece in pieces:
            yield _planned(planner, piece), len(piece)
        return
    yield from _spread(setup, pieces, min(jobs, len(pieces)))


def _collect_seldom() -> None:
    """Domains make thousands of objects that free themselves: looking for cycles so often is useless."""
    gc.freeze()
    gc.set_threshold(_SELDOM)


def _planned(planner: Planner, piece: Tasks) -> Plan:
    for name, number, path in piece:
        planner.vm(name, number, path)
    return planner.taken()


def _spread(setup: Setup, pieces: Sequence[Tasks], jobs: int) -> Iterator[tuple[Plan, int]]:
    """The same in several processes; no more work is handed out at once than they need."""
    from multiprocessing import get_context

    context = get_context("spawn")  # not forked: the engine's libraries may have threads
    setup = replace(setup, inventory=replace(setup.inventory, numbers={}, domains={}))  # which tasks say
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(setup,)) as pool:
        running: dict[Future[Plan], int] = {}
        try:
            for piece in pieces:
                running[pool.submit(_work, piece)] = len(piece)
                if len(running) >= 2 * jobs:
                    yield from _finished(running)
            while running:
                yield from _finished(running)
        except BrokenProcessPool:
            raise WorkerDied from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _finished(running: dict[Future[Plan], int]) -> Iterator[tuple[Plan, int]]:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        count = running.pop(future)
        yield future.result(), count


_planner: Planner | None = None


def _begin(setup: Setup) -> None:
    """In a separate process."""
    import signal

    global _planner
    _collect_seldom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the first process handles Ctrl-C
    _planner = Planner(setup)


def _work(piece: Tasks) -> Plan:
    assert _planner is not None
    return _planned(_planner, piece)


def _digest(setup: Setup, names: Sequence[str]) -> str:
    """What parts of one plan have in common: the VM names, and the patches of the command line."""
    digest = sha256()
    texts: list[Any] = [source.text for part in (setup.given, setup.base) for source in part or ()]
    for text in (*names, "", *texts):
        digest.update(text.encode(errors="surrogatepass") + b"\0")
    return digest.hexdigest()[:32]
