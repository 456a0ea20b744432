"""Laws of the completion core: it answers any input quickly, and its suggestions in a path are valid in the grammar."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from growth import Shape, steep
from hypothesis import given, settings
from hypothesis import strategies as st

from patchlang.authoring.completion.core import complete, hover
from patchlang.authoring.completion.model import Kind
from patchlang.grammar.index import versions
from patchlang.grammar.places import unfolding
from patchlang.grammar.xpaths import Dialect, answer
from patchlang.lint.reading import xpaths
from patchlang.loading import decode_source
from patchlang.source import SourceFile

CORPUS = sorted((Path(__file__).parents[2] / "examples" / "corpus").glob("*.yaml"))
HEAD = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: p}\nspec:\n"
PIECES = [
    "",
    "\n",
    "  ",
    "\t",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "|",
    ">",
    "#",
    " #",
    "---\n",
    "$[",
    "<",
    "/",
    "\0",
    "😀",
]


@cache
def texts() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in CORPUS]


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """A patch from the corpus with some pieces removed and others inserted."""
    text = draw(st.sampled_from(texts()))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.integers(0, 12))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + gone :]
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


def holds(text: str, at: int) -> None:
    found, about = complete(text, at), hover(text, at)
    assert 0 <= found.start <= at <= found.end <= len(text)
    assert "\n" not in text[found.start : found.end]
    labels = [item.label for item in found.items]
    assert len(labels) == len(set(labels))
    assert about is None or (0 <= about.start <= about.end <= len(text) and about.text.strip())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_any_place_of_a_patch_is_answered(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for at in range(0, len(text) + 1, 3):
        holds(text, at)


@settings(max_examples=300, deadline=None)
@given(text=mutilated(), data=st.data())
def test_any_text_is_answered(text: str, data: st.DataObject) -> None:
    for _ in range(5):
        holds(text, data.draw(st.integers(0, len(text))))


EDIT = "    - {op: set, path: /domain/title, value: a}\n"
GROWING: dict[str, Shape] = {
    "edits": (f"{HEAD}  domain:\n", EDIT, "    - {op: set, path: /domain/devices/"),
    "variables": (f"{HEAD}  variables:\n", "    - {name: a, expression: vmi.metadata.name}\n", "  when: variables."),
    "a fragment": (
        f"{HEAD}  domain:\n    - op: add\n      path: /domain/devices\n      xml: |\n",
        "        <disk><source/></disk>\n",
        "        <disk><",
    ),
    "a path": (f"{HEAD}  domain:\n    - op: set\n      path: /domain", "/devices[disk]/..", "/"),
    "an expression": (f"{HEAD}  when: vmi.metadata.name == 'a'", " || vmi.metadata.name == 'b'", " || vmi."),
    "edits in edits": (f"{HEAD}  domain:\n    - ", "{op: within, path: /domain, edits: [", "{op: set, path: "),
    "cloud-config": (
        f"{HEAD}  cloudInit:\n    - op: merge\n      target: userData\n      path: ''\n      value:\n",
        "        a: [1, 2]\n",
        "        run",
    ),
    "a ConfigMap": (
        "kind: ConfigMap\ndata:\n  a.yaml: |\n" + "".join(f"    {line}\n" for line in f"{HEAD}  domain:".splitlines()),
        f"    {EDIT}",
        "        - op: s",
    ),
}


@pytest.mark.parametrize("name", GROWING)
def test_the_time_grows_with_the_text(name: str) -> None:
    def answer_at_the_end(text: str) -> None:
        complete(text, len(text))
        hover(text, len(text) - 1)

    found = steep(answer_at_the_end, [GROWING[name]], 3_000)
    assert found is None, f"times for eight times the size: {found}"


def paths() -> Iterator[str]:
    """The paths in the corpus from the root, up to the end of a step."""
    for text in texts():
        for patch in decode_source(SourceFile("patch.yaml", text))[0]:
            for written, _, _ in xpaths(patch):
                path = written.text
                if path.startswith("/") and "'" not in path and "$" not in path and '"' not in path:
                    yield from (path[:at] for at in range(1, len(path)) if path[at] == "/")


def test_what_is_offered_in_a_path_is_right_by_the_grammar() -> None:
    grammar = Dialect(unfolding(versions()[-1]), (("qemu", "http://libvirt.org/schemas/domain/qemu/1.0"),))
    tried = 0
    for path in sorted(set(paths())):
        for lead in ("/", "/@"):
            text = f'{HEAD}  domain:\n    - op: set\n      path: "{path}{lead}'
            for item in complete(text, len(text)).items:
                if item.kind in (Kind.ELEMENT, Kind.ATTRIBUTE) and (":" not in item.insert or "qemu:" in item.insert):
                    found = answer(f"{path}{lead}{item.insert}", (grammar.unfolding.document,), grammar).findings
                    assert not [one for one in found if one.severity.value == "error"], f"{path}{lead}{item.insert}"
                    tried += 1
    assert tried > 500


@pytest.mark.parametrize(
    "path", ["/domain/devices/disk/@device", "/domain/devices/disk/driver/@cache", "/domain/on_crash"]
)
def test_values_that_are_offered_are_right_by_the_grammar(path: str) -> None:
    grammar = Dialect(unfolding(versions()[-1]), ())
    element, _, name = path.rpartition("/")
    text = f"{HEAD}  domain:\n    - op: set\n      path: {element}[{name}='"
    items = complete(text, len(text)).items
    assert items
    for item in items:
        assert not answer(f"{element}[{name}='{item.insert}']", (grammar.unfolding.document,), grammar).findings
