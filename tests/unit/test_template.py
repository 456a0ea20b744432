"""Templates: computed parts are cut out, and the position of every remaining character in the source is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchlang.cel.template import cut
from patchlang.diagnostics import PatchError
from patchlang.domain.fragment import compile_fragment
from patchlang.source import SourceFile, Span, Text

PARTS = st.lists(st.sampled_from(["ab", "$$[", "]", "$x", "\n", "$[ x ]", "$[a['$[']]", '$[ "]" ]', "é"]), max_size=8)


def _text(text: str) -> Text:
    source = SourceFile("t", text)
    return Text(text, lambda start, end: Span(source, start, len(text) if end is None else end))


@given(PARTS)
def test_cut(parts: list[str]) -> None:
    text = "".join(parts)
    pieces = cut(_text(text), lambda number: f"<{number}>")
    assert len(pieces.places) == len(pieces.text) + 1
    assert list(pieces.places) == sorted(pieces.places)
    assert len(pieces.expressions) == sum(part.startswith("$[") for part in parts)
    for character, place in zip(pieces.text, pieces.places, strict=False):
        assert text[place] == character or text.startswith("$[", place)


@pytest.mark.parametrize("before", ["", "$$[ ", "$[ x ] ", "$$[$[ x ]$$[ "])
def test_a_fault_of_a_fragment_is_where_it_stands(before: str) -> None:
    text = f"<a>{before}&nbsp</a>"
    with pytest.raises(PatchError) as e:
        compile_fragment(_text(text), {}, lambda _text, **_options: None)  # type: ignore[arg-type,return-value]
    span = e.value.diagnostic.span
    assert span is not None
    assert abs(span.start - text.index("&nbsp")) <= len("&nbsp")
