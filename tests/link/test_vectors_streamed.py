"""streamed: the same chunks or the same refusal, however the body is cut, and as soon as it can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from google.protobuf.message import Message

from extproc.errors import Code, LinkError
from extproc.link.envelope import (
    LinkSecret,
    RequestReader,
    ResponseOpener,
    ResponseReader,
    ResponseSealer,
    seal_stream,
)
from extproc.link.framing import MAX_SEGMENT
from extproc.link.keys import LinkKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import StreamWriter
from tests.link.vectors import (
    Vector,
    inner_request,
    inner_response,
    keyring,
    load,
    params,
    raw,
    streamed_body,
    words,
)

PIECE = 10_000  # of a body that would take too long byte by byte


@dataclass
class Outcome:
    """What a receiver of the pieces is left with."""

    data: list[bytes] = field(default_factory=list)
    trailers: list[tuple[str, bytes]] = field(default_factory=list)
    code: Code | None = None
    after: int | None = None  # bytes, until the error; None: it came with the end


def reader(vector: Vector) -> RequestReader | ResponseReader:
    inputs = vector["inputs"]
    if inputs["direction"] == "request":
        return RequestReader(keyring(inputs["held"]), inputs["now"])
    return ResponseOpener(LinkKey(raw(inputs["link_key"])), raw(inputs["request_nonce"])).stream()


def head(receiver: RequestReader | ResponseReader) -> Message | None:
    if isinstance(receiver, RequestReader):
        return None if receiver.opened is None else receiver.opened.inner
    return receiver.head if receiver.has_head else None


def outcome(receiver: RequestReader | ResponseReader, pieces: list[bytes]) -> Outcome:
    found, length = Outcome(), 0
    try:
        for piece in pieces:
            length, found.after = length + len(piece), length + len(piece)
            for chunk in receiver.receive(piece):
                found.data.append(bytes(chunk.data))
                found.trailers += [(trailer.name, trailer.value) for trailer in chunk.trailers]
        found.after = None
        receiver.end()
    except LinkError as error:
        found.code = error.code
    return found


def cuts(vector: Vector, body: bytes) -> Iterator[list[bytes]]:
    """The body whole, at the splits that the vector names, and in small pieces."""
    step = 1 if len(body) < PIECE else PIECE
    for splits in ([], vector["inputs"].get("splits", []), list(range(step, len(body), step))):
        edges = [0, *splits, len(body)]
        yield [body[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("vector", params("streamed", "valid"))
def test_messages_open(vector: Vector) -> None:
    output = vector["output"]
    parse = inner_request if vector["inputs"]["direction"] == "request" else inner_response
    for pieces in cuts(vector, streamed_body(vector["inputs"])):
        receiver = reader(vector)
        found = outcome(receiver, pieces)
        assert found.code is None
        assert found.data == [words(data) for data in output["chunks"]]
        assert found.trailers == [(name, raw(value)) for name, value in output["trailers"]]
        assert known(head(receiver)) == parse(output["inner"])


@pytest.mark.parametrize("vector", params("streamed", "invalid"))
def test_messages_that_are_refused(vector: Vector) -> None:
    """Byte by byte, the refusal comes with the first byte that allows it."""
    output, inputs = vector["output"], vector["inputs"]
    for pieces in cuts(vector, streamed_body(inputs)):
        receiver = reader(vector)
        found = outcome(receiver, pieces)
        assert found.code == output["error"]
        assert found.data == [words(data) for data in output["delivered"]]
        assert opened_segments(receiver, found) == (output["segment"] or 0)
        assert (found.after is None) == (output["after"] is None)
        if pieces and max(map(len, pieces)) == 1:
            assert found.after == output["after"]
        assert is_broken(receiver)


def opened_segments(receiver: RequestReader | ResponseReader, found: Outcome) -> int:
    return 0 if head(receiver) is None else 1 + len(found.data)


def is_broken(receiver: RequestReader | ResponseReader) -> bool:
    """After an error the message can't be completed any more."""
    with pytest.raises(LinkError):
        receiver.end()
    return True


@pytest.mark.parametrize("vector", params("streamed", "valid"))
def test_messages_are_written_so(vector: Vector) -> None:
    """Those that a writer makes: chunk by chunk, the trailers at the end."""
    chunks = [words(data) for data in vector["output"]["chunks"]]
    trailers = [pb.Header(name=name, value=raw(value)) for name, value in vector["output"]["trailers"]]
    if vector["intermediates"]["padding"] is None:
        return
    out, writer = written_head(vector)
    out += b"".join(map(writer.write, chunks[:-1])) + writer.finish(chunks[-1], trailers)
    assert out == streamed_body(vector["inputs"])


def written_head(vector: Vector) -> tuple[bytes, StreamWriter]:
    inputs, steps, inner = vector["inputs"], vector["intermediates"], vector["output"]["inner"]
    nonce, padding = raw(steps["nonce"]), steps["padding"]
    if inputs["direction"] == "response":
        sealer = ResponseSealer(LinkKey(raw(inputs["link_key"])), raw(inputs["request_nonce"]))
        return sealer.stream(inner_response(inner), nonce=nonce, padding=padding)
    link_key = LinkKey(raw(steps["link_key"]))
    secret = LinkSecret(raw(steps["key_id"]), raw(steps["encapsulation"]), link_key)
    out, writer, _ = seal_stream(secret, inner_request(inner), nonce=nonce, padding=padding)
    return out, writer


def test_the_longest_segment_is_among_them_and_a_longer_one() -> None:
    for result, longest in (("valid", MAX_SEGMENT), ("invalid", MAX_SEGMENT + 1)):
        recipes = [
            each["inputs"]["recipe"]
            for each in load("streamed")
            if each["result"] == result and "recipe" in each["inputs"]
        ]
        lengths = [
            len(words(segment["plaintext"])) + 16 for recipe in recipes for segment in recipe["segments"]
        ]
        assert max(lengths) == longest


def known(message: Message | None) -> Message | None:
    """The message without what a receiver ignores."""
    if message is not None:
        message.DiscardUnknownFields()
        message.ClearField("padding")
    return message
