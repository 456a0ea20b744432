"""`make soak` in short: memory does not grow, every answer is the engine's, and a kill fails one call alone."""

from __future__ import annotations

import pytest

from benchmarks import soak
from benchmarks.cgroup import MEMORY, Unavailable, cage


def test_memory_does_not_grow() -> None:
    """With more of a CPU than a sidecar has, else it takes minutes; the memory is the sidecar's."""
    try:
        with cage(MEMORY) as group:
            report = soak.run(group, calls=300, settled=100, killed=100)
    except Unavailable as error:
        pytest.skip(str(error))
    assert (report.oom_kills, report.refused) == (0, 6)
    assert (report.killed_between, report.killed_within) == (3, 3)
    assert report.growth_percent <= soak.GROWTH_PERCENT, report
