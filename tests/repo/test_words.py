"""Documents avoid the words of tests/words.txt, each of which says what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS = ROOT / "tests" / "words.txt"
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for place in (
        "*.md", ".github/**/*.md", "docs/**/*.md", "examples/**/*.md", "patchlang/**/*.md", "requirements/*.md",
        "tests/**/*.md",
    )
    for path in ROOT.glob(place)
)  # fmt: skip
_CODE = re.compile(r"^( *)(`{3,}).*?^ *\2 *$|<!--.*?-->|`[^`]*`|\]\([^)\s]*\)", re.DOTALL | re.MULTILINE)


def _listed() -> list[tuple[re.Pattern[str], str]]:
    lines = [line for line in WORDS.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.split(" → ", 1) for line in lines]
    return [(re.compile(words.replace(" ", r"\s+"), re.IGNORECASE), instead) for words, instead in pairs]


LISTED = _listed()


def _blank(found: re.Match[str]) -> str:
    """Keeps the lines, so that places stay right, and separates what is before from what is after."""
    return "`" + "\n" * found.group().count("\n")


def prose(markdown: str) -> str:
    """A Markdown text without its code, comments, addresses, and indentation, on the same lines."""
    return re.sub(r"^[ \t]+", "", _CODE.sub(_blank, markdown), flags=re.MULTILINE)


def avoided(text: str) -> list[str]:
    """What the list says of a text: the line, the words found and those to write."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: “{' '.join(found.group().split())}”: write {instead}"
        for words, instead in LISTED
        for found in words.finditer(text)
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_avoids_them(document: str) -> None:
    assert avoided(prose((ROOT / document).read_text())) == []


def test_they_are_found_over_lines_and_not_in_code() -> None:
    text = "Write it\nanew, but\nfor `anew`:\n\n```sh\nmend anew\n```\n"
    assert [line.split(":")[0] for line in avoided(prose(text))] == ["line 2", "line 2"]
