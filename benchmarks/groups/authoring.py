"""The cost of the authoring tools on big inputs, and how fast an editor gets an answer."""

from __future__ import annotations

import subprocess
import time

from lxml import etree

from .. import documents, lsp, playground
from ..context import Context
from ..results import Figure, Group, Row

ROUNDS = 5
CHANGED = 20

ABOUT = f"""\
`patchlang derive` on a domain of 137 KB in which a script has changed {CHANGED} disks, as a whole process, compared
with `patchlang apply` of the derived patch.

`patchlang lsp` over the wire, with an open file of {lsp.DOCUMENTS} documents of the corpus, in which a character is
typed or removed {lsp.ROUNDS} times: the findings of the changed document after the {lsp.DEBOUNCE:.0f} ms without a
change that the server waits for, then completion and hover at that place. The figure is the 95th percentile.

`patchlang playground` on a domain of 137 KB: findings, diff, and trace, from request to answer of its worker process,
which has answered before."""


def measure(context: Context) -> Group:
    with context.scratch() as scratch:
        before, after, patch = scratch / "before.xml", scratch / "after.xml", scratch / "patch.yaml"
        before.write_bytes((documents.ROOT / "tests/corpus/base/many-disks.domain.xml").read_bytes())
        root = etree.parse(before).getroot()
        for driver in root.findall("devices/disk/driver")[:CHANGED]:
            driver.set("cache", "unsafe")
        after.write_bytes(etree.tostring(root))
        derive = ["derive", "--before", str(before), "--after", str(after), "-o", str(patch)]
        apply = ["apply", "-p", str(patch), "--domain", str(before), "-o", str(scratch / "result.xml")]
        taken: dict[str, list[float]] = {"derive": [], "apply": []}
        for _ in range(ROUNDS):
            for name, words in (("derive", derive), ("apply", apply)):
                start = time.perf_counter()
                subprocess.run([str(context.python), "-m", "patchlang", *words], check=True, capture_output=True)
                taken[name].append(1000 * (time.perf_counter() - start))
    figures = {name: Figure.of(values) for name, values in taken.items()}
    row = Row("`derive` of 137 KB", "ms", figures["derive"], "`apply` of its patch", figures["apply"])
    samples = {name: [round(value, 1) for value in values] for name, values in taken.items()}
    return Group(
        "authoring", "Tools for authors", ABOUT, (row, *lsp.rows(context), *playground.rows()), samples=samples
    )
