"""The targets of links and tables of contents exist."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from docblocks import DOCUMENTS, ROOT, anchors


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", (ROOT / document).read_text(), flags=re.DOTALL)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_heading_that_is_listed_is_there_in_this_order(document: str) -> None:
    """Check the table of contents at the top of a document."""
    text = (ROOT / document).read_text()
    listed = re.findall(r"^ *- \[[^\]]*\]\(#([^)]*)\)", text, re.MULTILINE)
    lines = {anchor: at for at, anchor in enumerate(_anchors_in_order(text))}
    assert all(lines[a] < lines[b] for a, b in pairwise(listed))


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


def _anchors_in_order(text: str) -> list[str]:
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", plain, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", h.replace("`", "").lower()).replace(" ", "-") for h in headings]
