"""``make bench``: measures all groups and writes the report; with group names, prints only those groups."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from . import plot, report
from .context import Context
from .documents import ROOT
from .groups import GROUPS
from .results import Results

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
LIBRARIES = ("lxml", "grpcio", "protobuf", "cel-expr-python", "PyYAML")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of: {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--tools", type=Path, required=True, help="folder of the programs that we are compared with")
    given = parser.parse_args()
    unknown = [name for name in given.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    context = Context(Path(sys.executable), given.tools.resolve())
    started = time.monotonic()
    groups = []
    for name in given.groups or GROUPS:
        print(f"-- {name} ...", file=sys.stderr, flush=True)
        groups.append(GROUPS[name](context))
        print(report.terminal(groups[-1]), flush=True)
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    results = Results(_commit(), date, _machine(), round(time.monotonic() - started), tuple(groups))
    print(report.summary(results))
    if not given.groups:
        curves = [curve for group in groups for curve in group.curves]
        report.write(results, RESULTS, PAGE, PLOT, plot.svg(curves))
        print(f"written: {', '.join(str(path.relative_to(ROOT)) for path in (RESULTS, PAGE, PLOT))}")


def _commit() -> str:
    """The checked-out commit, marked if its files have changes."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=, with changes", "--abbrev=12", "--exclude=*"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "not known"
    return described.stdout.strip()


def _machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


if __name__ == "__main__":
    main()
