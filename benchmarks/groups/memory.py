"""The sidecar's memory within a container's limit."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .. import documents
from ..cgroup import MEMORY, Cage, Unavailable, cage
from ..context import Context
from ..results import Figure, Group, Row
from ..sidecar import Memory, Sidecar, define_domain, shim

MIB = 1 << 20
RUNS = 3
CALLS = 1000
PATCHES = {"without CEL": (documents.WITHOUT_CEL, 45.0, 48.0), "with CEL": (documents.WITH_CEL, 52.0, 56.0)}
ANONYMOUS = 32.0
LARGE_CALLS = 20
"""Calls per caller with a large domain."""

ABOUT = """\
In a memory cgroup of 64,000,000 bytes (61.0 MiB), the limit that KubeVirt gives a sidecar. All figures are for the
front and the engine together. Resident counts each page that either has in memory once, including those of libraries.
The anonymous part does not belong to a file: the sum of RssAnon, which counts pages that both share since the fork
twice, and as the kernel charges it (Pss_Anon). The peak is the group's `memory.max_usage_in_bytes`. It counts the
pages of files that the group was the first to read: none if the libraries were already in the page cache, all on a
new node. There, the kernel reclaims such pages at the limit, which costs time but is not a failure. Every call must
be answered with the patched domain, and the kernel must not kill anything."""


def measure(context: Context) -> Group:
    try:
        with cage(MEMORY):
            pass
    except Unavailable as reason:
        missing = Row("memory in the limit", "MiB", None, note=f"not measured: {reason}")
        return Group("memory", "Memory", ABOUT, (missing,))
    rows: list[Row] = []
    for name, (patch, after_start, after_calls) in PATCHES.items():
        start, later = zip(*(_resident(context, patch) for _ in range(RUNS)), strict=True)
        rows += [
            _row(f"resident after start, {name}", [m.resident for m in start], after_start),
            _row("anonymous part", [m.anonymous for m in start], ANONYMOUS),
            _row("anonymous part, as charged", [m.own for m in start]),
            _row(f"resident after {CALLS:,} calls, {name}", [m.resident for m in later], after_calls),
            _row("anonymous part", [m.anonymous for m in later]),
        ]
    for size, callers in ((256 * 1024, 16), (MIB, 1)):
        rows += _peaks(context, size, callers)
    return Group("memory", "Memory", ABOUT, tuple(rows))


def _row(what: str, values: list[int], reach: float | None = None, note: str = "") -> Row:
    return Row(what, "MiB", Figure.of([value / MIB for value in values]), reach=reach, note=note)


def _resident(context: Context, patch: str) -> tuple[Memory, Memory]:
    domain, vmi = documents.domain(), documents.vmi()
    with context.scratch() as scratch, cage(MEMORY) as limits, _sidecar(context, scratch, patch, limits) as sidecar:
        start = sidecar.memory()
        for _ in range(CALLS):
            define_domain(sidecar.socket, domain, vmi)
        return start, sidecar.memory()


@dataclass(slots=True)
class _Peak:
    """The result of a run with large domains: bytes per run, milliseconds per call, and what must not happen."""

    used: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    unanswered: int = 0
    killed: int = 0
    at_limit: int = 0


def _peaks(context: Context, size: int, callers: int) -> list[Row]:
    what = f"{size // 1024:,} KiB of domain, {callers} caller{'s' if callers > 1 else ''}"
    cached, new = _Peak(), _Peak()
    for _ in range(RUNS):
        _run(context, size, callers, cached)
        with context.not_cached() as cold:
            _run(cold, size, callers, new)
    calls = 2 * RUNS * callers * LARGE_CALLS
    failed = float(cached.unanswered + cached.killed + new.unanswered + new.killed)
    return [
        _row(f"peak, {what}", cached.used, 64_000_000 / MIB),
        _row(f"peak on a new node, {what}", new.used, note=f"{new.at_limit // RUNS:,} times at the limit in a run"),
        Row(f"refused or killed calls out of {calls:,}", "calls", Figure(failed, failed, 1), reach=0.0),
        Row("the same call on a new node", "ms", Figure.of(new.milliseconds), "cached", Figure.of(cached.milliseconds)),
    ]


def _run(context: Context, size: int, callers: int, found: _Peak) -> None:
    domain, vmi = documents.grown_domain(size), documents.vmi()
    with (
        context.scratch() as scratch,
        cage(MEMORY) as limits,
        _sidecar(context, scratch, documents.WITH_CEL, limits) as sidecar,
        ThreadPoolExecutor(callers) as pool,
    ):

        def call() -> float:
            start = time.perf_counter()
            if define_domain(sidecar.socket, domain, vmi) == domain:
                raise AssertionError("answered with what was sent")
            return (time.perf_counter() - start) * 1000

        calls = [pool.submit(call) for _ in range(callers * LARGE_CALLS)]
        found.milliseconds += [call.result() for call in calls if call.exception() is None]
        found.unanswered += sum(call.exception() is not None for call in calls)
        found.killed += limits.field("memory.oom_control", "oom_kill")
        found.at_limit += limits.number("memory.failcnt")
        found.used.append(limits.number("memory.max_usage_in_bytes"))


def _sidecar(context: Context, scratch: Path, patch: str, limits: Cage) -> Sidecar:
    documents.write_patches(scratch / "patches", patch, 1)
    command = shim(context.python, scratch / "hooks", scratch / "patches")
    return Sidecar(scratch / "hooks", command, cage=limits)
