"""Minimal changes to YAML text: the new text is readable and has the right meaning, and the rest stays."""

import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchlang.cloudinit import jsonops, yamledit, yamlread
from patchlang.cloudinit.pointer import parse
from patchlang.values import TooBigError, identical

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "yamledit" / "edits.yaml").read_text(encoding="utf-8"))


def apply(value: Any, ops: list[list[Any]]) -> Any:
    for op, path, *rest in ops:
        args = [parse(rest[0])] if op == "move" else rest
        value = getattr(jsonops, op)(value, parse(path), *args)
    return value


def rewrite(text: str, value: Any) -> str:
    return yamledit.rewrite(yamlread.read(text), value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_edit(case: dict[str, Any]) -> None:
    document = yamlread.read(case["before"])
    wanted = apply(document.value, case["ops"])
    result = yamledit.rewrite(document, wanted)
    assert result == case["after"]
    assert identical(yaml.safe_load(result), wanted)
    assert rewrite(result, wanted) == result


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_edit_with_windows_line_breaks(case: dict[str, Any]) -> None:
    before, after = (case[name].replace("\n", "\r\n") for name in ("before", "after"))
    if before:
        document = yamlread.read(before)
        assert yamledit.rewrite(document, apply(document.value, case["ops"])) == after


# top-level entries in every style; PyYAML must read each the same after an edit elsewhere
CHUNKS = [
    "mode: 0644   # octal\n",
    "when: 1:30\n",
    "sexagesimal: 190:20:30.15\n",
    "flag: yes\nother: Off\n",
    "day: 2024-01-02\nmoment: 2024-01-02T03:04:05Z\n",
    "text: 'it''s'   # quoted\n",
    'escaped: "a\\tb\\u00e9 \\\n  goes on"\n',
    "folded: >-\n  one\n  two\n\n  three\n",
    "kept: |+\n  one\n\n\n",
    "indented: |2\n    deep\n  less\n",
    "plain: several\n  lines of\n  text\n",
    "# a comment\n\nflow: {a: [1, 2], 'b': \"c\"}  # and more\n",
    "list:\n- a\n-   b\n- - c\n  - d\n-\n  - e\n",
    "nested:\n    four:\n        deep: 1\n    five: ~\n",
    "anchored: &here [x, y]\nalias: *here\n",
    "base: &base\n  k: v\nmerged:\n  <<: *base\n  l: w\n",
    "empty:\nnothing: ''\n",
    "binary: !!binary aGVsbG8=\n",
    "set: !!set {a, b}\n",
    "tagged: !!str 12\n",
    "long: ssh-rsa " + "A" * 300 + " me@host\n",
    "größe: 日本 😀\n",
    "? complex\n: value\n",
    "duplicate: 1\nduplicate: 2\n",
    "7: number\ntrue: boolean\n",
    "url: http://example.test:80/#x\n",
    "multi:\n  - name: a # c\n\n    # between\n    x: 1\n\n  - name: b\n",
    "trailing: spaces   \n",
    'tab: "a\tb"\n',
    "windows: C:\\x\\y\n",
]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.permutations(CHUNKS), st.integers(1, 6), st.data())
def test_untouched_entries_keep_their_bytes(chunks: list[str], count: int, data: st.DataObject) -> None:
    chosen = chunks[:count]
    text = "#cloud-config\n" + "".join(chosen) + "edited:\n  - a  # c\n"
    value = yamlread.read(text).value
    edits = st.sampled_from(
        [
            ["add", "/edited/-", "b"],
            ["remove", "/edited"],
            ["replace", "/edited", {"x": "y\nz\n"}],
            ["add", "/new", [1, {"a": "0644"}]],
            ["move", "/edited", "/renamed"],
            ["replace", "/edited/0", True],
        ]
    )
    wanted = apply(value, [data.draw(edits)])
    result = rewrite(text, wanted)
    for chunk in chosen:
        assert chunk in result
    assert result.startswith("#cloud-config\n" + "".join(chosen))
    assert identical(yaml.safe_load(result), wanted)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_an_edited_entry_leaves_the_others_alone(chunk: str) -> None:
    """Whatever the style of a value is: replace, remove or rename it, its neighbors stay, and the result is right."""
    text = "before: 'x'  # b\n" + chunk + "\n# after\nafter: |\n  y\n"
    document = yamlread.read(text)
    for key in [key for key in document.value if key not in ("before", "after")]:
        path = f"/{str(key).lower() if isinstance(key, bool) else key}"
        for ops in (
            ["replace", path, "new"],
            ["replace", path, ["n", {"m": 1}]],
            ["remove", path],
            ["move", path, "/moved"],
            ["replace", path, "two\nlines"],
        ):
            wanted = apply(document.value, [ops])
            result = yamledit.rewrite(document, wanted)
            assert identical(yaml.safe_load(result), wanted)
            assert result.startswith("before: 'x'  # b\n")
            assert result.endswith("\n# after\nafter: |\n  y\n")


WORDS = [
    "a",
    "b c",
    "0644",
    "1:30",
    "yes",
    "",
    "x: y",
    "# c",
    "- d",
    "é",
    "one\ntwo",
    "one\ntwo\n",
    "\n",
    " lead\nx",
    "a\n\n",
    "t  \nx\n",
    "tab\there",
    "'q'",
    '"dq"',
    "2024-01-02",
    "~",
    "1e3",
    "*x",
    "!t",
    "%d",
    "{g}",
    "k,l",
    "back\\slash",
    "\x85",
    "\u2028",
    "\ufeff",
    "end:",
    "?q",
    "y",
    "=",
    "<<",
    "...",
    "---",
    "\U0001f600",
]
SCALARS = st.one_of(
    st.sampled_from(WORDS),
    st.integers(-9, 999),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=True),
    st.text(max_size=8).filter(lambda s: s.isprintable()),
    st.dates(),
    st.binary(max_size=4),
    st.just(datetime.datetime(2024, 1, 2, 3, 4, 5)),
)
KEYS = st.sampled_from(["name", "path", "users", "a b", "0644", "x: y", "é", "k" * 200, 7, True, None])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)
ROOTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=5) | st.lists(VALUES, min_size=1, max_size=5)


def in_any_style(value: Any, draw: Any, indentless: bool, flow: bool) -> str:
    """YAML text in a style that nobody would choose."""

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, indentless and self.indentless)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        style = draw(st.sampled_from([None, "'", '"', "|", ">"] if len(value) < 99 else [None]))
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def collection(dumper: Any, value: Any) -> Any:
        in_flow = flow and draw(st.booleans())
        if isinstance(value, dict):
            return dumper.represent_mapping("tag:yaml.org,2002:map", list(value.items()), flow_style=in_flow)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=in_flow)

    Dumper.indentless = indentless  # type: ignore[attr-defined]
    Dumper.add_representer(str, text)
    Dumper.add_representer(dict, collection)
    Dumper.add_representer(list, collection)
    width = draw(st.sampled_from([40, 1000]))
    return str(yaml.dump(value, Dumper=Dumper, width=width, indent=draw(st.sampled_from([2, 4])), allow_unicode=True))


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
@given(ROOTS, ROOTS, st.booleans(), st.booleans(), st.data())
def test_any_text_can_come_to_mean_anything(old: Any, new: Any, indentless: bool, flow: bool, data: Any) -> None:
    text = in_any_style(old, data.draw, indentless, flow)
    try:
        document = yamlread.read(text)
    except yamlread.YamlError:
        return  # with forced styles, PyYAML cannot read everything that it writes
    assert yamledit.rewrite(document, yamlread.read(text).value) == text
    part = data.draw(st.sampled_from(list(new) if isinstance(new, dict) else list(range(len(new)))))
    mixed: Any = new
    if isinstance(document.value, dict) and isinstance(new, dict):
        mixed = {**document.value, part: new[part]}
    elif isinstance(document.value, list) and isinstance(new, list):
        mixed = [*document.value[:1], new[part], *document.value[1:]]
    for wanted in (mixed, new):
        result = yamledit.rewrite(document, wanted)
        assert identical(yaml.safe_load(result), wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "expected ',' or ']', but got '<stream end>' in line 1, column 6"),
        ("a: b: c", "mapping values are not allowed here in line 1, column 5"),
        ("\ta: 1", "found character '\\t' that cannot start any token in line 1, column 1"),
        ("a: 1\n---\nb: 2", "but found another document in line 2, column 1"),
        ("a: !secret x", "could not determine a constructor for the tag in line 1, column 4"),
        ("a: 2024-13-45", "a plain value looks like a number, a date or binary data, but is not valid"),
        ("a: &x [*x]", "an alias refers to a value that contains it in line 1, column 8"),
        ("a: *x", "found undefined alias in line 1, column 4"),
        ("a: 1\nb: \x1b", "line 2 has a control character that YAML does not allow"),
        ("a: {{ x }}", "found unhashable key in line 1, column 5"),
    ],
)
def test_text_that_cloud_init_could_not_read(text: str, message: str) -> None:
    with pytest.raises(yamlread.YamlError) as e:
        yamlread.read(text)
    assert str(e.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "a: &a ["
        + "x," * 9
        + "]\n"
        + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in pairwise("abcdefgh")),
        "[" * 150 + "]" * 150,
        "".join(f"k{i}: v\n" for i in range(yamlread.MAX_YAML_NODES)),
        "a: " + "x" * (1 << 20),
    ],
    ids=["aliases", "depth", "nodes", "text"],
)
def test_limits(text: str) -> None:
    with pytest.raises(TooBigError):
        yamlread.read(text)


def test_duplicate_keys_are_told() -> None:
    assert yamlread.read("a: 1\nb:\n  x: 1\n  x: 2\na: 3\n").duplicates == ((1, "a"), (3, "x"))


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(yamledit.UnwritableError):
        rewrite("a: 1\n", {"a": ("a tuple",)})
