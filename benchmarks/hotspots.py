"""Where a workload spends its time."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path

from .results import Breakdown

SHOWN = 12


def hotspots(title: str, work: Callable[[], object], runs: int) -> Breakdown:
    """Milliseconds of a run by function, as cProfile counts them: frequent calls look more expensive than they are."""
    work()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(runs):
        work()
    profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    spent = sorted(((value[2], _function(key)) for key, value in stats.items()), reverse=True)
    parts = [*spent[:SHOWN], (sum(seconds for seconds, _ in spent[SHOWN:]), "everything else")]
    return Breakdown(title, "ms", tuple((name, round(seconds * 1000 / runs, 4)) for seconds, name in parts))


def _function(key: tuple[str, int, str]) -> str:
    file, line, name = key
    return name if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} {name}"  # `ops.py` exists in two folders
