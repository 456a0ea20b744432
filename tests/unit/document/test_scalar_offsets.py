"""Positions of characters inside YAML scalars, in every notation."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from patchlang.document.scalar_offsets import offsets

# (source of a value after `key: `; for each character of interest: the character and its number of occurrences before)
FORMS = {
    "plain": "one\n  two#x\n\n  three",
    "single": "'it''s one\n\n    ''two'' #x'",
    "double": '"a\\tb \\u00e9\\x41 one\\\n   \\  two\\n\\\n\n  three \\\\ #x\n  end"',
    "literal": "|\n    one\n      two # x\n\n    three\n",
    "literal, stripped": "|-\n  one\n\n  two\n\n\n",
    "literal, kept": "|+  # why\n  one\n\n\n",
    "literal, indented": "|2\n     one\n    two\n  three\n",
    "literal, carriage returns": "|\r\n  one\r\n\r\n  two\r\n",
    "folded": ">\n  one\n  two\n\n  three\n    more\n   even\n\n  end\n",
    "folded, indented": ">1-\n    one\n   two\n\n\n x\n",
    "folded, carriage returns": ">-\r\n  one\r\n  two\r\n\r\n  three\r\n",
}


def scalars(text: str) -> list[tuple[str, str]]:
    """The text of each scalar, and its source."""
    return [
        (event.value, text[event.start_mark.index : event.end_mark.index])
        for event in yaml.parse(text, Loader=yaml.CSafeLoader)
        if isinstance(event, yaml.ScalarEvent)
    ]


def check(text: str, raw: str) -> None:
    places = offsets(text, raw)
    assert len(places) == len(text) + 1
    assert places == sorted(places)
    assert places[-1] <= len(raw)
    for number, (char, place) in enumerate(zip(text, places, strict=False)):
        if not char.isspace():
            escaped = raw[0] == '"' and raw[place] == "\\"
            written = yaml.safe_load(f'"{escape(raw[place:])}"') if escaped else raw[place]
            assert written == char, (number, char)
        elif char in " \t" and raw[place] not in "\r\n\\":
            assert raw[place] == char
        elif char == "\n":
            assert raw[place : place + 1] in ("", "\n", "\r", "\\")


def escape(raw: str) -> str:
    return raw[: {"x": 4, "u": 6, "U": 10}.get(raw[1], 2)]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_character_is_where_it_is_written(form: str) -> None:
    [_, (text, raw)] = scalars(f"key: {form}")
    check(text, raw)
    for word in ("one", "two", "three", "end", "even", "#"):
        if word in text:
            assert raw[offsets(text, raw)[text.index(word)] :].startswith(word)


def test_first_column_of_an_indented_line() -> None:
    [_, (text, raw)] = scalars("key: |\n    one\n      two\n")
    assert raw[: offsets(text, raw)[text.index("  two")]] == "|\n    one\n    "


@given(
    text=st.text(alphabet="ab \n\t'\"\\#:é😀", max_size=40),
    style=st.sampled_from(["|", ">", "'", '"', ""]),
    width=st.integers(2, 20),
    indent=st.integers(2, 6),
)
def test_every_character_of_any_text(text: str, style: str, width: int, indent: int) -> None:
    dumped = yaml.dump({"key": {"in": text}}, default_style=style, width=width, indent=indent, allow_unicode=True)
    value, raw = scalars(dumped)[-1]
    # not `text`: PyYAML writes ` : :`, folded, in a form that it reads differently
    assert value == yaml.safe_load(dumped)["key"]["in"]
    check(value, raw)


def test_a_form_that_is_not_understood_still_gives_places() -> None:
    assert offsets("abc", "a\u2028b") == [0, 1, 2, 3]
    assert offsets("abcd", "a") == [0, 1, 1, 1, 1]
    assert offsets("one\ntwo", "|\n  one\u2028  two\n")[0] >= 2
