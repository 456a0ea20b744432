"""A short `make soak`: memory does not grow, every answer matches the engine's, and a kill fails only one call."""

from __future__ import annotations

import pytest

from benchmarks import soak
from benchmarks.cgroup import MEMORY, Unavailable, cage


def test_memory_does_not_grow() -> None:
    """It uses more CPU than a sidecar has, or it would take minutes; the memory limit is the sidecar's."""
    try:
        with cage(MEMORY) as group:
            report = soak.run(group, calls=300, settled=100, killed=100)
    except Unavailable as error:
        pytest.skip(str(error))
    assert (report.oom_kills, report.refused) == (0, 6)
    assert (report.killed_between, report.killed_within) == (3, 3)
    assert report.growth_percent <= soak.GROWTH_PERCENT, report
