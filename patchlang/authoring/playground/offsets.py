"""Offsets as a browser counts them: in UTF-16 code units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def utf16_of_characters(text: str, offsets: Iterable[int]) -> Mapping[int, int]:
    """Offsets in characters → in UTF-16 code units. Those beyond the text are at its end."""
    found, done, units = {}, 0, 0
    plain = _has_no_pairs(text)
    for offset in sorted(set(offsets)):
        end = min(max(offset, 0), len(text))
        units += end - done if plain else sum(1 + (c > "\uffff") for c in text[done:end])
        found[offset] = units
        done = end
    return found


def utf16_of_bytes(data: bytes, offsets: Iterable[int], shift: int = 0) -> Mapping[int, int]:
    """Offsets in bytes of UTF-8 → in UTF-16 code units, and ``shift`` more."""
    found, done, units = {}, 0, shift
    for offset in sorted(set(offsets)):
        end = min(max(offset, 0), len(data))
        piece = data[done:end]
        units += len(piece) if piece.isascii() else len(piece.decode(errors="replace").encode("utf-16-le")) // 2
        found[offset] = units
        done = end
    return found


def characters_of_utf16(text: str, offset: int) -> int:
    """An offset in UTF-16 code units → in characters; one within a pair is before it."""
    if _has_no_pairs(text):
        return min(max(offset, 0), len(text))
    units = 0
    for number, character in enumerate(text):
        units += 1 + (character > "\uffff")
        if units > offset:
            return number
    return len(text)


def _has_no_pairs(text: str) -> bool:
    return text.isascii() or max(text, default="") <= "\uffff"
