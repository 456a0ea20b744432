"""The process that tries inputs, one after the other, under limits that the kernel enforces.

It reads jobs (a target, a seed, the first and last number) from standard input, one JSON list per line, and writes
finds and the result of each job to standard output. It writes the number of each input to a file first, so that the
parent process knows which input killed it: SIGPROF means too much CPU time, SIGALRM too much waiting.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import struct
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from .find import Find
from .laws import RESULT, BrokenLawError
from .target import Parts, Target
from .targets import ALL

GROWTH = 64 << 20
"""Bytes that one input may add to the peak memory of the process."""
ADDRESS_SPACE = 2 << 30
NUMBER = struct.Struct("<q")


@dataclass(slots=True)
class Tally:
    """The results of a job's inputs."""

    inputs: int = 0
    results: int = 0
    refused: int = 0
    size: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_input: int = -1
    memory: int = 0


def input_of(target: Target, seed: int, number: int) -> Parts:
    """The input for these three values; it is the same on every machine and in any order."""
    return target.make(Random(f"{seed}/{target.name}/{number}"))


def serve(progress: int) -> None:
    """Do all jobs; ``progress`` is the file descriptor for the number of the input."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for line in sys.stdin:
        name, seed, start, stop = json.loads(line)
        input_of(ALL[name], seed, start)  # loads the seeds, which does not count against the input
        gc.freeze()  # they stay, so the garbage collector need not check them each time
        tally, began = Tally(), time.process_time()
        for number in range(start, stop):
            os.pwrite(progress, NUMBER.pack(number), 0)
            found = _try(ALL[name], seed, number, tally)
            if found is not None:
                _say("find", json.loads(found.as_text()))
        tally.memory, tally.seconds = _memory(), time.process_time() - began
        _say("done", asdict(tally))


def attempt(target: Target, parts: Parts) -> tuple[str, str, str, str]:
    """The result of an input: ``result`` or ``refused``, or a kind of find, its place and the traceback."""
    before = _memory()
    try:
        outcome = target.check(parts)
    except BrokenLawError as e:
        return "", "law", str(e), traceback.format_exc()
    except BaseException as e:
        return "", "exception", _place(e), traceback.format_exc()
    if (grown := _memory() - before) > GROWTH:
        return "", "memory", "", f"{grown >> 20} MiB more"
    return outcome, "", "", ""


def _try(target: Target, seed: int, number: int, tally: Tally) -> Find | None:
    watch(target)
    parts = input_of(target, seed, number)
    began = time.process_time()
    outcome, kind, place, detail = attempt(target, parts)
    took = time.process_time() - began
    watch(None)
    tally.inputs += 1
    tally.results += outcome == RESULT
    tally.refused += outcome != RESULT and not kind
    tally.size += sum(map(len, parts.values()))
    if took > tally.slowest:
        tally.slowest, tally.slowest_input = took, number
    return Find(target.name, seed, number, kind, place, detail, parts) if kind else None


def watch(target: Target | None) -> None:
    """Set the time limits of a target. The signals end the process, even inside a C library."""
    signal.setitimer(signal.ITIMER_PROF, target.cpu_seconds if target else 0)
    signal.setitimer(signal.ITIMER_REAL, target.wait_seconds if target else 0)


def _memory() -> int:
    """The peak memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _place(error: BaseException) -> str:
    """The type of an exception, and the innermost line of the package in its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}patchlang{os.sep}" in frame.filename] or frames
    return f"{type(error).__name__} in {Path(ours[-1].filename).name}:{ours[-1].name}"


def _say(what: str, value: object) -> None:
    print(json.dumps([what, value]), flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
