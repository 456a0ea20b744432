"""Positions as editors count them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchlang.authoring.lsp.buffers import Buffers, Change, path_of, uri_of
from patchlang.authoring.lsp.positions import UTF_8, UTF_16, UTF_32, Lines, Point, Range

TEXTS = st.text(st.sampled_from("aé€😀\n\r\u2028\x0c\ud800 "))
ENCODINGS = st.sampled_from([UTF_8, UTF_16, UTF_32])


@given(TEXTS, ENCODINGS)
def test_an_offset_is_that_of_its_point(text: str, encoding: str) -> None:
    lines = Lines(text, encoding)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":  # there is no position within a line break
            assert lines.offset(lines.point(offset)) == offset


@given(TEXTS, ENCODINGS, st.integers(-5, 50), st.integers(-5, 50))
def test_any_point_has_an_offset(text: str, encoding: str, line: int, character: int) -> None:
    assert 0 <= Lines(text, encoding).offset(Point(line, character)) <= len(text)


@pytest.mark.parametrize(("encoding", "character"), [(UTF_8, 8), (UTF_16, 5), (UTF_32, 4)])
def test_units(encoding: str, character: int) -> None:
    assert Lines("x\né😀a=b", encoding).point(2 + 3 + 1) == Point(1, character)


@given(TEXTS, TEXTS, st.data())
def test_changes_are_those_of_the_text(text: str, new: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    lines = Lines(text)
    place = Range(lines.point(start), lines.point(end))
    buffers = Buffers()
    buffers.open("file:///a.yaml", text, 1)
    changed = buffers.change("file:///a.yaml", [Change(new, place)], 2)
    assert changed is not None
    assert changed.text == text[: lines.offset(place.start)] + new + text[lines.offset(place.end) :]


@pytest.mark.parametrize("path", ["/a/b.yaml", "/a b/ü%20.yaml"])
def test_paths_and_their_uris(path: str) -> None:
    assert path_of(uri_of(path)) == path


@pytest.mark.parametrize("uri", ["untitled:1", "file://host/a", "file:relative", "file:///%00", "file://[", "", "a b"])
def test_what_is_no_file_is_its_uri(uri: str) -> None:
    assert path_of(uri) == uri
