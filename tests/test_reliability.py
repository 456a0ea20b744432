"""docs/reliability.md: each fault names an existing test, and the figures are the recorded ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text()
ROW = re.compile(r"^\| (?P<fault>.+?) \| (?P<outcome>.+?) \| \[(?P<test>\w+)\]\(\.\./(?P<file>[\w/.]+)\) \|$")


def rows() -> list[re.Match[str]]:
    tables = re.findall(r"<!-- table: faults -->\n((?:\|.*\n)+)", DOCUMENT)
    found = [ROW.match(line) for table in tables for line in table.splitlines()[2:]]
    assert all(found), "a row without an outcome or a test"
    return [row for row in found if row]


def test_there_are_rows() -> None:
    assert len(rows()) > 35


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["fault"])
def test_each_fault_has_its_test(row: re.Match[str]) -> None:
    assert re.search(rf"def {row['test']}\(", (ROOT / row["file"]).read_text())


def recorded() -> dict[str, Any]:
    report: dict[str, Any] = json.loads((ROOT / "benchmarks" / "soak.json").read_text())
    return report


def test_the_recorded_soak_is_whole_and_within_its_bound() -> None:
    report = recorded()
    assert (report["calls"], report["refused"], report["oom_kills"]) == (20_000, 400, 0)
    assert (report["killed_between"], report["killed_within"]) == (20, 20)
    assert (report["memory_limit_bytes"], report["cpu_quota_us"]) == (64_000_000, 20_000)
    assert report["rss"][0] == [1_000, report["rss_settled"]]
    assert report["rss"][-1] == [20_000, report["rss_end"]]
    assert report["growth_percent"] == round((report["rss_end"] / report["rss_settled"] - 1) * 100, 2) <= 5
    assert re.fullmatch("[0-9a-f]{40}", report["commit"])


def test_the_document_says_what_was_recorded() -> None:
    report = recorded()
    (said,) = re.findall(r"<!-- figures: soak -->\n(.+?)\n\n?(?:#|\Z)", DOCUMENT, re.DOTALL)
    megabytes = f"{report['sent_bytes'] / 1e6:,.0f}"
    expected = (
        f"{report['calls']:,} calls with {megabytes} MB in {report['seconds'] / 60:.0f} minutes, {report['refused']} "
        f"of them refused on purpose. Engines were killed {report['killed_between']} times between two calls, which no "
        f"call noticed, and {report['killed_within']} times during a call, which was the only one to fail; there were "
        f"no other errors. Resident memory was {report['rss_settled']:,} KiB after 1,000 calls and "
        f"{report['rss_end']:,} KiB at the end: {report['growth_percent']:+.2f}%. At most "
        f"{report['cgroup_peak_bytes']:,} bytes were charged, and nothing was killed."
    )
    assert " ".join(said.split()) == expected
