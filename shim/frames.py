"""How front and engine communicate: frames over a socket pair.

A frame is the length of its header (four bytes), the header (a JSON object), and the blobs whose sizes are in it.
Documents travel as blobs: they are neither escaped nor parsed. Both ends are ours and start from the same files,
so a frame that breaks these rules means that the other end is broken.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Iterator, Sequence

MAX_HEAD = 8 * 1024 * 1024
MAX_BLOB = 64 * 1024 * 1024
MAX_RESULT = 4 * 1024 * 1024 - 64
"""What one gRPC message can hold, minus the field numbers and lengths around the data of any response."""
MAX_WAITING = 256 * 1024
"""Bytes that may be sent to an engine before it reads them."""

NO_MEMORY = 3
"""Exit status of an engine that has not even the memory left to say that it ran out of it."""

_LENGTH = struct.Struct(">I")
_CHUNK = 256 * 1024
_WAIT_ALL = 0x100  # MSG_WAITALL, without importing `socket`

Frame = tuple[dict[str, Any], list[bytes]]
"""The header, without the sizes, and the blobs."""


class BrokenFrameError(Exception):
    """The other end disappeared in the middle of a frame, or sent something invalid."""


def send(connection: socket.socket, head: dict[str, Any], *blobs: bytes) -> None:
    """Sends a frame over a blocking socket. Raises OSError."""
    parts = [_start(head, blobs), *blobs]
    for part in _unsent(parts, connection.sendmsg(parts)):
        connection.sendall(part)


def receive(connection: socket.socket) -> Frame | None:
    """The next frame from a blocking socket; None if the other end is closed. Raises BrokenFrameError, OSError."""
    length = connection.recv(_LENGTH.size, _WAIT_ALL)
    if not length:
        return None
    fields, sizes = _parse(_exactly(connection, _read_length(length)))
    return fields, [bytes(_exactly(connection, size)) for size in sizes]


async def send_async(
    loop: asyncio.AbstractEventLoop, connection: socket.socket, head: dict[str, Any], blobs: Sequence[bytes]
) -> None:
    """Sends a frame over a non-blocking socket. Raises OSError."""
    parts = [_start(head, blobs), *blobs]
    try:
        sent = connection.sendmsg(parts)
    except BlockingIOError:
        sent = 0
    for part in _unsent(parts, sent):
        await loop.sock_sendall(connection, part)


async def receive_async(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> Frame:
    """The next frame from a non-blocking socket. Raises BrokenFrameError, OSError."""
    length = await _exactly_async(loop, connection, _LENGTH.size)
    fields, sizes = _parse(await _exactly_async(loop, connection, _read_length(length)))
    return fields, [bytes(await _exactly_async(loop, connection, size)) for size in sizes]


def _unsent(parts: Sequence[bytes], sent: int) -> Iterator[memoryview]:
    """What is left of the parts after that many bytes."""
    for part in parts:
        if sent < len(part):
            yield memoryview(part)[sent:]
        sent = max(0, sent - len(part))


def _start(head: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    text = json.dumps({**head, "sizes": [len(blob) for blob in blobs]}).encode()
    return _LENGTH.pack(len(text)) + text


def _read_length(data: bytes | bytearray) -> int:
    if len(data) != _LENGTH.size:
        raise BrokenFrameError("the other end is gone")
    (length,) = _LENGTH.unpack(data)
    if not 0 < length <= MAX_HEAD:
        raise BrokenFrameError("a header of an impossible length")
    return int(length)


def _parse(head: bytes | bytearray) -> tuple[dict[str, Any], list[int]]:
    try:
        fields = json.loads(head)
        sizes = fields.pop("sizes")
    except (ValueError, KeyError, AttributeError):
        raise BrokenFrameError("an unreadable header") from None
    if not all(isinstance(size, int) and 0 <= size <= MAX_BLOB for size in sizes):
        raise BrokenFrameError("a blob of an impossible size")
    return fields, sizes


def _exactly(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    at = 0
    with memoryview(data) as view:
        while at < size:
            got = connection.recv_into(view[at:])
            if not got:
                raise BrokenFrameError("the other end is gone")
            at += got
    return data


async def _exactly_async(loop: asyncio.AbstractEventLoop, connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    at = 0
    with memoryview(data) as view:
        while at < size:
            got = await loop.sock_recv_into(connection, view[at : at + _CHUNK])
            if not got:
                raise BrokenFrameError("the other end is gone")
            at += got
    return data
