"""CEL's own syntax tree as we read it, for every expression of the fuzz target and for bytes that are not a tree."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from casefile import case
from fuzz.targets import expressions as fuzz
from hypothesis import given
from hypothesis import strategies as st

from patchlang.cel import library
from patchlang.cel import syntax as cel_syntax
from patchlang.cel.checked_expr import MAX_DEPTH, UnreadableError, read
from patchlang.cel.compiled import compile_expression
from patchlang.cel.protowire import Message, WireError
from patchlang.cel.tree import Call, Comprehension, Ident, ListExpr, Literal, Macro, MapExpr, Node, Select, walk
from patchlang.cel.unparse import write
from patchlang.diagnostics import PatchError


def tree(text: str) -> Node:
    """The tree of an expression that CEL accepts."""
    parsed = library.parse(text)
    assert parsed is not None, text
    return read(parsed)


ROOT = Path(__file__).resolve().parents[3]
X, Y, ONE = Ident("x"), Ident("y"), Literal("int", 1)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("null", Literal("null_type", None)),
        ("-9223372036854775808", Literal("int", -(2**63))),
        ("18446744073709551615u", Literal("uint", 2**64 - 1)),
        ("-1.5e3", Literal("double", -1500.0)),
        (r"b'\xff'", Literal("bytes", b"\xff")),
        (r"'\u00e9\U0001f98a'", Literal("string", "é\U0001f98a")),
        ("variables.x", Ident("variables.x")),
        (".x", X),
        ("x.y", Select(X, "y")),
        ("has(x.y)", Select(X, "y", tested=True)),
        ("x.?y", Call("_?._", X, Literal("string", "y"))),
        ("x[?1]", Call("_[?_]", X, ONE)),
        ("size(x)", Call("size", X)),
        ("x.size()", Call("size", X, is_method=True)),
        ("optional.of(x)", Call("optional.of", X)),
        ("math.greatest(x, 1)", Call("math.greatest", X, ONE)),
        ("math.least(x)", Call("math.least", X)),
        ("x in y ? !x : -x", Call("_?_:_", Call("@in", X, Y), Call("!_", X), Call("-_", X))),
        ("[1, ?x]", ListExpr(ONE, X, optional=frozenset({1}))),
        ("{1: x, ?x: y}", MapExpr("", ONE, X, X, Y, optional=frozenset({1}))),
        ("T{a: 1}", MapExpr("T", Ident("a"), ONE)),
        ("x.all(y, y)", Macro("all", "y", X, Y)),
        ("x.exists(y, y)", Macro("exists", "y", X, Y)),
        ("x.exists_one(y, y)", Macro("exists_one", "y", X, Y)),
        ("x.map(y, 1)", Macro("map", "y", X, ONE)),
        ("x.map(y, y, 1)", Macro("map", "y", X, Y, ONE)),
        ("x.filter(y, y == 1)", Macro("filter", "y", X, Call("_==_", Y, ONE))),
        ("x.map(y, 1, y)", Macro("filter", "y", X, ONE)),
        ("cel.bind(y, x, y)", Macro("cel.bind", "y", X, Y)),
        ("x.optMap(y, y)", Macro("optMap", "y", X, Y)),
        ("x.optFlatMap(y, y)", Macro("optFlatMap", "y", X, Y)),
        # the expansion of a macro, written by hand
        (
            "x.hasValue() ? optional.of(cel.bind(y, x.value(), y)) : optional.none()",
            Call(
                "_?_:_",
                Call("hasValue", X, is_method=True),
                Call("optional.of", Macro("cel.bind", "y", Call("value", X, is_method=True), Y)),
                Call("optional.none"),
            ),
        ),
    ],
)
def test_what_is_read(text: str, node: Node) -> None:
    assert tree(text) == node


@pytest.mark.parametrize(
    ("one", "other"),
    [("x", "y"), ("x.y", "has(x.y)"), ("x.size()", "size(x)"), ("'1'", "1"), ("'a'", "b'a'"), ("true", "1"),
     ("x", "'x'"), ("[x]", "[?x]"), ("{x: y}", "{?x: y}"), ("x.all(y, y)", "x.exists(y, y)"),
     ("x.all(y, 1)", "x.all(z, 1)")],
)  # fmt: skip
def test_what_is_not_the_same(one: str, other: str) -> None:
    assert tree(one) != tree(other)


def test_an_operand_that_cel_writes_twice_is_read_once() -> None:
    text = "x" + ".optMap(y, y)" * library.MAX_OPENED_TWICE
    assert len(list(walk(tree(text)))) == 2 * library.MAX_OPENED_TWICE + 1
    assert library.parse(text + ".optMap(y, y)") is None


def refusal(text: str) -> str | None:
    """The reason why an expression is not compiled."""
    try:
        compile_expression(fuzz._text(text), fuzz._NAMES_OF_CEL)
    except PatchError as e:
        return e.diagnostic.message
    return None


# -- laws --------------------------------------------------------------------------------------------------------------


def made(seed: int) -> str:
    text = fuzz._make_cel(random.Random(seed))["expression"]
    return text.decode(errors="replace")


SEEDS = st.integers(0, 2**64)


@given(SEEDS)
def test_every_expression_is_read_and_its_places_are_those_of_its_text(seed: int) -> None:
    text = made(seed)
    parsed = library.parse(text)
    if parsed is None:
        return
    starts = {token.start: token for token in cel_syntax.tokens(text)}
    for node in walk(read(parsed)):
        assert not isinstance(node, Comprehension)
        assert -1 <= node.position < len(text)
        if isinstance(node, Literal) and node.position >= 0:
            written = starts[node.position].text
            if not re.match(r"[-.0-9]", written):  # the lexer does not know where it ends
                assert tree(written) == node
        if isinstance(node, Ident):
            assert node.position < 0 or text[node.position] in "." + node.name


@pytest.mark.parametrize("text", ["lists.range(3)", "math.abs(1)", "optional.of(1)", "strings.quote('a')"])
def test_a_function_of_a_namespace_is_one_name_in_every_tree(text: str) -> None:
    checked = library.environment(fuzz._NAMES_OF_CEL).compile(text).serialize()
    assert read(checked) == tree(text)
    called = tree(text)
    assert isinstance(called, Call)
    assert called.function == text.split("(")[0]


@given(SEEDS)
def test_a_checked_tree_says_what_one_says_that_is_not_checked(seed: int) -> None:
    text = made(seed)
    environment = library.environment(fuzz._NAMES_OF_CEL)
    try:
        checked = environment.compile(text).serialize()
    except (RuntimeError, UnicodeError):
        return
    assert read(checked) == tree(text)


@given(SEEDS)
def test_what_is_written_is_read_as_the_same(seed: int) -> None:
    text = made(seed)
    if (parsed := library.parse(text)) is not None:
        node = read(parsed)
        written = library.parse(write(node))
        # writing drops parentheses that CEL does not need, but CEL counts nesting levels in the text
        assert written is None or read(written) == node
        assert written is not None or len(text) > 200


@cache
def messages() -> tuple[bytes, ...]:
    texts = [
        "x.optMap(y, y + 1)",
        "{'a': [1, ?x], ?b'c': 1.5}",
        "a.exists(b, has(b.c) && b.d == null)",
        "-1 in [2u, r'x']",
    ]
    found = [parsed for text in texts if (parsed := library.parse(text)) is not None]
    checked = library.environment(fuzz._NAMES_OF_CEL).compile("item.?a.optMap(x, x).orValue(vmi.spec)")
    return (*found, checked.serialize())


@given(st.data())
def test_bytes_that_are_no_tree_are_refused_in_one_way(data: st.DataObject) -> None:
    message = bytearray(data.draw(st.sampled_from(messages())))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not message:
            break
    try:
        node = read(bytes(message))
    except UnreadableError:
        return
    assert all(isinstance(one, Node) for one in walk(node))


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(data)


def field(number: int, data: bytes) -> bytes:
    length = len(data)
    size = bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2]) + bytes([*size, length]) + data


@pytest.mark.parametrize("levels", [MAX_DEPTH, 1000, 20_000])
def test_a_tree_that_is_too_deep_is_refused(levels: int) -> None:
    expr = field(4, field(1, b"x"))
    for _ in range(levels):
        expr = field(5, field(1, expr) + field(2, b"y"))
    message = field(1, b"/cel.expr.ParsedExpr") + field(2, field(2, expr))
    with pytest.raises(UnreadableError, match="levels"):
        read(message)


def test_the_last_value_of_a_field_counts_and_unknown_fields_do_not() -> None:
    message = Message(b"\x08\x01\x08\x96\x01\x12\x01a\x12\x01b\x1d\x00\x00\x00\x00\xa2\x06\x00")
    assert (message.integer(1), message.text(2), message.all(2)) == (150, "b", [b"a", b"b"])
    assert (message.integer(9), message.text(9), 9 in message, 1 in message) == (0, "", False, True)
    assert Message(b"\x08" + b"\xff" * 9 + b"\x01").integer(1) == -1
    assert Message(b"\x12\x02\x01\x02\x10\x03").numbers(2) == [1, 2, 3]


@pytest.mark.parametrize(
    "data",
    [b"\x08", b"\x08\x80", b"\x08" + b"\x80" * 10 + b"\x01", b"\x12\x05a", b"\x0b", b"\x0d\x00", b"\x09\x00", b"\x0f"],
)
def test_bytes_that_are_no_message(data: bytes) -> None:
    with pytest.raises(WireError):
        Message(data)


def test_a_field_of_another_type_is_refused() -> None:
    with pytest.raises(WireError):
        Message(b"\x08\x01").text(1)
    with pytest.raises(WireError):
        Message(b"\x0a\x01a").integer(1)
    with pytest.raises(WireError):
        Message(b"\x0a\x01\xff").text(1)


# -- optionals ---------------------------------------------------------------------------------------------------------

COMPARED, HANDED = "an optional is compared with a value", "an optional may reach"


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("item[?'a'] == 'x'", COMPARED, "item"),
        ("'x' != item.?a", COMPARED, "item"),
        ("1 + 1 == vmi.spec[?'a'].b[0]", COMPARED, "vmi"),
        ("[1].map(x, (item.b)[?'a'] == x)", COMPARED, "(item"),
        ("((item)[?'a'] == 1)", COMPARED, "(item)["),
        ("true && (item.?a) == 1", COMPARED, "item"),
        ("flatten([item[?'a'], 1])", HANDED, "?"),
        ("[item.?a, keys(vmi)]", HANDED, "?"),
        ("xpath('a', {'b': optional.of(1)})", HANDED, "optional"),
        ("flatten([item.?a.or(item.?b)])", HANDED, "?"),
        ("flatten([item.?a.optMap(x, x + 1)])", HANDED, "?"),
        ("flatten([true ? item.?a : optional.none()])", HANDED, "?"),
        ("cel.bind(o, item.?a, flatten([o]))", HANDED, "?"),
        ("cel.bind(x, item.?a, flatten([x].map(x, x)))", HANDED, "?"),
        ("flatten([dyn(item.?a)])", HANDED, "?"),
        ("flatten([optional.of(optional.of(1)).value()])", HANDED, "optional.of(1"),
        ("flatten([?optional.of(item.?a)])", HANDED, "?a"),
        # only the type of the function shows it
        ("flatten([[1].first()])", HANDED, "first"),
        ("flatten([[1].last(), 'é'])", HANDED, "last"),
    ],
)
def test_optionals_that_go_astray(text: str, said: str, at: str) -> None:
    with pytest.raises(PatchError) as caught:
        compile_expression(fuzz._text(text), fuzz._NAMES_OF_CEL)
    diagnostic = caught.value.diagnostic
    assert said in diagnostic.message
    assert diagnostic.span is not None
    assert text[diagnostic.span.start :].startswith(at), text[diagnostic.span.start :]


@pytest.mark.parametrize(
    "text",
    [
        "item[?'a'].orValue('') == 'x'",
        "item[?'a'].hasValue() == true",
        "item[?'a'] == item.?b",
        "item.?a == optional.none()",
        "cel.bind(o, item[?'a'], o == item.?b)",
        "flatten([item[?'a'].orValue([])[0]])",
        "flatten([item[?'a'].orValue('').split(',')])",
        "flatten([?item.?a, 1])",
        "keys({?'a': item.?a})",
        "cel.bind(o, item.?a, flatten([o.orValue(1)]))",
        "cel.bind(o, item.?a, flatten([1].map(o, o)) == [o.orValue(1)])",
        "flatten([(true ? item.?a : item.?b).orValue(1)])",
        "flatten([item.?a.or(item.?b).orValue(1)])",
        "flatten([item.?a.optMap(x, x).orValue(1)])",
        "[has(item.?a.b), keys(vmi) == []]",
        "[[1].first().value(), size(flatten([[1]]))]",
        "flatten(['?', \"optional.of(1)\"])",
    ],
)
def test_optionals_that_end_well(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize("text", ["{'a': [1].first()}", "[[1].last()]", "{'a': vmi.metadata.?name}"])
def test_an_optional_inside_of_a_result_is_an_error(text: str) -> None:
    """The library's own conversion of an optional crashes the process."""
    compiled = compile_expression(fuzz._text(text), fuzz._NAMES_OF_CEL)
    with pytest.raises(PatchError, match="the result is an optional"):
        compiled.evaluate(fuzz._Bindings())


def test_a_patch_that_makes_no_optionals_is_loaded_without_its_trees() -> None:
    patch = case("apply/for-each-index-in-a-path").read("patch.yaml")
    code = (
        "import sys; from patchlang.files import source_of; from patchlang.loading import load_sources; "
        f"assert load_sources([source_of('a', {patch!r})])[0]; "
        "print('cel_expr_python' in sys.modules, sorted(m for m in sys.modules if m.startswith('patchlang.cel.')), "
        "[m for m in sys.modules if m in ('patchlang.lint', 'patchlang.grammar')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    names = "compiled evaluation functions library regex syntax template texts".split()
    loaded = [f"patchlang.cel.{name}" for name in names]
    assert run.stdout == f"True {loaded} []\n"


@pytest.mark.parametrize("levels", range(1, 40))
def test_macros_within_macros(levels: int) -> None:
    """Each macro expands to several levels, and CEL cannot read as many as it can write."""
    text = "1"
    for _ in range(levels):
        text = f"[1].map(x, true, [{text}])"
    refused = refusal(text)
    assert refused is None or "the expression is nested" in refused
    assert (levels <= 5) <= (refused is None) <= (levels < 20)
