"""Documents and the text in the code avoid the words in tests/words.txt, which says what to write instead of each."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
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
# texts that quote a license, and this module, which quotes the list
QUOTING = {"test_playground_bundle.py", "test_sbom.py", "test_words.py"}
MODULES = sorted(
    str(path.relative_to(ROOT))
    for place in ("patchlang", "shim", "tests", "tools", "benchmarks", "examples")
    for path in ROOT.glob(f"{place}/**/*.py")
    if "stubs" not in path.parts and path.name not in QUOTING  # stubs are generated
)
_CODE = re.compile(r"^( *)(`{3,}).*?^ *\2 *$|<!--.*?-->|``.*?``|`[^`]*`|\]\([^)\s]*\)", re.DOTALL | re.MULTILINE)


def _listed() -> list[tuple[re.Pattern[str], str]]:
    lines = [line for line in WORDS.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.split(" → ", 1) for line in lines]
    return [(re.compile(words.replace(" ", r"\s+"), re.IGNORECASE), instead) for words, instead in pairs]


LISTED = _listed()


def _blank(found: re.Match[str]) -> str:
    """Blank out a match, keep its line breaks, so that line numbers stay right and the text around it stays apart."""
    return "`" + "\n" * found.group().count("\n")


def prose(markdown: str) -> str:
    """A Markdown text without its code, comments, addresses and indentation, on the same lines."""
    return re.sub(r"^[ \t]+", "", _CODE.sub(_blank, markdown), flags=re.MULTILINE)


def avoided(text: str) -> list[str]:
    """The matches of the list in a text: the line, the words found and the replacement."""
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


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of each comment, docstring and other string in a module; plain names are skipped."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    nodes = list(ast.walk(ast.parse(source)))
    parts = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            pieces = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield node.lineno, "".join(map(str, pieces))
        elif isinstance(node, ast.Constant) and node not in parts and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


@pytest.mark.parametrize("module", MODULES)
def test_a_module_avoids_them(module: str) -> None:
    found = [(line, avoided(prose(text))) for line, text in texts((ROOT / module).read_text())]
    assert [(line, words) for line, words in found if words] == []


def test_they_are_found_in_messages_docstrings_and_comments() -> None:
    source = 'def f(x):\n    """Writes it anew."""\n    # to mend it\n    raise ValueError(f"`{x}` stands twice")\n'
    assert [line for line, text in texts(source) if avoided(prose(text))] == [3, 2, 4]
