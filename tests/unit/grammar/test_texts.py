"""Texts that the grammar allows: patterns compared with Python's own, and texts that are only partly known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchlang.grammar.automaton import BadPatternError, automaton
from patchlang.grammar.index import Datatype, Texts, load, versions
from patchlang.grammar.texts import ANYTHING, TRUE_OR_FALSE, WHOLE_NUMBER, Unknown, described, fits


def datatypes() -> list[Datatype]:
    """All datatypes in any version of libvirt."""
    found: set[Datatype] = set()
    for version in versions():
        for one in load(version).types:
            for values in (one.text, *one.attributes.values()):
                found |= set(values.datatypes) if values is not None else set()
    return sorted(found, key=repr)


PATTERNS = sorted({one.pattern for one in datatypes() if one.pattern is not None})


def takes(pattern: str, text: str) -> bool:
    return fits(Texts((), (Datatype(None, False, None, None, pattern),)), (text,))


def test_there_are_patterns_and_all_can_be_read() -> None:
    assert len(PATTERNS) > 50
    for pattern in PATTERNS:
        automaton(pattern)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_a_pattern_makes_fits_it(pattern: str) -> None:
    """With one character more or less, the text matches if Python says so."""

    texts = st.from_regex(pattern, fullmatch=True, alphabet=st.characters(min_codepoint=32, max_codepoint=126))

    @settings(max_examples=15)
    @given(texts, st.data())
    def law(text: str, data: st.DataObject) -> None:
        assert takes(pattern, text) or text != text.strip()
        at = data.draw(st.integers(0, len(text)))
        other = data.draw(st.sampled_from(["", "0", "f", "z", ":", "-", "/", "é"]))
        changed = (text[:at] + other + text[at + data.draw(st.integers(0, 1)) :]).strip()
        assert takes(pattern, changed) is (re.fullmatch(pattern, changed) is not None)

    law()


@pytest.mark.parametrize("pattern", ["(", ")", "[a", "a{", "a{x}", "*", "\\p{L}", "a)", "{1}", "\\"])
def test_what_is_no_pattern_is_said(pattern: str) -> None:
    with pytest.raises(BadPatternError):
        automaton(pattern)


PIECES = st.lists(st.text(alphabet="0123456789abx:-", max_size=4), min_size=1, max_size=5)


@given(PIECES, st.sets(st.integers(0, 4)), st.sampled_from(PATTERNS))
def test_what_fits_still_fits_when_less_is_known(pieces: list[str], unknown: set[int], pattern: str) -> None:
    allowed = Texts(("ab:0", "x"), (Datatype(None, False, None, None, pattern),))
    less = tuple(ANYTHING if number in unknown else piece for number, piece in enumerate(pieces))
    if fits(allowed, tuple(pieces)):
        assert fits(allowed, less)


@given(st.lists(st.text(alphabet="0123456789abx:-", max_size=3), max_size=3), st.sampled_from(PATTERNS))
def test_anything_is_what_its_pattern_says(pieces: list[str], pattern: str) -> None:
    allowed = Texts((), (Datatype(None, False, None, None, pattern),))
    by_pattern = Unknown(f"({ANYTHING.pattern})")
    ways = [tuple(one for piece in pieces for one in (piece, between)) for between in (ANYTHING, by_pattern)]
    assert fits(allowed, ways[0]) is fits(allowed, ways[1])


PORT = Texts((), (Datatype("PortNumber", True, -1, 65535, None),))


@pytest.mark.parametrize(
    ("allowed", "text", "expected"),
    [
        (PORT, ("65535",), True),
        (PORT, ("65536",), False),
        (PORT, ("-1",), True),
        (PORT, ("-2",), False),
        (PORT, ("+1",), True),
        (PORT, (" 80\n",), True),
        (PORT, ("8 0",), False),
        (PORT, ("",), False),
        (PORT, ("٣",), False),
        (PORT, ("9" * 5000,), False),
        (PORT, (WHOLE_NUMBER,), True),
        (PORT, ("5", WHOLE_NUMBER), True),
        (PORT, (WHOLE_NUMBER, "Gi"), False),
        (PORT, (TRUE_OR_FALSE,), False),
        (PORT, (ANYTHING, "Gi"), False),
        (PORT, ("a" * 20_000,), True),
        (Texts(("yes", "no")), (TRUE_OR_FALSE,), False),
        (Texts(("true",)), (TRUE_OR_FALSE,), True),
        (Texts(("virtio-blk",)), ("virtio", ANYTHING), True),
        (Texts(("virtio-blk",)), (ANYTHING, "-b", ANYTHING), True),
        (Texts(("virtio-blk",)), (ANYTHING, "-c", ANYTHING), False),
        (Texts(("a\nb",)), ("a", ANYTHING), True),
        (Texts(), (Unknown("[0-9]*"),), False),
    ],
)
def test_ranges_words_and_what_is_unknown(allowed: Texts, text: tuple[str | Unknown, ...], expected: bool) -> None:
    assert fits(allowed, text) is expected


def test_no_pattern_takes_longer_than_the_text_is_long() -> None:
    """These hang an engine that uses backtracking."""
    assert takes("(a+)+b", "a" * 9000) is False
    assert takes("((a|aa)*)*c", "a" * 9000) is False


def test_every_datatype_has_words() -> None:
    for one in datatypes():
        said = described(Texts((), (one,)), 20)
        assert said
        assert len(said) < 100
