"""A message in its streamed form (section 6): segment 0 is its head, the others are chunks of its body.

Sans-I/O: bytes in, chunks out, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, final

from extproc.errors import Code, LinkError
from extproc.link import framing
from extproc.link.messages import parse, read_varint, varint
from extproc.link.padding import Padding, pad
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import TAG_LENGTH, SegmentCipher
from extproc.message import Buffer

MAX_DATA: Final = 65_536
MAX_EMPTY: Final = 16
_DATA_TAG: Final = b"\x0a"  # field 1, length-delimited: InnerChunk.data
_MAX_PLAINTEXT: Final = framing.MAX_SEGMENT - TAG_LENGTH

HeadT = TypeVar("HeadT", pb.InnerRequest, pb.InnerResponse)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a body; trailers come with the final one alone."""

    data: Buffer = field(repr=False)
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
        return b"".join((framing.preamble(sealed), *self._segment(inner, final=False)))

    def write(self, data: Buffer) -> bytes:
        """Segments for `data`, none for none."""
        return b"".join(self._segments(memoryview(data)))

    def finish(self, data: Buffer = b"", trailers: Sequence[pb.Header] = ()) -> bytes:
        """Segments for the last of the data, and the trailers in the final one.

        Raises ValueError for trailers that don't fit into it. What comes after it is a bug: RuntimeError.
        """
        view = memoryview(data)
        start = len(view) if trailers else max(0, len(view) - 1) // MAX_DATA * MAX_DATA
        last = pb.InnerChunk(trailers=trailers).SerializeToString() if trailers else _chunk(view[start:])
        out = b"".join((*self._segments(view[:start]), *self._segment(last, final=True)))
        self._cipher = None
        return out

    def _segments(self, view: memoryview) -> Iterator[bytes]:
        for start in range(0, len(view), MAX_DATA):
            yield from self._segment(_chunk(view[start : start + MAX_DATA]), final=False)

    def _segment(self, plaintext: bytes, *, final: bool) -> tuple[bytes, bytes]:
        if self._cipher is None:
            raise RuntimeError("this message has been finished")
        padded = pad(plaintext, self._padding, _MAX_PLAINTEXT)
        ciphertext = self._cipher.seal(self._index, padded, final=final)
        self._index += 1
        return framing.segment_head(len(ciphertext), final=final), ciphertext


def _chunk(data: memoryview) -> bytes:
    """A serialized InnerChunk of data alone, as nearly all are: protobuf itself copies the data twice."""
    return b"".join((_DATA_TAG, varint(len(data)), data)) if data else b""


def _read_chunk(plaintext: bytes) -> tuple[Buffer, tuple[pb.Header, ...]]:
    """Data and trailers of an InnerChunk; the first way is that of `_chunk`, for the same reason."""
    if plaintext.startswith(_DATA_TAG):
        length, start = read_varint(plaintext, 1)
        if start + length == len(plaintext):
            return memoryview(plaintext)[start:], ()
    message = pb.InnerChunk()
    parse(message, plaintext)
    return message.data, tuple(message.trailers)


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

    def receive(self, data: Buffer) -> Iterator[Chunk]:
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
        data, trailers = _read_chunk(self._opened(frame))
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
