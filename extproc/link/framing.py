"""How a streamed message is cut up in the outer body (section 6): a preamble, then segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, final

from extproc.errors import Code, LinkError

MAX_PREAMBLE: Final = 2_048
MIN_SEGMENT: Final = 16
MAX_SEGMENT: Final = 66_000

_FINAL_BIT: Final = 1 << 31
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it was framed. `final` is hearsay: it only tells which `aad` to try."""

    ciphertext: bytes = field(repr=False)
    final: bool


def preamble(message: bytes) -> bytes:
    """A serialized SealedRequest or SealedResponse with empty ciphertext, framed."""
    length = len(message)
    if length > MAX_PREAMBLE:
        raise ValueError(f"expected a preamble of at most {MAX_PREAMBLE} bytes, not {length}")
    varint = bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])
    return varint + message


def segment(ciphertext: bytes, *, final: bool) -> bytes:
    """A segment, framed."""
    length = len(ciphertext)
    if not MIN_SEGMENT <= length <= MAX_SEGMENT:
        raise ValueError(f"expected a segment of {MIN_SEGMENT} to {MAX_SEGMENT} bytes, not {length}")
    return (length | (_FINAL_BIT if final else 0)).to_bytes(_LENGTH_BYTES, "big") + ciphertext


@final
class FrameReader:
    """Takes a streamed body apart as its bytes come. Between calls it holds one unfinished frame at most."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._has_preamble = False

    @property
    def held(self) -> int:
        """How many bytes of an unfinished frame have come."""
        return len(self._held)

    def receive(self, data: bytes) -> Iterator[bytes | Segment]:
        """What is complete now: the preamble first, once, then segments.

        Raises LinkError(BAD_ENVELOPE) for a length out of bounds, as soon as it can be read.
        """
        self._held += data
        return iter(self._frame, None)

    def _frame(self) -> bytes | Segment | None:
        return self._segment() if self._has_preamble else self._preamble()

    def _preamble(self) -> bytes | None:
        held = self._held
        if not held or (held[0] & 0x80 and len(held) < 2):
            return None
        length, start = held[0], 1
        if length & 0x80:
            length, start = length & 0x7F | held[1] << 7, 2
        if length > MAX_PREAMBLE:  # a third byte of the varint too: its mark weighs 2^14
            raise LinkError(Code.BAD_ENVELOPE, f"a preamble of more than {MAX_PREAMBLE} bytes")
        if len(held) < start + length:
            return None
        self._has_preamble = True
        return self._taken(start, start + length)

    def _segment(self) -> Segment | None:
        if len(self._held) < _LENGTH_BYTES:
            return None
        head = int.from_bytes(self._held[:_LENGTH_BYTES], "big")
        length, end = head & ~_FINAL_BIT, _LENGTH_BYTES + (head & ~_FINAL_BIT)
        if not MIN_SEGMENT <= length <= MAX_SEGMENT:
            raise LinkError(Code.BAD_ENVELOPE, f"a segment of {length} bytes")
        if len(self._held) < end:
            return None
        return Segment(self._taken(_LENGTH_BYTES, end), bool(head & _FINAL_BIT))

    def _taken(self, start: int, end: int) -> bytes:
        taken = bytes(self._held[start:end])
        del self._held[:end]
        return taken
