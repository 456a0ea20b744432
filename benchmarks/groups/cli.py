"""The cost of starting the command line, compared with the imports it needs."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import documents
from ..context import Context
from ..measure import SEED
from ..results import Figure, Group, Row

ROUNDS = 20
REACH = 1.5
"""The maximum cost of a start, as a multiple of the imports."""
MAIN = "from patchlang.__main__ import run; run()"
NEEDED = "import click, lxml.etree, yaml"
WITH_CEL = f"{NEEDED}; from cel_expr_python import cel"
SET_UP = f"{WITH_CEL}; cel.NewEnv(variables={{'vmi': cel.Type.DYN}}).compile('vmi').eval(data={{'vmi': 1}})"

ABOUT = """\
CPU time of a whole process, with bytecode compiled and files in the page cache: `patchlang --help`, and `validate` of
one patch file with three edits, next to Python that imports what they cannot do without and exits. If the file has an
expression, that includes CEL; the time that CEL's library takes until it has evaluated something (which imports
protobuf) is shown for comparison."""


def measure(context: Context) -> Group:
    with context.scratch() as scratch:
        plain, cel = scratch / "plain.yaml", scratch / "cel.yaml"
        plain.write_text(documents.WITHOUT_CEL)
        cel.write_text(documents.WITH_CEL)
        taken = _rounds(
            context.python,
            {
                "`--help`": [MAIN, "--help"],
                "`import click`": ["import click"],
                "`validate` without CEL": [MAIN, "validate", str(plain)],
                f"`{NEEDED}`": [NEEDED],
                "`validate` with CEL": [MAIN, "validate", str(cel)],
                f"`{WITH_CEL}`": [WITH_CEL],
                "the same, and one expression": [SET_UP],
            },
        )
    found = {name: Figure.of(values) for name, values in taken.items()}
    bounds = {
        "`--help`": "`import click`",
        "`validate` without CEL": f"`{NEEDED}`",
        "`validate` with CEL": f"`{WITH_CEL}`",
    }
    rows = [Row(name, "ms", found[name], against, found[against], REACH) for name, against in bounds.items()]
    more = "the same, and one expression"
    rows.append(Row("`validate` with CEL", "ms", found["`validate` with CEL"], more, found[more]))
    samples = {name: [round(value, 3) for value in values] for name, values in taken.items()}
    return Group("cli", "The start of the command line", ABOUT, tuple(rows), samples=samples)


def _rounds(python: Path, programs: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """CPU milliseconds of each command, in rounds that run each once."""
    names = list(programs)
    order = random.Random(SEED)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS + 1):
        order.shuffle(names)
        for name in names:
            spent = _spent([str(python), "-c", *programs[name]])
            if number:  # the first round warms up
                taken[name].append(spent)
    return taken


def _spent(command: Sequence[str]) -> float:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"status {process.returncode}: {' '.join(command[1:])}")
    return (usage.ru_utime + usage.ru_stime) * 1000
