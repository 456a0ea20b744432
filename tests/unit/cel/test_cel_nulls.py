"""The null named by an evaluation error: the right one, at its position in the expression."""

from __future__ import annotations

from typing import Any

import pytest
from fuzz.targets import expressions as fuzz
from hypothesis import given
from hypothesis import strategies as st

from patchlang.cel.compiled import compile_expression
from patchlang.cel.library import Names
from patchlang.diagnostics import Diagnostic, PatchError
from patchlang.run_scope import Scope

USES = (
    "{0}.x", "{0}['x']", "{0}.size()", "size({0})", "'a' + {0}", "{0} + 'a'", "{0} < 5", "!{0}", "-{0}", "{0} ? 1 : 2",
    "{0} && true", "{0}.all(i, i == 1)", "{0}.map(i, i)", "'a' in {0}", "[{0}].join('')", "string({0})",
    "{0}.startsWith('a')", "has({0}.x)", "{0}.?x.orValue(1)", "[1][{0}]", "cel.bind(b, 1, {0}.x == b)",
    "{0} == null ? {0}.x : 1", "{0} != null || {0}.x", "[1].map(i, {0} + i)",
)  # fmt: skip


def failure(expression: str, value: Any) -> Diagnostic:
    compiled = compile_expression(fuzz._text(expression), Names((("v", "dyn"),)))
    with pytest.raises(PatchError) as caught:
        compiled.evaluate(Scope({}, variables={"v": value}))
    return caught.value.diagnostic


@given(st.lists(st.one_of(st.sampled_from(["a", "b"]), st.sampled_from(["k-1", "k/2"]), st.integers(0, 2)), max_size=4),
       st.sampled_from(USES))  # fmt: skip
def test_the_null_is_named_and_the_caret_is_on_it(path: list[str | int], use: str) -> None:
    value: Any = None
    for step in reversed(path):
        value = {step: value, "other": "text"} if isinstance(step, str) else [*("text" for _ in range(step)), value]
    steps = (f".{s}" if s in ("a", "b") else f"[{s}]" if isinstance(s, int) else f"['{s}']" for s in path)
    written = f"variables.v{''.join(steps)}"
    found = failure(use.format(written), value)
    assert found.message == f"`{written}` is null"
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == written
    assert found.help is not None
    assert f"{written} == null ? " in found.help


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("variables.v.all(x, x.a != 1)", "`variables.v[1]` is null, which is `x` here"),
        ("variables.v.filter(x, x != null).map(x, x.a + 'a')", "`variables.v[2].a` is null, which is `x.a` here"),
        ("variables.v.exists(x, x != null && x.a.size() == 9)", "`variables.v[2].a` is null, which is `x.a` here"),
        ("cel.bind(m, variables.v[1], m.size())", "`variables.v[1]` is null, which is `m` here"),
        ("variables.v[?1].optMap(m, m.size()).orValue(1)", "`variables.v[1]` is null, which is `m` here"),
        ("variables.v[0].a + 1 == 2", "type mismatch: `string + int`"),
        ("variables.v[0].b == 2", "no key `b`"),
        ("variables.v[1] == null && variables.v[0].a + 1 == 2", "type mismatch: `string + int`"),
    ],
)
def test_nulls_of_lists(expression: str, says: str) -> None:
    assert failure(expression, [{"a": "x"}, None, {"a": None}]).message == says


def test_no_key_of_the_data_is_shown() -> None:
    found = failure("keys(variables.v).map(k, variables.v[k].size())", {"SECRET": None})
    assert found.message == "`variables.v[k]` is null"
