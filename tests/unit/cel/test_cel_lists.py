"""CEL's list and regular expression libraries: the same results as in Python, at a bounded cost."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import pytest
from fuzz.targets import expressions as fuzz
from hypothesis import given
from hypothesis import strategies as st

from patchlang.cel import regex
from patchlang.cel.compiled import compile_expression
from patchlang.cel.evaluation import MAX_ENTRIES, MAX_SEARCHED, Evaluation, evaluating, now
from patchlang.cel.library import Names
from patchlang.diagnostics import PatchError
from patchlang.run_scope import Scope


def value(expression: str, **variables: Any) -> Any:
    """The value of an expression whose variables have unknown types."""
    names = Names(tuple((name, "dyn") for name in variables))
    return compile_expression(fuzz._text(expression), names).evaluate(Scope({}, variables=variables))


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
scalars = st.one_of(st.integers(-(2**53), 2**53), texts, st.booleans())
entries = st.lists(st.one_of(scalars, st.lists(scalars, max_size=2)), max_size=12)


@given(entries, st.integers(0, 12), st.integers(0, 12))
def test_slice_reverse_and_distinct(items: list[Any], first: int, last: int) -> None:
    first, last = sorted((min(first, len(items)), min(last, len(items))))
    assert value(f"variables.x.slice({first}, {last})", x=items) == items[first:last]
    assert value("variables.x.reverse()", x=items) == items[::-1]
    unique = list({json.dumps(item): item for item in reversed(items)}.values())[::-1]
    assert sorted(map(json.dumps, value("variables.x.distinct()", x=items))) == sorted(map(json.dumps, unique))
    assert value("variables.x.first().orValue('none')", x=items) == (items[0] if items else "none")
    assert value("variables.x.last().orValue('none')", x=items) == (items[-1] if items else "none")


@given(st.one_of(st.lists(st.integers(-(2**53), 2**53)), st.lists(texts), st.lists(st.booleans())))
def test_sort_and_sort_by(items: list[Any]) -> None:
    assert value("variables.x.sort()", x=items) == sorted(items)
    assert value("variables.x.map(e, {'k': e}).sortBy(e, e.k).map(e, e.k)", x=items) == sorted(items)
    assert value("variables.x.sort().distinct().reverse()", x=items) == sorted(set(items), reverse=True)


@given(
    st.text("ab1", max_size=20), st.sampled_from(["a", "b+", "[a1]", "(a)(b)?", ""]), st.integers(-1, 3),
    st.lists(st.sampled_from(["x", r"\0", "€"]), max_size=4).map("".join),
)  # fmt: skip
def test_replace_is_never_longer_than_what_is_counted(text: str, pattern: str, count: int, put: str) -> None:
    with evaluating(Scope({}), ""):
        made = regex.replace(text, pattern, put, count)
        assert len(made) <= now().searched
    python = re.sub(pattern, put.replace(r"\0", r"\g<0>"), text, count=max(count, 0)) if count else text
    if pattern:  # Python finds more empty matches next to other matches
        assert made == python


@pytest.mark.parametrize(
    "expression",
    [
        "regex.replace(variables.x, '', variables.x)",
        r"regex.replace(variables.x, '.*', r'\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0')",
        "range(100).all(i, regex.extract(variables.x, 'a+').hasValue())",
        "range(100).all(i, capture(variables.x, '(a)a+').size() > 0)",
        "range(100).all(i, regex.extractAll(variables.x, 'a{10}').size() > 0)",
        "range(100).all(i, variables.l.reverse().size() > 0)",
        "range(100).all(i, variables.l.sort().size() > 0)",
        "range(100).all(i, variables.l.slice(0, 20000).size() > 0)",
        "range(100).all(i, regex.replace('a', 'b', variables.x) != '')",
        "variables.l.distinct()",
        "variables.l.sortBy(e, e)",
    ],
)
def test_what_costs_too_much_is_refused_before_it_is_made(expression: str) -> None:
    values = {"x": "a" * 200_000, "l": list(range(20_000))}
    used = {name: kept for name, kept in values.items() if f"variables.{name}" in expression}
    tracemalloc.start()
    try:
        with pytest.raises(PatchError, match=r"error\[PL403 evaluation-failed\] .* in one expression"):
            value(expression, **used)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_SEARCHED
    finally:
        tracemalloc.stop()


def test_budgets_are_of_one_expression() -> None:
    state = Evaluation(Scope({}), "")
    assert state.copy(MAX_ENTRIES)
    with pytest.raises(ValueError, match="slice, reverse, sort, split: more than"):
        state.copy(1)
    assert value("variables.x.reverse().size()", x=[0] * 100_000) == value("variables.x.size()", x=[0] * 100_000)
