"""Manifests as Kubernetes, KubeVirt and our own sidecar read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from patchlang import rules
from patchlang.diagnostics import Diagnostic, PatchError
from patchlang.document.nested_source import located, outermost, part_of, text_of
from patchlang.document.yamltree import Mapping, Node, Scalar, Sequence, parse
from patchlang.manifests import arguments, configmaps, jsontree
from patchlang.source import SourceFile, Span
from patchlang.validation.discovery import Input
from patchlang.validation.run import validate_files
from shim import config

# -- JSON --------------------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def data_of(node: Node) -> Any:
    match node:
        case Scalar():
            return json.loads(node.text) if node.plain else node.text
        case Sequence():
            return [data_of(item) for item in node.items]
        case Mapping():
            return {key.text: data_of(value) for key, value in node.entries}


def spans(node: Node) -> list[Span]:
    match node:
        case Scalar():
            return [node.span]
        case Sequence():
            return [node.span, *(span for item in node.items for span in spans(item))]
        case Mapping():
            return [node.span, *(span for key, value in node.entries for span in (key.span, *spans(value)))]


@given(value=values, indent=st.sampled_from([None, 1, "\t"]), ascii_only=st.booleans())
def test_json_is_read_as_it_was_written(value: Any, indent: int | str | None, ascii_only: bool) -> None:
    source = SourceFile("a", json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    node, found = jsontree.parse(source)
    assert found == []
    assert data_of(node) == value
    for span in spans(node):
        json.loads(source.text[span.start : span.end])


@given(text=st.text(alphabet='[]{}:,"\\ \n0123eE+-.truefalsn', max_size=20))
def test_what_is_json_is_what_python_takes_for_json(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(PatchError) as raised:
            jsontree.parse(SourceFile("a", text))
        span = raised.value.diagnostic.span
        assert span is not None
        assert 0 <= span.start <= len(text)
    else:
        node, found = jsontree.parse(SourceFile("a", text))
        assert data_of(node) == expected or found


def test_json_nested_too_deep() -> None:
    with pytest.raises(PatchError, match="nested too deep"):
        jsontree.parse(SourceFile("a", "[" * 100_000))


# -- places ------------------------------------------------------------------------------------------------------------


def test_places_of_a_text_in_a_text_in_a_document() -> None:
    file = SourceFile("a.yaml", 'x: 1\n---\ntext: |\n  - "a\\tb: [c]"\n')
    chunk = part_of(file, 5, len(file.text))
    [root] = parse(chunk)
    assert isinstance(root, Mapping)
    outer = root.get("text")
    assert isinstance(outer, Scalar)
    [inner] = parse(text_of(outer))
    assert isinstance(inner, Sequence)
    [scalar] = inner.items
    assert isinstance(scalar, Scalar)
    text = text_of(scalar)
    at = text.text.index("c")
    span = Span(text, at, at + 1)
    assert str(span) == "a.yaml:4:13"
    assert (span.begin.line, span.finish.column) == (4, 14)
    assert text.line(4) == '  - "a\\tb: [c]"'
    assert outermost(span).source is file
    assert file.text[outermost(span).start : outermost(span).end] == "c"
    diagnostic = located(Diagnostic(rules.BAD_YAML, "c", span, related=((span, "c too"),)))
    assert diagnostic.related[0][0] == diagnostic.span == outermost(span)


# -- arguments ---------------------------------------------------------------------------------------------------------


def test_the_flags_are_those_of_the_sidecar() -> None:
    known = {
        option.removeprefix("--"): None if action.nargs == "?" else action.nargs != 0
        for action in config._parser()._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    assert known == arguments.FLAGS
    assert arguments.VERSIONS == config.VERSIONS
    assert str(config.DEFAULT_PATCHES) == arguments.DEFAULT_PATCHES
    assert arguments.LARGEST_DOMAIN == config.MAX_MESSAGE_BYTES


WORDS = [
    "--version", "v1alpha1", "v1alpha3", "v2", "--version=v1alpha2", "-version", "-version=v1alpha3", "--patches", "/p",
    "--patches=", "--patches=/p", "-patches", "", "--no-fallback", "--no-fallback=1", "--max-domain-bytes", "10", "0",
    "--max-domain-bytes=9999999", "--plugin-socket=/s", "--socket-dir=/d", "--unknown", "more", "--version v1alpha3",
    "--check-domain", "--check-domain=", "--check-domain=/s", "--audit", "--audit=yes", "--allow-empty", "--log-level",
    "--log-level=debug", "--log-level=loud", "warning", "--max-memory", "--max-memory=1000000000", "--max-memory=64M",
]  # fmt: skip


@given(words=st.lists(st.sampled_from(WORDS), max_size=5))
@example(words=["--check-domain=", "--check-domain"])
@example(words=["--socket-dir=", "--socket-dir=/d"])
@example(words=["--log-level", "", "--log-level=debug"])
@example(words=["--max-domain-bytes=", "--max-domain-bytes=10"])
def test_arguments_are_refused_where_the_sidecar_refuses_them(words: list[str]) -> None:
    source = SourceFile("a", "x")
    span = Span(source, 0, 1)
    told, found = arguments.read([Scalar(word, False, span) for word in words])
    try:
        expected = config.parse(words)
    except config.UsageError:
        expected = None
    assert bool(found) is (expected is None)
    if expected:
        assert told.patches == tuple(str(path) for path in expected.patches)
        if told.version:
            assert told.version.text == expected.version
        else:
            assert expected.version in (None, arguments.VERSIONS[-1])


# -- ConfigMaps --------------------------------------------------------------------------------------------------------


def machine_of(text: str) -> Mapping:
    [root] = parse(SourceFile("a.yaml", text), manifest=True)
    assert isinstance(root, Mapping)
    return root


@pytest.mark.parametrize(("size", "fits"), [(configmaps.LARGEST - 4, True), (configmaps.LARGEST - 3, False)])
def test_the_size_of_a_configmap(size: int, fits: bool) -> None:
    """The bytes of all values count, with binaryData decoded. Keys do not count."""
    value = "x" * size
    text = f"kind: ConfigMap\nmetadata: {{name: a}}\ndata: {{é: 'é', b: {value}}}\nbinaryData: {{c: //8=}}\n"
    _, found = configmaps.read(machine_of(text))
    assert (rules.CONFIG_MAP_TOO_BIG in {one.rule for one in found}) is not fits


def test_a_key_that_is_too_big_for_the_sidecar(tmp_path: Path) -> None:
    head = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: a}\nspec: {domain: [{op: remove, path: /a}]}\n"
    comment = "# " + "x" * 100 + "\n"
    value = "".join(f"    {line}\n" for line in (head + comment * 2600).splitlines())
    file = tmp_path / "a.yaml"
    file.write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a.yaml: |\n{value}")
    [checked] = validate_files([Input(str(file), True)])
    [found] = checked.diagnostics
    assert found.rule is rules.FILE_TOO_BIG
    assert found.span is not None
    assert (found.span.begin.line, found.span.begin.column) == (5, 3)


@pytest.mark.parametrize(
    ("value", "is_patch"),
    [
        ("apiVersion: patchlang/v1\nkind: Patch\n", True),
        ("# why\n---\nkind: Patch\napiVersion: patchlang/v2\n", True),
        ("kind: Patch\n", True),
        ('{"metadata": {},\n "apiVersion" : "patchlang/v1"}', True),
        ('"apiVersion": "patchlang/v1"\n', True),
        ("#!/bin/sh\ncat <<E\napiVersion: patchlang/v1\nE\n", False),
        ("text: |\n  apiVersion: patchlang/v1\n", False),
        ("kind: Patches\n", False),
        ("", False),
    ],
)
def test_which_values_are_patches(value: str, is_patch: bool) -> None:
    span = Span(SourceFile("a", ""), 0, 0)
    entry = configmaps.Entry(Scalar("k", True, span), part_of(SourceFile("a", value), 0, len(value)))
    assert entry.is_patch is is_patch


# -- hostile manifests -------------------------------------------------------------------------------------------------


@given(text=st.text(alphabet="apiVersion: v1\nkind ConfigMap{}[]|->'\"#&*!<patchlang/data", max_size=200))
def test_any_text_is_checked_without_an_exception(text: str) -> None:
    assume("\r" not in text)
    data = f"# patchlang: ignore[PL301]\nkind: ConfigMap\n{text}".encode()
    list(validate_files([Input("a.yaml", True, data)]))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n" + "b: &b [*a, *a]\n" * 1 + "kind: ConfigMap\n",
        "kind: ConfigMap\nx: " + "[" * 500,
        "kind: ConfigMap\nx: " + "{a: " * 500,
        "kind: List\nitems: [" * 200,
        "kind: ConfigMap\na: &a {<<: *a}\n",
        "apiVersion: v1\nkind: ConfigMap\ndata: &d\n  a.yaml: 'apiVersion: patchlang/v1'\n  <<: [*d, {b: c}]\n",
        "kind: ConfigMap\na0: &a0 x\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 9)),
    ],
)
def test_manifests_that_are_traps(text: str) -> None:
    list(validate_files([Input("a.yaml", True, f"{text}\n# patchlang\n".encode())]))
