"""Offsets as browsers count them: in UTF-16 code units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def utf16_of_characters(text: str, offsets: Iterable[int]) -> Mapping[int, int]:
    """Offsets in characters → in UTF-16 code units. Offsets beyond the text become its end."""
    found, done, units = {}, 0, 0
    plain = _has_no_pairs(text)
    for offset in sorted(set(offsets)):
        end = min(max(offset, 0), len(text))
        units += end - done if plain else sum(1 + (c > "\uffff") for c in text[done:end])
        found[offset] = units
        done = end
    return found


def utf16_of_bytes(data: bytes, offsets: Iterable[int], shift: int = 0) -> Mapping[int, int]:
    """Offsets in UTF-8 bytes → in UTF-16 code units, plus ``shift``."""
    found, done, units = {}, 0, shift
    for offset in sorted(set(offsets)):
        end = min(max(offset, 0), len(data))
        piece = data[done:end]
        units += len(piece) if piece.isascii() else len(piece.decode(errors="replace").encode("utf-16-le")) // 2
        found[offset] = units
        done = end
    return found


def characters_of_utf16(text: str, offset: int) -> int:
    """An offset in UTF-16 code units → in characters; an offset within a pair counts as before it."""
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
