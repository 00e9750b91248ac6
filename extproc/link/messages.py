"""Protobuf messages as a peer sends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf.message import DecodeError, Message

from extproc.errors import Code, LinkError

_LONGEST_VARINT: Final = 5  # bytes, of a length
_REMEMBERED: Final = 2**14


def parse(message: Message, serialized: bytes) -> None:
    """Fill `message`. Raises LinkError(BAD_ENVELOPE)."""
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise LinkError(Code.BAD_ENVELOPE, f"not a {message.DESCRIPTOR.name}") from error


class _Varints(dict[int, bytes]):
    """How numbers are written, by their values. Most are lengths of what is short, and are remembered."""

    def __missing__(self, value: int) -> bytes:
        out, rest = bytearray(), value
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
        written = bytes(out)
        if value < _REMEMBERED:
            self[value] = written
        return written


varint: Final[Callable[[int], bytes]] = _Varints().__getitem__
"""A number as protobuf writes lengths."""


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """The number at `start`, and where what follows it begins; past the end of what breaks off."""
    try:
        low = data[start]
        if low < 0x80:
            return low, start + 1
        high = data[start + 1]
        if high < 0x80:  # most lengths are of two octets
            return low & 0x7F | high << 7, start + 2
    except IndexError:
        return 0, len(data) + 1
    value = shift = 0
    for place, octet in enumerate(data[start : start + _LONGEST_VARINT], start + 1):
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, place
        shift += 7
    return 0, len(data) + 1
