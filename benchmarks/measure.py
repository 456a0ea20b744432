"""Fair timing: after a warm-up, in rounds that run each action once, in a seeded random order per round."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Mapping

from .results import Figure

SEED = 20_260_101


def interleaved(actions: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3) -> dict[str, list[float]]:
    """Milliseconds of each action in each round. A temporary slowdown of the machine affects all equally."""
    names = list(actions)
    order = random.Random(SEED)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warm_up + rounds):
        order.shuffle(names)
        for name in names:
            action = actions[name]
            start = time.perf_counter_ns()
            action()
            spent = time.perf_counter_ns() - start
            if number >= warm_up:
                taken[name].append(spent / 1e6)
    return taken


def quickest(action: Callable[[], object], least_seconds: float = 0.2, least_rounds: int = 5) -> float:
    """The minimum milliseconds of one action, for curves; the garbage collector runs between rounds, not in them."""
    action()
    best, spent, rounds = float("inf"), 0.0, 0
    while spent < least_seconds or rounds < least_rounds:
        gc.collect()
        start = time.perf_counter()
        action()
        took = time.perf_counter() - start
        best, spent, rounds = min(best, took), spent + took, rounds + 1
    return best * 1000


def figures(taken: Mapping[str, list[float]]) -> dict[str, Figure]:
    return {name: Figure.of(values) for name, values in taken.items()}


def rounded(taken: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Samples as stored: rounded to the microsecond."""
    return {name: [round(value, 3) for value in values] for name, values in taken.items()}
