"""Base64 and gzip around text: unwrapped, and wrapped again the same way."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable

from ..patterns import pattern
from ..record import record
from ..values import MAX_TEXT, TooBigError

GZIP_MAGIC = b"\x1f\x8b"

_BASE64 = pattern(r"[A-Za-z0-9+/]+(?:\r?\n[A-Za-z0-9+/]+)*(?:\r?\n)?={0,2}\s*")
_SHORTEST = 12
_FIRST_STEP = 256


@record
class Wrapped:
    """Unwrapped text; ``close`` wraps other text the same way."""

    text: str
    close: Callable[[str], str]


def unwrap(text: str, is_known: Callable[[str], bool]) -> Wrapped:
    """The text inside base64, or inside gzip in base64; the text itself if it is neither.

    Text only counts as base64 if ``is_known`` recognizes its content, or if that is gzip. Raises TooBigError, or
    ValueError for gzip that cannot be opened.
    """
    if len(text) < _SHORTEST or not _BASE64.fullmatch(text):
        return Wrapped(text, lambda new: new)
    try:
        data = b64decode("".join(text.split()), validate=True)
        if not data.startswith(GZIP_MAGIC):
            inner = data.decode()
            return (
                Wrapped(inner, lambda new: encode(new.encode(), text))
                if is_known(inner)
                else Wrapped(text, lambda new: new)
            )
    except (binascii.Error, UnicodeDecodeError):
        return Wrapped(text, lambda new: new)
    try:
        inner = gunzip(data).decode()
    except UnicodeDecodeError:
        raise ValueError("the gzip data is not text") from None
    return Wrapped(inner, lambda new: encode(gzip(new.encode(), data), text))


def encode(data: bytes, like: str) -> str:
    """Base64 with the line length, line breaks and ending of other base64 text."""
    body = like.rstrip()
    break_ = "\r\n" if "\r\n" in body else "\n"
    width = body.find(break_)
    encoded = b64encode(data).decode()
    if width > 0:
        encoded = break_.join(encoded[i : i + width] for i in range(0, len(encoded), width))
    return encoded + like[len(body) :]


def gunzip(data: bytes) -> bytes:
    """The content of gzip data. Raises TooBigError beyond MAX_TEXT bytes, ValueError if it is corrupt."""
    pieces, size, at = list[bytes](), 0, 0
    while data.startswith(GZIP_MAGIC, at):
        member, step = zlib.decompressobj(wbits=31), _FIRST_STEP
        while not member.eof:
            # the rest is copied with each step: not much, as long as members are small
            given = data[at : at + step]
            if not given:
                raise ValueError("the gzip data is truncated")
            try:
                pieces.append(member.decompress(given, MAX_TEXT + 1 - size))
            except zlib.error:
                raise ValueError("the gzip data is corrupt") from None
            size += len(pieces[-1])
            if size > MAX_TEXT:
                raise TooBigError(f"more than {MAX_TEXT} bytes when unzipped")
            at += len(given) - len(member.unused_data)
            step *= 2
    return b"".join(pieces)


def gzip(content: bytes, like: bytes) -> bytes:
    """Gzip data with the time stamp and level in the header of other gzip data (RFC 1952)."""
    level = 1 if like[8:9] == b"\x04" else 9
    packer = zlib.compressobj(level, wbits=31)
    packed = packer.compress(content) + packer.flush()
    return packed[:4] + like[4:8] + packed[8:9] + like[9:10] + packed[10:]
