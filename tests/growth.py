"""Whether the time of a scanner is linear in the size of its text. Ratios make it independent of the machine's load."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterable, Iterator

SIZE = 2_000
"""The number of characters in the first try. Shapes that take long are tried with more."""
SUSPICIOUS = 0.001
"""Seconds for the first try. Growth is measured only above this: a quadratic expression takes many times as long."""
TIMES = 8
STEEP = 22.0
"""The limit for the time with ``TIMES`` the size. Linear time gives 8, quadratic time 64, anything between is noise."""
TRIES = 4


def texts(units: Iterable[str], leads: Iterable[str] = ("",), ends: Iterable[str] = ("",)) -> Iterator[Shape]:
    """Each unit repeated many times, after each lead and before each end."""
    for unit, lead, end in itertools.product(units, leads, ends):
        yield lead, unit, end


Shape = tuple[str, str, str]


def build(shape: Shape, size: int) -> str:
    lead, unit, end = shape
    return lead + unit * (size // len(unit)) + end


def pairs(alphabet: Iterable[str]) -> list[str]:
    """The units of one and two characters (or words)."""
    letters = list(dict.fromkeys(alphabet))
    return letters + ["".join(pair) for pair in itertools.permutations(letters, 2)]


def steep(scan: Callable[[str], object], shapes: Iterable[Shape], size: int = SIZE) -> tuple[Shape, float] | None:
    """Find a shape for which time grows faster than size, and by how much for ``TIMES`` the size.

    Fast shapes are skipped: they cannot be quadratic. Slow ones are measured several times, taking the fastest run
    each time, and count only if every try agrees.
    """
    for shape in shapes:
        if _seconds(scan, build(shape, size)) > SUSPICIOUS and (ratio := _growth(scan, shape, size)) > STEEP:
            return shape, ratio
    return None


def _growth(scan: Callable[[str], object], shape: Shape, size: int) -> float:
    """The smallest ratio of several tries. Each try measures more often than the one before."""
    least = float("inf")
    for tries in range(1, TRIES + 1):
        small = min(_seconds(scan, build(shape, size)) for _ in range(tries))
        large = min(_seconds(scan, build(shape, TIMES * size)) for _ in range(tries))
        least = min(least, large / small)
        if least <= STEEP:
            break
    return least


def _seconds(scan: Callable[[str], object], text: str) -> float:
    """The CPU time of this thread, which other load on the machine affects little.

    Garbage collection must not look through objects that earlier tests left behind.
    """
    gc.freeze()
    try:
        begin = time.thread_time()
        scan(text)
        return time.thread_time() - begin
    finally:
        gc.unfreeze()
