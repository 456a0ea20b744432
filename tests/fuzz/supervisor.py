"""Hands out inputs to worker processes, restarts workers that an input killed, and collects the results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from . import find, worker
from .find import Find
from .target import Target
from .targets import ALL
from .worker import NUMBER, Tally, input_of

JOB = 250
"""Inputs in one job."""


@dataclass
class Outcome:
    """The results of a run, by target; ``causes`` counts the finds of each cause."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    causes: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def inputs(self) -> int:
        return sum(tally.inputs for tally in self.tallies.values())


def shares(targets: Iterable[Target], inputs: int) -> dict[str, int]:
    """The number of inputs for each target; together they use up the total."""
    chosen = list(targets)
    whole, given, passed, result = sum(target.share for target in chosen), 0, 0, {}
    for target in chosen:
        passed += target.share
        upto = inputs * passed // whole
        result[target.name] = upto - given
        given = upto
    return result


def run(
    targets: Iterable[Target], seed: int, inputs: int, processes: int, say: Callable[[Outcome, Find | None], None]
) -> Outcome:
    """Try the given number of inputs; ``say`` receives the first find of each cause, and the progress now and then."""
    jobs = _jobs(shares(targets, inputs))
    outcome, lock = Outcome(), threading.Lock()
    began = time.monotonic()

    def gather(target: str, tally: Tally | None, found: Find | None) -> None:
        with lock:
            outcome.seconds = time.monotonic() - began
            if tally is not None:
                _add(outcome.tallies.setdefault(target, Tally()), tally)
            if found is not None:
                outcome.causes[found.cause] += 1
            is_first = found is not None and outcome.causes[found.cause] == 1
            if found is not None and is_first:
                outcome.finds.append(found)
            if found is None or is_first:
                say(outcome, found)

    def work() -> None:
        process = _Worker(seed)
        while True:
            try:
                target, start, stop = jobs.popleft()
            except IndexError:
                break
            while start < stop:
                start = process.do(target, start, stop, gather)
        process.end()

    with ThreadPoolExecutor(processes) as pool:
        for done in [pool.submit(work) for _ in range(processes)]:
            done.result()
    outcome.seconds = time.monotonic() - began
    return outcome


def _jobs(inputs: dict[str, int]) -> deque[tuple[str, int, int]]:
    """All targets in turn, so that even an interrupted run has tried each of them."""
    jobs = [
        (start / count, name, start, min(start + JOB, count))
        for name, count in inputs.items()
        for start in range(0, count, JOB)
    ]
    return deque((name, start, stop) for _, name, start, stop in sorted(jobs))


def _add(whole: Tally, part: Tally) -> None:
    if part.slowest > whole.slowest:
        whole.slowest, whole.slowest_input = part.slowest, part.slowest_input
    whole.memory = max(whole.memory, part.memory)
    whole.inputs += part.inputs
    whole.results += part.results
    whole.refused += part.refused
    whole.size += part.size
    whole.seconds += part.seconds


class _Worker:
    """One worker process, restarted after an input ended it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.number = tempfile.TemporaryFile()  # noqa: SIM115
        self.process: subprocess.Popen[str] | None = None

    def do(self, target: str, start: int, stop: int, gather: Callable[[str, Tally | None, Find | None], None]) -> int:
        """Try the inputs from ``start`` to ``stop``; returns the number to continue at."""
        process = self.process = self.process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([target, self.seed, start, stop]) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            what, value = json.loads(line)
            if what == "done":
                gather(target, Tally(**value), None)
                return stop
            gather(target, None, find.read(json.dumps(value)))
        status = process.wait()
        self.process = None
        (number,) = NUMBER.unpack(os.pread(self.number.fileno(), NUMBER.size, 0))
        kind, place = _ended(status)
        parts = input_of(ALL[target], self.seed, number)
        gather(target, Tally(inputs=number + 1 - start), Find(target, self.seed, number, kind, place, "", parts))
        return number + 1

    def _start(self) -> subprocess.Popen[str]:
        descriptor = self.number.fileno()
        return subprocess.Popen(
            [sys.executable, "-m", worker.__name__, str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def end(self) -> None:
        if self.process is not None:
            self.process.communicate()
        self.number.close()


def _ended(status: int) -> tuple[str, str]:
    """The kind of find for a worker's exit, and its description."""
    if status == -signal.SIGPROF:
        return "hang", "too much CPU time"
    if status == -signal.SIGALRM:
        return "wait", "too long"
    return "crash", signal.Signals(-status).name if status < 0 else f"status {status}"
