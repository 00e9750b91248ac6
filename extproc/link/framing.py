"""How a streamed message is cut up in the outer body (section 6): a preamble, then segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Final, final

from extproc.errors import Code, LinkError
from extproc.message import Buffer, value

MAX_PREAMBLE: Final = 2_048
MIN_SEGMENT: Final = 16
MAX_SEGMENT: Final = 66_000

_FINAL_BIT: Final = 1 << 31
_LENGTH_BYTES: Final = 4
_MOST_PARTS: Final = 64


@value
class Segment:
    """A segment as it was framed. `final` is hearsay: it only tells which `aad` to try."""

    ciphertext: Buffer = field(repr=False)
    final: bool


def preamble(message: bytes) -> bytes:
    """A serialized SealedRequest or SealedResponse with empty ciphertext, framed."""
    length = len(message)
    if length > MAX_PREAMBLE:
        raise ValueError(f"expected a preamble of at most {MAX_PREAMBLE} bytes, not {length}")
    varint = bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])
    return varint + message


def segment_head(length: int, *, final: bool) -> bytes:
    """What stands before a segment of `length` bytes."""
    if not MIN_SEGMENT <= length <= MAX_SEGMENT:
        raise ValueError(f"expected a segment of {MIN_SEGMENT} to {MAX_SEGMENT} bytes, not {length}")
    return (length | (_FINAL_BIT if final else 0)).to_bytes(_LENGTH_BYTES, "big")


@final
class FrameReader:
    """Takes a streamed body apart as its bytes come.

    It holds one unfinished frame at most, once its iterator is drained.
    """

    def __init__(self) -> None:
        self.held = 0  # bytes of an unfinished frame
        self._parts: list[Buffer] = []
        self._needed = 1  # bytes, before it is worth looking
        self._has_preamble = False

    def receive(self, data: Buffer) -> Iterator[bytes | Segment]:
        """What is complete now: the preamble first, once, then segments.

        Raises LinkError(BAD_ENVELOPE) for a length out of bounds, as soon as it can be read.
        """
        if len(self._parts) >= _MOST_PARTS:  # tiny ones: each costs more than it holds
            self._parts = [b"".join(self._parts)]
        self._parts.append(data)
        self.held += len(data)
        return iter(self._frame, None)

    def _frame(self) -> bytes | Segment | None:
        frame = None
        if self.held >= self._needed:
            frame = self._segment() if self._has_preamble else self._preamble()
        if frame is None:
            self._let_go()
        return frame

    def _preamble(self) -> bytes | None:
        view = self._first(min(self.held, 2))
        length, start = view[0], 1
        if length & 0x80:
            if len(view) < 2:
                return None
            length, start = length & 0x7F | view[1] << 7, 2
        if length > MAX_PREAMBLE:  # also when the varint goes on: the bit that says so adds 2^14 to it
            raise LinkError(Code.BAD_ENVELOPE, f"a preamble of more than {MAX_PREAMBLE} bytes")
        if self.held < start + length:
            return None
        self._has_preamble = True
        return bytes(self._take(start + length)[start:])

    def _segment(self) -> Segment | None:
        head = int.from_bytes(self._first(_LENGTH_BYTES), "big")
        length = head & ~_FINAL_BIT
        if not MIN_SEGMENT <= length <= MAX_SEGMENT:
            raise LinkError(Code.BAD_ENVELOPE, f"a segment of {length} bytes")
        self._needed = _LENGTH_BYTES + length
        if self.held < self._needed:
            return None
        return Segment(self._take(self._needed)[_LENGTH_BYTES:], head & _FINAL_BIT != 0)

    def _first(self, size: int) -> memoryview:
        """The first `size` bytes of what is held, in one piece. Those that came in several are copied, and
        no others: a piece may be a hundred times as long."""
        parts = self._parts
        if len(parts[0]) < size:
            count, lacking = 0, size
            while lacking > len(parts[count]):
                lacking -= len(parts[count])
                count += 1
            last = memoryview(parts[count])
            whole = b"".join((*parts[:count], last[:lacking]))
            parts[: count + 1] = [whole, last[lacking:]] if lacking < len(last) else [whole]
        return memoryview(parts[0])[:size]

    def _take(self, size: int) -> memoryview:
        view = self._first(size)
        rest = memoryview(self._parts[0])[size:]
        self._parts[:1] = [rest] if rest else []
        self.held -= size
        self._needed = _LENGTH_BYTES
        return view

    def _let_go(self) -> None:
        """Keep the rest of a large piece, and not the piece."""
        if self._parts and isinstance(self._parts[-1], memoryview):
            self._parts[-1] = bytes(self._parts[-1])
