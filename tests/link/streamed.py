"""Streamed messages of both directions, for tests: sealed, taken apart, and read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from extproc.errors import Code, LinkError
from extproc.link.envelope import RequestReader, ResponseReader, seal_stream
from extproc.link.framing import FrameReader, Segment, segment_head
from extproc.link.padding import Padding
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form, request_cipher, response_cipher
from extproc.link.streams import Chunk, StreamWriter
from extproc.link.suites import Kem
from tests.link.strategies import NOW, link

Reader = RequestReader | ResponseReader
REQUEST = pb.InnerRequest(method="POST", path="/orders", exchange_id=bytes(16))
RESPONSE = pb.InnerResponse(status=200)
DIRECTIONS = ("request", "response")


@dataclass(frozen=True)
class Start:
    """A message that has begun: its head is sealed, and someone is there to read it."""

    head: bytes
    writer: StreamWriter
    new_reader: Callable[[], Reader]


def segment(ciphertext: bytes | memoryview, *, final: bool) -> bytes:
    """A segment, framed."""
    return segment_head(len(ciphertext), final=final) + ciphertext


def start(
    direction: str, inner: pb.InnerRequest | pb.InnerResponse | None = None, padding: Padding = "none"
) -> Start:
    both = link(Kem.X25519)
    if direction == "request":
        request = inner if isinstance(inner, pb.InnerRequest) else REQUEST
        head, writer, _ = seal_stream(both.secret, request, nonce=bytes(16), padding=padding)
        return Start(head, writer, lambda: RequestReader(both.keyring, NOW))
    sealer, opener = both.sealer()
    response = inner if isinstance(inner, pb.InnerResponse) else RESPONSE
    head, writer = sealer.stream(response, nonce=bytes(16), padding=padding)
    return Start(head, writer, opener.stream)


def head_of(reader: Reader) -> pb.InnerRequest | pb.InnerResponse | None:
    """What segment 0 held, without its padding; None before it has opened."""
    head: pb.InnerRequest | pb.InnerResponse | None
    if isinstance(reader, RequestReader):
        head = None if reader.opened is None else reader.opened.inner
    else:
        head = reader.head if reader.has_head else None
    if head is not None:
        head.ClearField("padding")
    return head


@dataclass(frozen=True)
class Outcome:
    chunks: list[Chunk]
    code: Code | None  # None: it came whole

    @property
    def data(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks)


def read(reader: Reader, pieces: Iterable[bytes]) -> Outcome:
    """What a receiver of the pieces gets, and how it ends."""
    chunks: list[Chunk] = []
    try:
        for piece in pieces:
            chunks.extend(reader.receive(piece))
        reader.end()
    except LinkError as error:
        return Outcome(chunks, error.code)
    return Outcome(chunks, None)


def parts(body: bytes) -> list[bytes]:
    """The preamble and every segment, each as it was framed."""
    frames = list(FrameReader().receive(body))
    segments = [segment(each.ciphertext, final=each.final) for each in frames if isinstance(each, Segment)]
    return [body[: len(body) - sum(map(len, segments))], *segments]


def sealed(direction: str, data: Sequence[bytes]) -> tuple[bytes, Callable[[], Reader]]:
    """A message with these chunks, and what makes readers of it."""
    begun = start(direction)
    body = begun.head + b"".join(map(begun.writer.write, data[:-1])) + begun.writer.finish(data[-1])
    return body, begun.new_reader


def forged(direction: str, plaintexts: Sequence[bytes]) -> bytes:
    """A body as a peer with the keys can make it: its segments hold anything, and the last is final."""
    link_key, nonce = link(Kem.X25519).secret.link_key, bytes(16)
    cipher = request_cipher(link_key, Form.STREAMED, nonce)
    if direction == "response":
        cipher = response_cipher(link_key, Form.STREAMED, nonce, nonce)
    body, last = parts(start(direction).head)[0], len(plaintexts) - 1
    for index, plaintext in enumerate(plaintexts):
        body += segment(cipher.seal(index, plaintext, final=index == last), final=index == last)
    return body
