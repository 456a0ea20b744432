"""``python -m fuzz``: tries inputs for all targets, or some of them, and writes each failure as a file to replay."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from . import find, supervisor
from .find import Find
from .supervisor import Outcome
from .targets import ALL, EVERY
from .worker import attempt, input_of, watch


def main() -> int:
    args = _arguments()
    if args.replay is not None:
        return _show(find.read(args.replay.read_text()))
    targets = [ALL[name] for name in args.target or EVERY]
    if args.only is not None:
        if len(targets) != 1:
            sys.exit("--only goes with one --target")
        parts = input_of(targets[0], args.seed, args.only)
        return _show(Find(targets[0].name, args.seed, args.only, "", "", "", parts))
    outcome = supervisor.run(targets, args.seed, args.inputs, args.processes, _Voice(args.inputs, args.finds))
    print(_table(outcome))
    if args.record is not None:
        args.record.write_text(json.dumps(_record(outcome, args.seed), indent=2) + "\n")
    return 1 if outcome.causes else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--target", action="append", choices=[*ALL], help="only this one; repeatable")
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="how many, over all targets (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed, other inputs (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default: %(default)s)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="try this input of a target, and show it")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try the input of a find, and show it")
    folder = Path("fuzz-finds")
    parser.add_argument(
        "--finds", type=Path, default=folder, metavar="DIR", help="where finds go (default: %(default)s)"
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the figures of the run, as JSON")
    return parser.parse_args()


def _show(one: Find) -> int:
    """Try an input in this process, under the same limits."""
    for name, data in one.parts.items():
        print(f"--- {name}: {len(data)} bytes\n{data!r}")
    sys.stdout.flush()
    watch(ALL[one.target])
    outcome, kind, place, detail = attempt(ALL[one.target], one.parts)
    watch(None)
    print(f"=== {kind} {place}\n{detail}" if kind else f"=== {outcome}")
    return 1 if kind else 0


class _Voice:
    """Reports finds at once, and the progress of the run every half minute."""

    EVERY = 30

    def __init__(self, inputs: int, finds: Path) -> None:
        self.inputs = inputs
        self.finds = finds
        self.next = time.monotonic() + self.EVERY

    def __call__(self, outcome: Outcome, found: Find | None) -> None:
        if found is not None:
            print(f"FIND {found.cause}: {found.write(self.finds)}", flush=True)
        if time.monotonic() > self.next:
            self.next = time.monotonic() + self.EVERY
            print(f"{outcome.inputs} of {self.inputs} inputs, {len(outcome.causes)} causes of finds", flush=True)


def _table(outcome: Outcome) -> str:
    rows = [
        f"{'target':18}{'inputs':>10}{'results':>10}{'refused':>10}{'bytes':>8}{'each':>9}{'slowest':>10}{'memory':>10}"
    ]
    for name, one in sorted(outcome.tallies.items()):
        mean, each = one.size // max(1, one.inputs), 1000 * one.seconds / max(1, one.inputs)
        memory, slowest = f"{one.memory >> 20} MiB", f"{one.slowest:.2f} s"
        counts = f"{one.inputs:>10}{one.results:>10}{one.refused:>10}{mean:>8}"
        rows.append(f"{name:18}{counts}{each:>6.2f} ms{slowest:>10}{memory:>10}")
    rate = outcome.inputs / max(outcome.seconds, 0.001)
    rows.append(f"{outcome.inputs} inputs in {outcome.seconds:.0f} s, {rate:.0f} a second")
    rows += [f"{count} × {cause}" for cause, count in outcome.causes.most_common()]
    return "\n".join(rows)


def _record(outcome: Outcome, seed: int) -> dict[str, object]:
    return {
        "commit": _commit(),
        "seed": seed,
        "inputs": outcome.inputs,
        "seconds": round(outcome.seconds),
        "inputs_a_second": round(outcome.inputs / outcome.seconds),
        "finds": dict(sorted(outcome.causes.items())),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "targets": {
            name: {
                "inputs": one.inputs,
                "results": one.results,
                "refused": one.refused,
                "mean_bytes": one.size // one.inputs,
                "processor_seconds": round(one.seconds),
                "slowest_seconds": round(one.slowest, 2),
                "slowest_input": one.slowest_input,
                "memory_mib": one.memory >> 20,
            }
            for name, one in sorted(outcome.tallies.items())
        },
    }


def _commit() -> str:
    """The commit, with ``+`` if files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
