"""Code in Markdown survives a formatter that reflows text: only fences protect the line breaks of indented code."""

from __future__ import annotations

import re

import pytest
from test_words import DOCUMENTS, ROOT


def unfenced(markdown: str) -> list[str]:
    """The second line of each indented block of code that has several lines."""
    text = re.sub(r"^( *)(`{3,}).*?^\1\2`* *$|<!--.*?-->", "", markdown, flags=re.DOTALL | re.MULTILINE)
    lines = text.split("\n")
    found, code = [], 0
    for at, line in enumerate(lines):
        is_indented = line.startswith("    ") and not re.match(r" *(?:[-*]|\d+\.) ", line)
        code = code + 1 if is_indented and (code or not lines[at - 1].strip()) else 0
        if code == 2:
            found.append(line.strip())
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_code_of_several_lines_is_fenced(document: str) -> None:
    assert unfenced((ROOT / document).read_text()) == []


def test_indented_code_of_several_lines_is_found() -> None:
    text = "Run\n\n    make\n\n```sh\n    a\n    b\n```\n\n- item\n\n      of\n      two\n\nand\n\n    a\n    b\n"
    assert unfenced(text) == ["two", "b"]
