"""The cost of a plan in addition to the engine, and its memory per VM. docs/plan.md has the measured figures."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from pathlib import Path

import pytest
from docblocks import ROOT

from benchmarks import fleet
from benchmarks.documents import WITH_CEL
from patchlang.engine import patch_domain
from patchlang.loading import load_sources
from patchlang.plan import jsonstream
from patchlang.plan.inventory import Reader
from patchlang.plan.run import plan
from patchlang.plan.work import Setup
from patchlang.source import SourceFile

MOST_TIMES = 1.3
"""The limit for the time of a plan, relative to the engine alone (docs/plan.md)."""
NOISE = 1.15
BYTES_OF_A_VM = 2_000
"""The limit for the memory kept per VM of 18 KB: its name, positions, and its share of the report."""


def planned(folder: Path) -> int:
    inventory = Reader(folder, None, lambda _: None).read([str(folder / "dump.json")], [str(folder / "domains")])
    counts = plan(Setup(inventory)).counts()
    assert counts["changes"] + counts["unchanged"] == counts["vms"]
    return counts["vms"]


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    made: dict[int, Path] = {}
    for count in (120, 600):
        made[count] = tmp_path_factory.mktemp(f"fleet{count}")
        fleet.write(made[count], count)
    return made


def test_a_fleet_has_three_groups_for_each_kind_of_change(fleets: dict[int, Path]) -> None:
    inventory = Reader(fleets[120], None, lambda _: None).read([str(fleets[120])], [])
    found = plan(Setup(inventory))
    assert {group.body.status.value for group in found.groups.values()} == {"changes", "unchanged"}
    assert len(found.groups) <= len(fleet.BASES) + 1, "names, UUIDs, and addresses must not split groups"


def test_a_plan_costs_little_more_than_the_engine(fleets: dict[int, Path]) -> None:
    folder = fleets[600]
    program, _ = load_sources([SourceFile("patch.yaml", WITH_CEL)])
    assert program is not None
    vms = [(domain, json.dumps(vmi, indent=4).encode()) for _, _, domain, vmi in fleet.fleet(600)]

    def bare() -> None:
        for domain, vmi in vms:
            patch_domain(program, domain, vmi)

    def seconds(run: object) -> float:
        begin = time.process_time()
        bare() if run == "bare" else planned(folder)
        return time.process_time() - begin

    taken = [(seconds("plan"), seconds("bare")) for _ in range(4)]
    ratio = min(one for one, _ in taken) / min(one for _, one in taken)
    assert ratio <= MOST_TIMES * NOISE, taken


def test_what_is_kept_of_a_vm_is_little(fleets: dict[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonstream, "_PIECE", 1 << 16)  # so that the input buffer does not matter much

    def peak(folder: Path) -> int:
        tracemalloc.start()
        try:
            planned(folder)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    planned(fleets[120])  # load and compile everything that is needed only once
    less, more = peak(fleets[120]), peak(fleets[600])
    assert (more - less) / 480 < BYTES_OF_A_VM


def test_the_documented_figures_are_the_measured_ones() -> None:
    figures = json.loads((ROOT / "benchmarks/plan.json").read_text())
    text = (ROOT / "docs/plan.md").read_text()
    rows = re.findall(r"^\| ([\d,]+) \| ([\d.]+) s \| (\d+) MB \|$", text, re.MULTILINE)
    assert [(int(vms.replace(",", "")), float(seconds), int(size)) for vms, seconds, size in rows] == [
        (row["vms"], row["seconds"], row["megabytes"]) for row in figures["fleets"]
    ]
    (compared,) = [row for row in figures["fleets"] if "ratio" in row]
    assert compared["vms"] == 10_000
    assert compared["ratio"] <= MOST_TIMES
    assert f"{compared['ratio']} times" in text
    assert f"{figures['yaml']} s" in text
