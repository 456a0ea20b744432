"""From process start to the first answer to Info."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from .. import documents
from ..cgroup import CPU, Cage, Unavailable, cage
from ..context import Context
from ..measure import SEED
from ..results import Breakdown, Figure, Group, Row
from ..sidecar import Sidecar, bare, shim

COUNTS = (1, 20, 200)
PATCHES = {"without CEL": documents.WITHOUT_CEL, "with CEL": documents.WITH_CEL}
FORKED, STARTED = "two bare processes", "two bare processes, the child a separate program"
COST = {"without CEL": 1.5, "with CEL": 1.8}
"""CPU time with one patch, as a multiple of two bare processes."""
COST_ROUNDS, FAST_ROUNDS, SLOW_ROUNDS = 15, 7, 3
REACH = 3.0
"""Seconds to the first Info with one patch and 200m of a CPU."""
SHOWN = 12
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)\n")

ABOUT = """\
From the start of the process to the answer to the first Info, with patch files of three edits each; CPU time is that
of the front and the engine until then. The files of Python and the libraries are in the page cache, and bytecode is
compiled, as in the image. The two bare processes are the minimum for this design: a front that serves an empty Info
with grpc.aio (and leaves out OpenSSL, as ours does), and a child that imports lxml and PyYAML. The child is forked
before gRPC is imported, as our first engine is, or is a separate program. 200m is 20 of every 100 ms, set by a
cgroup. Imports are as Python reports them (`-X importtime`), which slows them down."""

LOAD = """
import sys
from shim import config, engine, progress, start
request = start.load_request(config.parse(["--patches", sys.argv[1]]), [])
engine.Worker(request, progress.create()).load([])
"""
"""The work of the engine at its start."""

Case = tuple[int, str]
Times = dict[str, list[tuple[float, float]]]


def measure(context: Context) -> Group:
    with context.scratch() as scratch:
        hooks = scratch / "hooks"
        cases: dict[Case, str] = {(count, kind): _what(count, kind) for count in COUNTS for kind in PATCHES}
        ours: dict[str, list[str]] = {}
        for (count, kind), what in cases.items():
            folder = scratch / f"{count} {kind}"
            documents.write_patches(folder, PATCHES[kind], count)
            ours[what] = shim(context.python, hooks, folder)
        theirs = {FORKED: bare(context.python, hooks, "fork"), STARTED: bare(context.python, hooks, "exec")}
        single = {what: ours[what] for (count, _), what in cases.items() if count == 1}
        cost = _rounds({**single, **theirs}, hooks, COST_ROUNDS, None)
        fast = _rounds(ours, hooks, FAST_ROUNDS, None)
        slow: Times = {}
        unavailable = ""
        try:
            with cage(CPU) as limits:
                slow = _rounds(ours, hooks, SLOW_ROUNDS, limits)
        except Unavailable as reason:
            unavailable = str(reason)
    rows = _cost(cost)
    for what, taken in fast.items():
        wall, processor = (Figure.of(values) for values in zip(*taken, strict=True))
        rows += [Row(what, "s", wall), Row(f"{what}: CPU time", "s", processor)]
    if not slow:
        rows.append(Row("start at 200m", "s", None, reach=REACH, note=f"not measured: {unavailable}"))
    for (count, _), what in cases.items() if slow else ():
        wall = Figure.of([seconds for seconds, _ in slow[what]])
        rows.append(Row(f"{what}, at 200m", "s", wall, reach=REACH if count == 1 else None))
    samples = {
        f"{what}{limit}": [round(seconds, 4) for seconds, _ in taken]
        for limit, times in (("", fast), (", at 200m", slow))
        for what, taken in times.items()
    }
    samples |= {f"{what}: CPU time": [round(used, 4) for _, used in taken] for what, taken in cost.items()}
    return Group("start", "Start", ABOUT, tuple(rows), breakdowns=_imports(context), samples=samples)


def _what(count: int, kind: str) -> str:
    return f"start with {count} patch{'es' if count > 1 else ''} {kind}"


def _cost(taken: Times) -> list[Row]:
    """CPU cost of a start, compared with the possible minimum."""
    used = {what: Figure.of([processor for _, processor in times]) for what, times in taken.items()}
    rows = []
    for kind, reach in COST.items():
        what = _what(1, kind)
        rows.append(Row(f"{what}: CPU time", "s", used[what], FORKED, used[FORKED], reach))
        rows.append(Row(f"{what}: CPU time", "s", used[what], STARTED, used[STARTED]))
    return rows


def _rounds(commands: Mapping[str, list[str]], hooks: Path, rounds: int, limits: Cage | None) -> Times:
    """Wall-clock and CPU seconds of each command, in shuffled rounds."""
    order = random.Random(SEED)
    times: Times = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name in order.sample(list(commands), len(commands)):
            with Sidecar(hooks, commands[name], cage=limits) as sidecar:
                if number > 0:  # the first round warms up
                    times[name].append((sidecar.seconds_to_info, sidecar.cpu_seconds_to_info))
            sidecar.socket.unlink(missing_ok=True)
    return times


def _imports(context: Context) -> tuple[Breakdown, Breakdown]:
    """Import time in milliseconds by package, for one patch with CEL: of the front and of the engine."""
    with context.scratch() as scratch:
        documents.write_patches(scratch / "patches", documents.WITH_CEL, 1)
        program, *arguments = shim(context.python, scratch / "hooks", scratch / "patches")
        with Sidecar(scratch / "hooks", [program, "-X", "importtime", *arguments]) as sidecar:
            front = sidecar.log
        command = [program, "-X", "importtime", "-c", LOAD, str(scratch / "patches")]
        engine = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return (
        _breakdown("Imports of the front", front),
        _breakdown("Imports of the engine for one patch with CEL, including what it inherits from the front", engine),
    )


def _breakdown(title: str, log: str) -> Breakdown:
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
    title = f"{title}: {len(imports)} modules"
    return Breakdown(title, "ms", tuple((name, round(microseconds / 1000, 2)) for name, microseconds in parts))


def _modules(package: str, count: int) -> str:
    return f"{package} ({count} module{'s' if count > 1 else ''})"
