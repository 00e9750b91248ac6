"""A message in its streamed form (section 6): segment 0 is its head, the others are chunks of its body.

Sans-I/O: bytes in, chunks out, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, final

from extproc.errors import Code, LinkError
from extproc.link import framing
from extproc.link.messages import parse
from extproc.link.padding import Padding, pad
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import TAG_LENGTH, SegmentCipher

MAX_DATA: Final = 65_536
MAX_EMPTY: Final = 16
_MAX_PLAINTEXT: Final = framing.MAX_SEGMENT - TAG_LENGTH

HeadT = TypeVar("HeadT", pb.InnerRequest, pb.InnerResponse)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a body; trailers come with the final one alone."""

    data: bytes = field(repr=False)
    trailers: tuple[pb.Header, ...]
    is_final: bool


def serialized_head(inner: pb.InnerRequest | pb.InnerResponse) -> bytes:
    """What segment 0 is to hold. Raises ValueError when it does not fit."""
    serialized = inner.SerializeToString()
    if len(serialized) > _MAX_PLAINTEXT:
        raise ValueError(f"expected at most {_MAX_PLAINTEXT} bytes without the body, not {len(serialized)}")
    return serialized


@final
class StreamWriter:
    """Seals a message segment by segment: `write` as often as there is data, then `finish`, once."""

    __slots__ = ("_cipher", "_index", "_padding")

    def __init__(self, cipher: SegmentCipher, padding: Padding) -> None:
        self._cipher: SegmentCipher | None = cipher
        self._padding = padding
        self._index = 0

    def head(self, sealed: bytes, inner: bytes) -> bytes:
        """Preamble and segment 0, of two serialized messages; `inner` is from `serialized_head`."""
        return framing.preamble(sealed) + self._segment(inner, final=False)

    def write(self, data: bytes) -> bytes:
        """Segments for `data`, none for none."""
        return b"".join(
            self._segment(pb.InnerChunk(data=data[start : start + MAX_DATA]).SerializeToString(), final=False)
            for start in range(0, len(data), MAX_DATA)
        )

    def finish(self, data: bytes = b"", trailers: Sequence[pb.Header] = ()) -> bytes:
        """Segments for the last of the data, and the trailers in the final one.

        Raises ValueError for trailers that don't fit into it. What comes after it is a bug: RuntimeError.
        """
        start = len(data) if trailers else max(0, len(data) - 1) // MAX_DATA * MAX_DATA
        last = pb.InnerChunk(data=data[start:], trailers=trailers).SerializeToString()
        out = self.write(data[:start]) + self._segment(last, final=True)
        self._cipher = None
        return out

    def _segment(self, plaintext: bytes, *, final: bool) -> bytes:
        if self._cipher is None:
            raise RuntimeError("this message has been finished")
        padded = pad(plaintext, self._padding, _MAX_PLAINTEXT)
        ciphertext = self._cipher.seal(self._index, padded, final=final)
        self._index += 1
        return framing.segment(ciphertext, final=final)


@final
class StreamReader(Generic[HeadT]):
    """Opens a streamed message as its bytes come: its head into `head`, its body as chunks.

    `cipher_of` finds the keys by the preamble. After an error nothing opens any more.
    """

    def __init__(self, head: HeadT, cipher_of: Callable[[bytes], SegmentCipher]) -> None:
        self.head: HeadT = head  # the inner message without its body
        self._frames = framing.FrameReader()
        self._cipher_of = cipher_of
        self._cipher: SegmentCipher | None = None  # none after the end, and after an error
        self._index = 0
        self._empty = 0
        self._has_final = False

    @property
    def has_head(self) -> bool:
        """Whether segment 0 has opened."""
        return self._index > 0

    @property
    def is_complete(self) -> bool:
        """Whether the final segment has opened, and nothing has come after it."""
        return self._has_final and not self._frames.held

    def receive(self, data: bytes) -> Iterator[Chunk]:
        """The chunks that have come whole, one by one; those before a bad segment, and then the error.

        Raises LinkError(BAD_ENVELOPE), and what `cipher_of` raises.
        """
        return self._chunks(self._frames.receive(data))

    def end(self) -> None:
        """The outer body has ended. Raises LinkError(BAD_ENVELOPE) for a message that has not."""
        if not self.is_complete:
            raise LinkError(Code.BAD_ENVELOPE, f"truncated at segment {self._index}")

    def _chunks(self, frames: Iterator[bytes | framing.Segment]) -> Iterator[Chunk]:
        try:
            for frame in frames:
                if isinstance(frame, bytes):
                    self._cipher = self._cipher_of(frame)
                elif self.has_head:
                    yield self._chunk(frame)
                else:
                    self._open_head(frame)
            if self._has_final and self._frames.held:
                raise LinkError(Code.BAD_ENVELOPE, "bytes after the final segment")
        except LinkError:
            self._cipher, self._has_final = None, False
            raise

    def _open_head(self, frame: framing.Segment) -> None:
        plaintext = self._opened(frame)
        if frame.final:
            raise LinkError(Code.BAD_ENVELOPE, "segment 0 is final")
        parse(self.head, plaintext)
        if self.head.body:
            raise LinkError(Code.BAD_ENVELOPE, "a body in segment 0")
        self._index = 1

    def _chunk(self, frame: framing.Segment) -> Chunk:
        message = pb.InnerChunk()
        parse(message, self._opened(frame))
        data, trailers = message.data, tuple(message.trailers)  # each look at `data` is a copy
        if len(data) > MAX_DATA:
            raise LinkError(Code.BAD_ENVELOPE, f"a chunk of {len(data)} bytes")
        if trailers and not frame.final:
            raise LinkError(Code.BAD_ENVELOPE, "trailers before the final segment")
        self._empty = 0 if data else self._empty + 1
        if self._empty > MAX_EMPTY:
            raise LinkError(Code.BAD_ENVELOPE, f"more than {MAX_EMPTY} segments without data in a row")
        self._index += 1
        if frame.final:
            self._cipher, self._has_final = None, True
        return Chunk(data, trailers, frame.final)

    def _opened(self, frame: framing.Segment) -> bytes:
        if self._cipher is None:
            raise LinkError(Code.BAD_ENVELOPE, "a segment after the end")
        return self._cipher.open(self._index, frame.ciphertext, final=frame.final)
