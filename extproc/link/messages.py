"""Protobuf messages as a peer sends them."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError, Message

from extproc.errors import Code, LinkError

_LONGEST_VARINT: Final = 5  # bytes, of a length
_SHORT: Final = tuple(bytes([value]) for value in range(0x80))


def parse(message: Message, serialized: bytes) -> None:
    """Fill `message`. Raises LinkError(BAD_ENVELOPE)."""
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise LinkError(Code.BAD_ENVELOPE, f"not a {message.DESCRIPTOR.name}") from error


def varint(value: int) -> bytes:
    """A number as protobuf writes lengths."""
    if value < 0x80:
        return _SHORT[value]
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """The number at `start`, and where what follows it begins; past the end of what breaks off."""
    octets = data[start : start + _LONGEST_VARINT]
    if len(octets) > 1 and octets[1] < 0x80 <= octets[0]:  # most lengths are of two octets
        return octets[0] & 0x7F | octets[1] << 7, start + 2
    value = shift = 0
    for place, octet in enumerate(octets, start + 1):
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, place
        shift += 7
    return 0, len(data) + 1
