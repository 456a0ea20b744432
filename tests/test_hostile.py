"""The table of hostile input in docs/reliability.md: each row names an existing case and gives its true result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from casefile import load

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "reliability.md"
MESSAGES = ("expected.txt", "warnings.txt", "stderr")


class Row(NamedTuple):
    """``rule`` is empty if the input does no harm, or if the response does not come from us."""

    rule: str
    name: str
    path: Path


def rows() -> list[Row]:
    table = DOCUMENT.read_text().partition("<!-- table: hostile input -->\n")[2].partition("\n\n")[0]
    found = [re.fullmatch(r"\| .* \|([^|]*)\| \[([\w-]+)\]\(\.\./(.*)\) \|", line) for line in table.splitlines()[2:]]
    assert all(found), "a row cannot be read"
    return [Row(row[1].strip(), row[2], ROOT / row[3]) for row in found if row]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_row_has_its_case(row: Row) -> None:
    if row.path.suffix == ".py":
        text = row.path.read_text()
        assert f"def {row.name}(" in text
    else:
        assert row.path.name == f"{row.name}.txtar"
        case = load(row.path)
        text = "".join(case.parts[part].text for part in MESSAGES if part in case)
        assert text or "expected.xml" in case
    assert row.rule in text
    assert row.rule or "error[" not in text


def test_no_case_twice() -> None:
    names = [row.name for row in rows()]
    assert sorted(set(names)) == sorted(names)
