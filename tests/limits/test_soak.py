"""`make soak` in short: memory does not grow, and every answer is the engine's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sidecarlimits import UnavailableError, limited

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import soak


def test_memory_does_not_grow() -> None:
    """With more of a CPU than a sidecar has, else it takes minutes; the memory is the sidecar's."""
    try:
        with limited(cpu_quota_us=100_000) as group:
            report = soak.run(group, calls=450, settled=150)
    except UnavailableError as error:
        pytest.skip(str(error))
    assert (report.oom_kills, report.refused) == (0, 9)
    assert report.growth_percent <= soak.GROWTH_PERCENT, report
