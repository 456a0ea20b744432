"""Patterns behave like compiled ones, and are compiled on first use."""

from __future__ import annotations

import re
from typing import Any

import pytest

from patchlang.patterns import pattern

USES: dict[str, tuple[Any, ...]] = {
    "findall": ("xaxbA",),
    "finditer": ("xaxbA",),
    "fullmatch": ("a", 0, 1),
    "match": ("xa", 1),
    "search": ("xa", 1, 2),
    "split": ("xaxbx", 1),
    "sub": ("-", "xaxb"),
    "subn": (lambda found: found[0] * 2, "xaxb"),
}


def shown(found: Any) -> Any:
    """A match, or an iterator of matches, in a form that can be compared."""
    if isinstance(found, re.Match):
        return found.group(), found.span()
    return [shown(one) for one in found] if hasattr(found, "__next__") else found


@pytest.mark.parametrize("name", USES)
def test_a_method_gives_what_the_compiled_pattern_gives(name: str) -> None:
    lazy, eager = pattern("[ab]", re.IGNORECASE), re.compile("[ab]", re.IGNORECASE)
    for _ in range(2):
        assert shown(getattr(lazy, name)(*USES[name])) == shown(getattr(eager, name)(*USES[name]))


def test_bytes_are_searched_by_bytes() -> None:
    assert pattern(rb"\d+").findall(b"a1b22") == [b"1", b"22"]


def test_it_is_compiled_once_and_not_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile = re.compile
    monkeypatch.setattr(re, "compile", lambda text, flags: compiled.append(text) or compile(text, flags))
    lazy = pattern("a+")
    assert (lazy.pattern, compiled) == ("a+", [])
    assert lazy.match("aa")
    assert lazy.search("ba")
    assert compiled == ["a+"]


def test_a_fault_in_the_text_shows_at_the_first_use() -> None:
    broken = pattern("(")
    with pytest.raises(re.error, match="unterminated"):
        broken.match("")
