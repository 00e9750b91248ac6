"""Through a real Envoy: streamed requests that end badly, or should not have been sent.

Invariant: an upstream never sees a complete request that the client did not complete. The client is told by a
problem or a sealed fault, or, where its answer has begun, by an answer without an end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from extproc.link.envelope import MEDIA_STREAM, MEDIA_WHOLE
from extproc.link.framing import MAX_SEGMENT
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import MAX_EMPTY
from tests.e2e.arrival import CutError
from tests.e2e.stack import Stack
from tests.e2e.streaming import KIB, STREAM, WHOLE, Exchange, Upload, ask, by_hand, post, unsent, upload
from tests.e2e.wire import HTTP

pytestmark = pytest.mark.usefixtures("quiet")


def garbled(segment: bytes) -> bytes:
    return segment[:-1] + bytes([segment[-1] ^ 1])


def lying(segment: bytes) -> bytes:
    """Its frame says that it is final, or that it is not."""
    return bytes([segment[0] ^ 0x80]) + segment[1:]


def after_a_lost_one(exchange: Upload) -> bytes:
    exchange.writer.write(b"lost")
    return exchange.writer.finish(b"more")


def empty(exchange: Upload) -> bytes:
    return b"".join(exchange.writer._segment(b"", final=False))


# What comes after the good part of a request; an end of the request never does.
BROKEN: dict[str, Callable[[Upload], bytes]] = {
    "does not open": lambda exchange: garbled(exchange.writer.write(b"more")),
    "is final and does not open": lambda exchange: garbled(exchange.writer.finish(b"more")),
    "lies that it is final": lambda exchange: lying(exchange.writer.write(b"more")),
    "lies that it is not final": lambda exchange: lying(exchange.writer.finish(b"more")),
    "is not the next": after_a_lost_one,
    "comes twice": lambda exchange: exchange.writer.write(b"more") * 2,
    "is too long": lambda _exchange: (MAX_SEGMENT + 1).to_bytes(4, "big"),
    "is one of too many without data": lambda exchange: b"".join(
        empty(exchange) for _ in range(MAX_EMPTY + 1)
    ),
    "has a byte after it": lambda exchange: exchange.writer.finish(b"more") + b"x",
}
# And what does before its end.
TRUNCATED: dict[str, Callable[[Upload], bytes]] = {
    "nothing": lambda _exchange: b"",
    "no final segment": lambda exchange: exchange.writer.write(b"more"),
    "half of the final segment": lambda exchange: exchange.writer.finish(bytes(1000))[:-500],
}
BAD = [*((make, False) for make in BROKEN.values()), *((make, True) for make in TRUNCATED.values())]
bad = pytest.mark.parametrize(("make", "ends"), BAD, ids=[*BROKEN, *TRUNCATED])
BAD_ENVELOPE = ("400", '{"type":"urn:privatelink:problem:bad-envelope"}')


async def spoil(exchange: Upload, sealed: bytes, *, ends: bool) -> None:
    await exchange.wire.send(sealed)
    if ends:
        await exchange.wire.end()


@bad
async def test_bad_from_the_start(stack: Stack, make: Callable[[Upload], bytes], ends: bool) -> None:
    path = by_hand()
    async with unsent(stack, path=path) as exchange:
        await spoil(exchange, exchange.head + make(exchange), ends=ends)
        assert await exchange.problem() == BAD_ENVELOPE
    assert not [seen for seen in stack.upstream.begun if seen.target == path and seen.is_whole]


@pytest.mark.parametrize("http", HTTP)
@bad
async def test_bad_when_some_of_it_has_reached_the_upstream(
    stack: Stack, http: str, make: Callable[[Upload], bytes], ends: bool
) -> None:
    path = by_hand()
    async with upload(stack, http, path=path) as exchange:
        await exchange.send(b"good")
        server = await stack.upstream.by_hand(path)
        assert await server.read() == b"good"
        await spoil(exchange, make(exchange), ends=ends)
        assert await exchange.problem() == BAD_ENVELOPE
        assert await server.is_cut()


@pytest.mark.parametrize(
    ("http", "make", "ends"),
    [
        *(("HTTP/2", *end) for end in BAD),
        ("HTTP/1.1", BROKEN["does not open"], False),  # takes a second: Envoy closes the connection late
        ("HTTP/1.1", TRUNCATED["no final segment"], True),
    ],
)
async def test_bad_when_the_answer_has_begun(
    stack: Stack, http: str, make: Callable[[Upload], bytes], ends: bool
) -> None:
    path = by_hand()
    async with upload(stack, http, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond()
        await server.send(b"begun")
        await exchange.answer()
        assert await exchange.read() == b"begun"
        await spoil(exchange, make(exchange), ends=ends)
        with pytest.raises(CutError):
            await exchange.read()
        assert await server.is_cut()


@pytest.mark.parametrize("http", HTTP)
async def test_trailers_outside_are_refused(stack: Stack, http: str) -> None:
    path = by_hand()
    async with upload(stack, http, path=path) as exchange:
        await exchange.wire.send(exchange.writer.finish(b"order"))
        await exchange.wire.end({"x-evil": "1"})
        assert await exchange.problem() == BAD_ENVELOPE
    assert not [seen for seen in stack.upstream.begun if seen.target == path and seen.is_whole]


@pytest.mark.parametrize(("tells", "sends", "more"), [(10, 4, b""), (10, 10, b"x"), (0, 0, b"x")])
async def test_a_content_length_that_lies_is_a_sealed_fault(
    stack: Stack, tells: int, sends: int, more: bytes
) -> None:
    path = by_hand()
    length = pb.Header(name="content-length", value=str(tells).encode())
    async with upload(stack, path=path, headers=[length]) as exchange:
        await exchange.send(bytes(sends))
        server = await stack.upstream.by_hand(path)
        await exchange.finish(more)
        inner = await exchange.answer()
        assert (inner.fault, inner.status) == ("bad-request", 400)
        assert await server.is_cut()


@bad
async def test_a_declared_length_ends_no_request_that_the_client_has_not_ended(
    stack: Stack, make: Callable[[Upload], bytes], ends: bool
) -> None:
    """An upstream that counts would take it for complete."""
    path, length = by_hand(), pb.Header(name="content-length", value=b"4")
    async with upload(stack, path=path, headers=[length]) as exchange:
        await exchange.send(b"good")
        server = await stack.upstream.by_hand(path)
        assert await server.read() == b"goo"
        await spoil(exchange, make(exchange), ends=ends)
        assert await server.is_cut()


async def test_a_request_runs_once_in_whichever_form(stack: Stack) -> None:
    path, mark = by_hand(), os.urandom(16)
    async with unsent(stack, path=path, exchange_id=mark) as exchange:
        sealed = exchange.head + exchange.writer.finish(b"order")
        await exchange.wire.send(sealed)
        await exchange.wire.end()
        server = await stack.upstream.by_hand(path)
        assert await server.read_all() == b"order"
        await server.answer()
        assert (await exchange.answer()).fault == ""
    async with unsent(stack, path=path, exchange_id=mark) as again:
        await again.begin()  # another sealing of it
        assert (await again.answer()).fault == "replayed"
    async with ask(stack, path=path, exchange_id=mark) as whole:
        assert (await whole.answer()).fault == "replayed"
    async with post(stack, "HTTP/1.1", STREAM, MEDIA_STREAM) as wire:
        await wire.send(sealed)
        await wire.end()
        assert (await Exchange(wire, exchange.opener).answer()).fault == "replayed"
    assert [seen.target for seen in stack.upstream.begun].count(path) == 1


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"sent_at_ms": 1}, "clock-skew"),
        ({"exchange_id": b"short"}, "bad-request"),
        ({"method": "CONNECT"}, "bad-request"),
        ({"path": STREAM}, "bad-request"),
        ({"headers": [pb.Header(name="x-link-opened", value=b"1")]}, "bad-request"),
        ({"headers": [pb.Header(name="origin", value=b"https://evil.example")]}, "not-permitted"),
    ],
)
async def test_what_no_request_may_say_is_a_sealed_fault_before_its_end(
    stack: Stack, fields: dict[str, Any], fault: str
) -> None:
    before = len(stack.upstream.begun)
    async with upload(stack, **fields) as exchange:
        inner = await exchange.answer()
        assert (inner.fault, exchange.is_streamed) == (fault, False)
    assert len(stack.upstream.begun) == before


@pytest.mark.parametrize(
    ("path", "media_type", "is_stream", "problem"),
    [
        (STREAM, MEDIA_WHOLE, False, "media-type"),
        (STREAM, MEDIA_WHOLE, True, "media-type"),
        (WHOLE, MEDIA_STREAM, False, "media-type"),
        (WHOLE, MEDIA_STREAM, True, "media-type"),
        (STREAM, "text/plain; " + MEDIA_STREAM, True, "media-type"),
        (STREAM, MEDIA_STREAM, False, "bad-envelope"),
        (WHOLE, MEDIA_WHOLE, True, "bad-envelope"),
    ],
)
async def test_a_form_goes_by_its_own_path_and_type(
    stack: Stack, path: str, media_type: str, is_stream: bool, problem: str
) -> None:
    before = len(stack.upstream.begun)
    async with post(stack, "HTTP/1.1", path, media_type) as wire:
        if is_stream:
            head, writer, opener = stack.sealer.stream(method="POST")
            await wire.send(head + writer.finish(bytes(KIB)))
        else:
            body, opener = stack.sealer.seal(method="POST", body=bytes(KIB))
            await wire.send(body)
        await wire.end()
        status, text = await Exchange(wire, opener).problem()
    assert text == f'{{"type":"urn:privatelink:problem:{problem}"}}'
    assert status == {"media-type": "415", "bad-envelope": "400"}[problem]
    assert len(stack.upstream.begun) == before
