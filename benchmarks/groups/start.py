"""From the start of the process to the first Info answered."""

from __future__ import annotations

import random
import re
from collections import Counter

from .. import documents
from ..cgroup import CPU, Cage, Unavailable, cage
from ..context import Context
from ..measure import SEED
from ..results import Breakdown, Figure, Group, Row
from ..sidecar import Sidecar, shim

COUNTS = (1, 20, 200)
PATCHES = {"without CEL": documents.WITHOUT_CEL, "with CEL": documents.WITH_CEL}
FAST_ROUNDS, SLOW_ROUNDS = 7, 3
REACH = 3.0
"""Seconds to the first Info with one patch, with 200m of a processor."""
SHOWN = 16
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)\n")

ABOUT = """\
From the start of the process to the answer of the first Info, with patch files of three edits each; processor time
is the process's own until then. The files of Python and the libraries are in the page cache, and bytecode is
compiled, as the image has it. 200m are 20 of every 100 ms, set by a cgroup. Imports are Python's own account (`-X
importtime`), which slows them."""

Times = dict[tuple[int, str], list[tuple[float, float]]]


def measure(context: Context) -> Group:
    fast = _rounds(context, FAST_ROUNDS, None)
    rows: list[Row] = []
    for (count, kind), taken in fast.items():
        what = _what(count, kind)
        wall, processor = (Figure.of(values) for values in zip(*taken, strict=True))
        rows += [Row(what, "s", wall), Row(f"{what}: processor time", "s", processor)]
    try:
        with cage(CPU) as limits:
            slow = _rounds(context, SLOW_ROUNDS, limits)
    except Unavailable as reason:
        slow = {}
        rows.append(Row("start at 200m", "s", None, reach=REACH, note=f"not measured: {reason}"))
    for (count, kind), taken in slow.items():
        wall = Figure.of([seconds for seconds, _ in taken])
        rows.append(Row(f"{_what(count, kind)}, at 200m", "s", wall, reach=REACH if count == 1 else None))
    samples = {
        f"{_what(*case)}{limit}": [round(seconds, 4) for seconds, _ in taken]
        for limit, times in (("", fast), (", at 200m", slow))
        for case, taken in times.items()
    }
    return Group("start", "Start", ABOUT, tuple(rows), breakdowns=(_imports(context),), samples=samples)


def _what(count: int, kind: str) -> str:
    return f"start with {count} patch{'es' if count > 1 else ''} {kind}"


def _rounds(context: Context, rounds: int, limits: Cage | None) -> Times:
    """Seconds by the clock and of the processor for each number and kind of patches, in shuffled rounds."""
    cases = [(count, kind) for count in COUNTS for kind in PATCHES]
    order = random.Random(SEED)
    times: Times = {case: [] for case in cases}
    with context.scratch() as scratch:
        for count, kind in cases:
            documents.write_patches(scratch / f"{count} {kind}", PATCHES[kind], count)
        for number in range(rounds + 1):
            for count, kind in order.sample(cases, len(cases)):
                hooks = scratch / "hooks"
                with Sidecar(hooks, shim(context.python, hooks, scratch / f"{count} {kind}"), cage=limits) as sidecar:
                    if number > 0:  # the first round warms up
                        times[count, kind].append((sidecar.seconds_to_info, sidecar.cpu_seconds_to_info))
    return times


def _imports(context: Context) -> Breakdown:
    """Milliseconds of importing, by package, for one patch with CEL."""
    with context.scratch() as scratch:
        documents.write_patches(scratch / "patches", documents.WITH_CEL, 1)
        program, *arguments = shim(context.python, scratch / "hooks", scratch / "patches")
        with Sidecar(scratch / "hooks", [program, "-X", "importtime", *arguments]) as sidecar:
            log = sidecar.log
    imports = [(int(microseconds), module) for microseconds, module in IMPORT.findall(log)]
    spent: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for microseconds, module in imports:
        package = "google.protobuf" if module.startswith("google") else module.partition(".")[0]
        spent[package] += microseconds
        held[package] += 1
    first = spent.most_common(SHOWN)
    parts = [(_modules(package, held[package]), microseconds) for package, microseconds in first]
    others = spent.total() - sum(microseconds for _, microseconds in first)
    parts.append((f"{len(spent) - len(first)} more packages, mostly Python's own", others))
    title = f"What the sidecar imports for one patch with CEL, {len(imports)} modules"
    return Breakdown(title, "ms", tuple((name, round(microseconds / 1000, 2)) for name, microseconds in parts))


def _modules(package: str, count: int) -> str:
    return f"{package} ({count} module{'s' if count > 1 else ''})"
