"""The value of an expression, read without evaluating it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from patchlang.admission.literals import UnbalancedError, read
from patchlang.admission.quoting import in_lines, quoted
from patchlang.document.yamltree import Mapping, Node, Scalar, Sequence
from patchlang.source import SourceFile


def plain(node: Node) -> Any:
    """The value as Python data, with computed parts in angle brackets."""
    match node:
        case Scalar(text, True):
            return f"<{text}>"
        case Scalar(text):
            return text
        case Sequence(items):
            return [plain(item) for item in items]
        case Mapping(entries):
            return {key.text: plain(value) for key, value in entries}


def made(text: str) -> Any:
    return plain(read(SourceFile("policy.yaml", text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a"', "a"),
        ("'a' + \"b\"", "ab"),
        ("'a' + x", "<'a' + x>"),
        ('[JSONPatch{op: "add", path: "/a/-", value: 5},]', [{"op": "add", "path": "/a/-", "value": "<5>"}]),
        ("Object{spec: Object.spec{a: ['b',], c: true}}", {"spec": {"a": ["b"], "c": "<true>"}}),
        ('{"a": "b", \'c\': [1, -2]}', {"a": "b", "c": ["<1>", "<-2>"]}),
        ("['a'] + ['b'] + object.spec.c", ["a", "b"]),
        ("has(object.a) ? [{'b': 'c'}] : []", [{"b": "c"}]),
        ("has(object.a) ? {'b': 'c'} : {'d': 'e'}", [{"b": "c"}, {"d": "e"}]),
        ("(['a'])", ["a"]),
        ("[f('x', ['y']), object.a[0]['b'].c]", ["<f('x', ['y'])>", "<object.a[0]['b'].c>"]),
        ("[ // a comment ]\n 'a' ]", ["a"]),
        ("r'\\a' + '\\n' + '''b''' + \"\\\"\" + '\\x41\\u0042\\U00000043\\104'", '\\a\nb"ABCD'),
        ("", "<>"),
    ],
)
def test_what_is_made(text: str, expected: Any) -> None:
    assert made(text) == expected


@pytest.mark.parametrize(
    ("text", "at"),
    [("['a'", 0), ("a]", 1), ("[{'b': (c]}]", 7), ("['a", 1), ("{'a': 'b'", 0), ("f(", 1), ("[" * 60 + "]" * 60, 51)],
)
def test_what_does_not_close(text: str, at: int) -> None:
    with pytest.raises(UnbalancedError) as caught:
        made(text)
    assert caught.value.start == at


@given(st.text(max_size=30))
def test_any_text_ends(text: str) -> None:
    with suppress(UnbalancedError):
        made(text)


WRITTEN = st.text(alphabet="a'\"\\\n\r\t\u00e9\u2028\U0001f600\x00\x7f", max_size=12) | st.text(max_size=12)


@given(WRITTEN)
def test_a_quoted_text_is_the_same_for_cel_and_for_us(text: str) -> None:
    for literal in (quoted(text), in_lines(text, "  ")):
        assert made(literal) == text
        assert cel.NewEnv().compile(literal).eval(data={}).plain_value() == text
