"""``validate`` on a large repository, compared with other YAML checkers."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import documents
from ..context import Context
from ..results import Figure, Group, Row

FILES = 5000
ROUNDS = 2
LOOK_EVERY = 0.02
"""Seconds between samples of a command's memory."""
CORPUS = documents.ROOT / "examples" / "corpus"
SCHEMA = documents.ROOT / "patchlang" / "patch.schema.json"
YAMLLINT = "{extends: relaxed, rules: {line-length: disable}}"
MIB = 1 << 20
CHECKS = "`validate --jobs 1`"

ABOUT = f"""\
{FILES:,} patch files: the patches of examples/corpus, copied folder by folder, each with a different text. `validate`
reads them, compiles their XPath, CEL, and fragments, and gives advice; yamllint (rules relaxed, without line-length)
checks the form of the YAML, and check-jsonschema the structure that our schema describes. All of them check the same
files in the same run. Memory is the maximum that one of the processes had resident."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The measurements of one command."""

    seconds: float
    peak: int


def measure(context: Context) -> Group:
    jobs = sorted({2, len(os.sched_getaffinity(0)), 2 * len(os.sched_getaffinity(0))})
    with context.scratch() as scratch:
        files = write_tree(scratch / "tree", FILES)
        ours = [str(context.python), "-m", "patchlang", "validate", str(scratch / "tree")]
        commands = {
            CHECKS: [*ours, "--jobs", "1"],
            **{f"`validate --jobs {number}`": [*ours, "--jobs", str(number)] for number in jobs},
            "yamllint": [str(context.tools / "yamllint"), "-d", YAMLLINT, str(scratch / "tree")],
            "check-jsonschema": [
                str(context.tools / "check-jsonschema"),
                "--schemafile",
                str(SCHEMA),
                *map(str, files),
            ],
        }
        taken: dict[str, list[Ran]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                taken[name].append(run(command))
    return Group("validate", f"Validate at scale, {FILES:,} files", ABOUT, tuple(_rows(taken)))


def _rows(taken: dict[str, list[Ran]]) -> list[Row]:
    times = {name: Figure.of([one.seconds for one in runs]) for name, runs in taken.items()}
    rows = [
        Row(f"{name}, all files", "s", times[name], note=f"{FILES / times[name].median:,.0f} files/s") for name in taken
    ]
    rows += [Row(CHECKS, "s", times[CHECKS], name, times[name]) for name in ("yamllint", "check-jsonschema")]
    rows += [
        Row(name, "s", times[name], CHECKS, times[CHECKS]) for name in taken if "--jobs" in name and name != CHECKS
    ]
    rows += [Row(f"{name}, memory", "MiB", Figure.of([one.peak / MIB for one in runs])) for name, runs in taken.items()]
    return rows


def write_tree(folder: Path, count: int) -> list[Path]:
    """Write ``count`` patch files: copies of the corpus, one folder each, with their own names and comments."""
    sources = [(path.name, path.read_text()) for path in sorted(CORPUS.glob("*.yaml"))]
    written: list[Path] = []
    while len(written) < count:
        copy = len(written) // len(sources)
        below = folder / f"{copy:03}"
        below.mkdir(parents=True)
        for name, text in sources[: count - len(written)]:
            path = below / name
            path.write_text(f"# copy {copy}\n" + text.replace("\n  name: ", f"\n  name: c{copy}-"))
            written.append(path)
    return written


def run(command: Sequence[str]) -> Ran:
    """Run a checker to its end, whatever it finds; its output is discarded."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(LOOK_EVERY)
    seconds = time.perf_counter() - start
    if process.returncode not in (0, 1):
        raise RuntimeError(f"status {process.returncode}: {' '.join(command[:4])}")
    return Ran(seconds, peak)


def _resident(process: int) -> int:
    """The peak resident memory of the process or one of its children. (wait4's value starts with our own memory.)"""
    found = [0]
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for one in (process, *children):
            status = Path(f"/proc/{one}/status").read_text()
            found += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
    except OSError:
        pass  # it has just ended
    return max(found)
