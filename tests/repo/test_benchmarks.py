"""The benchmarks: the compared programs do the same work, and the documentation shows the results of a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import documents, plot, report
from benchmarks.__main__ import PAGE, PLOT, RESULTS
from benchmarks.groups import call, engine
from benchmarks.results import Breakdown, Curve, Figure, Group, Results, Row
from benchmarks.sidecar import alone, hook_folder

RUN = Results(
    commit="0123456789ab",
    date="2026-01-01 00:00 UTC",
    machine={key: f"a {label}" for key, label in report.MACHINE.items()},
    seconds=12,
    groups=(
        Group(
            "sample",
            "A group",
            "What it measures.",
            (
                Row("fast", "ms", Figure.of([1.0, 2.0, 4.0]), "slow", Figure.of([5.0, 6.0]), 0.5),
                Row("slow", "ms", Figure.of([8.0]), "fast", Figure.of([4.0]), 1.5),
                Row("small", "MiB", Figure.of([44.0]), reach=45.0, note="of three"),
                Row("elsewhere", "s", None, reach=3.0, note="not measured: needs root"),
            ),
            (Curve("number of things", "things", ((1, 1.0), (10, 5.0), (100, 50.0))),),
            (Breakdown("Parts", "ms", (("this", 3.0), ("that", 1.0))),),
            {"fast": [1.0, 2.0, 4.0]},
        ),
    ),
)


def test_all_that_is_compared_does_the_same(tmp_path: Path) -> None:
    domain, vmi = documents.domain(), documents.vmi()
    programs = {"patch": documents.WITH_CEL, "without CEL": documents.WITHOUT_CEL}
    actions: dict[str, Callable[[], bytes]] = {
        name: partial(engine.run, engine.compiled([text]), domain, vmi) for name, text in programs.items()
    }
    actions["lxml"] = partial(engine.bare, domain)
    for file in call.HOOKS.values():
        hook = hook_folder(tmp_path / file, "onDefineDomain", file) / "onDefineDomain"
        actions[file] = alone(hook, "--vmi", vmi.decode(), "--domain", domain.decode())
    call.compare(actions, domain)
    with pytest.raises(AssertionError, match="not the result of the patch: plain"):
        call.compare({**actions, "plain": lambda: domain}, domain)


@pytest.mark.parametrize("size", [16 * 1024, 256 * 1024, 1024 * 1024])
def test_a_grown_domain_has_its_size(size: int) -> None:
    domain = documents.grown_domain(size)
    assert size - 500 < len(domain) <= size
    assert ElementTree.fromstring(domain).tag == "domain"


def test_rows_are_judged_by_the_ratio_of_medians_or_by_themselves() -> None:
    fast, slow, small, elsewhere = RUN.groups[0].rows
    assert (fast.met, slow.met, small.met, elsewhere.met) == (True, False, True, None)
    assert (fast.ratio, fast.ratio_of_minima) == (2 / 5.5, 1 / 5)


def test_an_exponent_is_taken_where_fixed_costs_count_least() -> None:
    linear = tuple((float(n), 100 + n) for n in (1, 10, 100, 1_000, 10_000, 100_000))
    square = tuple((float(n), 100 + n * n) for n in (1, 10, 100, 1_000))
    assert Curve("", "", linear).exponent == pytest.approx(1, abs=0.01)
    assert Curve("", "", square).exponent == pytest.approx(2, abs=0.01)


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    RUN.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == RUN


def test_the_page_says_what_was_met_and_what_not() -> None:
    page = report.page(RUN, "plot.svg")
    assert "| fast | slow | 2 ms | 1 | 5.5 | 0.36 × | 0.20 × | ≤ 0.5 × | met |" in page
    assert "| slow | fast | 8 ms | 8 | 4 | 2.00 × | 2.00 × | ≤ 1.5 × | **MISSED** |" in page
    assert "| small |  | 44 MiB | 44 |  |  |  | ≤ 45 MiB | met (of three) |" in page
    assert "| elsewhere |  |  |  |  |  |  | ≤ 3 s | not measured: needs root |" in page
    assert "| this | 3 | 75% |" in page
    assert "2 of 3 bounds met" in page
    assert all(f"| {label} | a {label} |" in page for label in report.MACHINE.values())


def test_the_plot_is_an_image_with_every_point() -> None:
    image = ElementTree.fromstring(plot.svg(RUN.groups[0].curves))
    assert len(image.findall(".//{*}circle")) == 3
    assert "by number of things: exponent 1.00" in "".join(image.itertext())


def test_page_and_plot_are_those_of_the_recorded_run() -> None:
    if not RESULTS.exists():
        pytest.skip("no run is recorded: make bench")
    results = Results.read(RESULTS)
    curves = [curve for group in results.groups for curve in group.curves]
    assert PAGE.read_text() == report.page(results, PLOT.name)
    assert PLOT.read_text() == plot.svg(curves)
