"""libyaml replaces PyYAML's own parser only if both read the same: data, positions, duplicate keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from casefile import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from patchlang.cloudinit import libyaml, yamlread
from patchlang.cloudinit.textnode import Node

TESTS = Path(__file__).parents[2]
FILES = [file for folder in ("cases", "../examples") for file in (TESTS / folder).rglob("*.yaml") if file.is_file()]
PARTS = [
    part
    for kind in ("apply", "reject", "cli", "cloudinit")
    for case in cases(kind)
    for part in case.named(r".*\.yaml|.*user-data")
    if not part.generated
]
TEXTS = sorted({*(file.read_text(errors="replace") for file in FILES), *(part.text for part in PARTS)})
PIECES = [
    *"\n :-?[]{},\"'#|>ab1\\%@`=~!&*é\t",
    *("  ", ": ", "- ", "? ", " #", "\n\n", "|-\n", ">+\n", "|2\n", "<<", "<<: ", "= ", "=: ", "---", "...", "\n- "),
    *("\n  ", "\n    - ", "\n      k: ", "[a, b]", "{a: b}", "[-b, c]", '"x"', "'y'", "&a ", "*a", "!t ", "\\n", "\\/"),
    *("0x1", "1e3", "2001-01-01", "yes", "null", "-c", "http://a", "#cloud-config\n", "<<EOF", "2>&1", "a && b"),
]


def outcome(text: str) -> Any:
    """Everything read from a text, or the reason why it cannot be read."""
    try:
        document = yamlread.read(text)
    except (yamlread.YamlError, yamlread.TooBigError) as e:
        return str(e)
    return repr(document.value), document.duplicates, shape(document.root)


def shape(node: Node | None) -> Any:
    if node is None:
        return None
    children = [(c.start, c.end, repr(c.name), shape(c.key), shape(c.value)) for c in node.children]
    return node.kind, node.start, node.end, node.style, node.flow, children, shape(node.target)


def check(text: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether libyaml reads the text. If so, its result must be the same."""
    composed = libyaml.compose(text, max_nodes=yamlread.MAX_YAML_NODES, max_depth=98)
    if composed is None:
        return False
    ours = outcome(text)
    with monkeypatch.context() as context:
        context.setattr(libyaml, "compose", lambda *_, **__: None)
        assert ours == outcome(text)
    return True


def test_all_texts_of_the_cases_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    by_libyaml = sum(check(text, monkeypatch) for text in TEXTS)
    assert by_libyaml > len(TEXTS) / 10


@st.composite
def changed(draw: st.DrawFn) -> str:
    """A piece of a text with other pieces inserted."""
    text = draw(st.sampled_from(TEXTS))
    start = draw(st.integers(0, len(text)))
    text = text[start : start + draw(st.integers(0, 400))]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + draw(st.integers(0, 3)) :]
    return text


@given(text=changed() | st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@settings(max_examples=1500)
def test_changed_texts_are_read_alike(text: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        check(text, monkeypatch)


# libyaml reads each of these differently from PyYAML: another value, another position, or an error
DIFFERENT = [
    "a:\t1\n",
    "a: [b?c]\n",
    "a: {b:c}\n",
    "a: {b: }\n",
    "a: |#c\n  d\n",
    "{op: a, b: #[-c\n}\n",
    "a: \U0001f600\n",
    "%YAML 1.2\n---\na: 1\n",
    "a: &b 1\nc: *b\n",
    "a: !!str 1\n",
    "? a\n: b\n",
    "a: 1\r\nb: 2\r\n",
    'a: "\\u00e9"\n',
    "<<: {a: 1}\nb: 2\n",
    "=: 1\n",
    "---\na: 1\n---\nb: 2\n",
    "[" * 3000 + "]" * 3000,
    "- " * 300 + "a\n",
    "".join(f"{' ' * column}a:\n" for column in range(300)),
    "a: [" + ", ".join("b" * 20000) + "]\n",
]


@pytest.mark.parametrize("text", DIFFERENT, ids=[repr(text[:20]) for text in DIFFERENT])
def test_what_may_be_read_otherwise_is_left_to_pyyaml(text: str) -> None:
    assert libyaml.compose(text, max_nodes=10_000, max_depth=98) is None


@pytest.mark.parametrize(
    "text",
    [
        "#cloud-config\nruncmd:\n  - [sh, -c, 'a && b']\n  - cat <<EOF > /f 2>&1\n  - curl http://a/?b=c&d=*\n",
        "#cloud-config\nwrite_files:\n- path: /a\n  content: |\n    [section]\n    a = 1  # b\n    *.* @host\n",
        "users:\n  - name: é\n    sudo: ALL=(ALL) NOPASSWD:ALL\n    groups: [a, b]\n",
        "a: 'it''s'\nb: \"c\\n\"\nc: >-\n  folded\n  text\n\nd: {e: 1, f: [2]}\n",
    ],
)
def test_common_texts_are_read_by_libyaml(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(text, monkeypatch)
