"""Messages in the wire format of Protocol Buffers, read without descriptors.

https://protobuf.dev/programming-guides/encoding/; groups, which no message here uses, are refused.
"""

from __future__ import annotations

_VARINT, _BYTES = 0, 2
_LENGTHS = {1: 8, 5: 4}  # of numbers of fixed size


class WireError(ValueError):
    """The bytes are not such a message."""


class Message:
    """The fields of a message by number. A getter returns the last value of a field, as Protocol Buffers do.

    A missing field has the default of its type. Raises WireError if the bytes are not a message, or if a field
    has another type.
    """

    __slots__ = ("_fields",)

    def __init__(self, data: bytes) -> None:
        fields: dict[int, list[int | bytes]] = {}
        self._fields = fields
        at, size = 0, len(data)
        while at < size:
            key, at = _varint(data, at)
            value: int | bytes
            kind = key & 7
            if kind in _LENGTHS:
                length = _LENGTHS[kind]
            elif kind in (_VARINT, _BYTES):
                length, at = _varint(data, at)
            else:
                raise WireError(f"wire type {kind}")
            if kind == _VARINT:
                value = length
            else:
                value = data[at : at + length]
                at += length
                if at > size:
                    raise WireError("a field ends beyond its message")
            if key >> 3 in fields:
                fields[key >> 3].append(value)
            else:
                fields[key >> 3] = [value]

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def integer(self, number: int) -> int:
        """An ``int32``, ``int64``, ``bool`` or enumeration."""
        value = self.unsigned(number)
        return value - (1 << 64) if value >> 63 else value

    def unsigned(self, number: int) -> int:
        """A ``uint64``."""
        value = self._fields.get(number, (0,))[-1]
        if not isinstance(value, int):
            raise WireError(f"field {number} is not a number")
        return value

    def data(self, number: int) -> bytes:
        """``bytes``, a message in the wire format, or a number of fixed size."""
        return self.all(number)[-1] if number in self._fields else b""

    def text(self, number: int) -> str:
        """A ``string``."""
        try:
            return self.data(number).decode()
        except UnicodeDecodeError:
            raise WireError(f"field {number} is not UTF-8") from None

    def message(self, number: int) -> Message:
        """A message in this one."""
        return Message(self.data(number))

    def all(self, number: int) -> list[bytes]:
        """All values of a field whose type is ``bytes`` or a message."""
        values = self._fields.get(number, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise WireError(f"field {number} is a number")
        return found

    def numbers(self, number: int) -> list[int]:
        """All values of a repeated number, packed or unpacked."""
        found = []
        for value in self._fields.get(number, []):
            if isinstance(value, int):
                found.append(value)
                continue
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                found.append(one)
        return found

    def mapping(self, number: int) -> dict[int, int]:
        """A map of numbers."""
        found = {}
        for entry in self.all(number):
            if len(entry) == 4 and entry[0] == 8 and entry[2] == 16 and entry[1] < 128 > entry[3]:
                found[entry[1]] = entry[3]  # as most are: field 1 and field 2, one byte each
            else:
                pair = Message(entry)
                found[pair.integer(1)] = pair.integer(2)
        return found


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """A number and the offset after it."""
    if start < len(data) and data[start] < 128:
        return data[start], start + 1
    value = 0
    for shift, byte in enumerate(data[start : start + 10]):
        value |= (byte & 127) << (7 * shift)
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, start + shift + 1
    raise WireError("a number does not end")
