"""Padding (section 12)."""

from __future__ import annotations

from typing import Final, Literal

from extproc.link.messages import varint

Padding = Literal["none", "padme"]

_PADDING_TAG: Final = b"\x7a"  # field 15, length-delimited: `padding` in every inner message


def padme(length: int) -> int:
    """The PADMÉ length at or above `length`: at most 12 % more (Nikitin et al., 2019)."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mantissa_bits = exponent.bit_length()
    mask = (1 << (exponent - mantissa_bits)) - 1
    return (length + mask) & ~mask


def pad(serialized: bytes, padding: Padding, most: int | None = None) -> bytes:
    """A serialized inner message, filled to the smallest length in reach at or above its PADMÉ length.

    One that would be longer than `most` then, if that is given, stays as it is.
    """
    if padding == "none":
        return serialized
    missing = padme(len(serialized)) - len(serialized)
    if missing == 0:
        return serialized
    # A field of n zeros costs a tag and a varint beside them, so that not every length is in reach.
    fields = (_PADDING_TAG + varint(zeros) + bytes(zeros) for zeros in range(max(0, missing - 6), missing))
    padded = serialized + next(field for field in fields if len(field) >= missing)
    return padded if most is None or len(padded) <= most else serialized
