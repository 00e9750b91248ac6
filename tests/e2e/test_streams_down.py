"""Through a real Envoy: answers that stream.

Invariant: what the upstream sends reaches the reader when it was sent, whole and in order. The form of an
answer depends on its length, its type and what the client can read, and on nothing else.
"""

from __future__ import annotations

import os
import statistics
import time
from hashlib import sha256

import pytest

from tests.e2e.arrival import CutError
from tests.e2e.stack import Stack
from tests.e2e.streaming import KIB, MIB, ask, by_hand, upload
from tests.e2e.wire import HTTP

WHOLE_LIMIT = 64 * KIB  # of the suite's gateway, as by default
MAX_RESPONSE = 512 * KIB
EVENTS = "text/event-stream; charset=utf-8"

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize("http", HTTP)
async def test_an_event_is_read_before_the_next_is_sent(stack: Stack, http: str) -> None:
    path, delays = by_hand(), []
    async with ask(stack, http, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond(content_type=EVENTS)
        for number in range(10):
            event = f"id: {number}\ndata: something has happened\n\n".encode()
            sent_at = time.perf_counter()
            await server.send(event)
            if number == 0:
                assert (await exchange.answer()).status == 200
            assert await exchange.read() == event
            delays.append(time.perf_counter() - sent_at)
        await server.finish()
        assert await exchange.read() == b""
    assert exchange.is_streamed
    assert statistics.median(delays) < 0.1


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("known", [True, False])
async def test_a_download_is_whole_and_never_waits_for_its_end(stack: Stack, http: str, known: bool) -> None:
    path, body = by_hand(), os.urandom(5 * MIB)
    length = {"content_length": str(len(body))} if known else {}
    async with ask(stack, http, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond(200, **length)
        got = sha256()
        for start in range(0, len(body), MIB // 2):
            piece = body[start : start + MIB // 2]
            await server.send(piece[:1])
            if start == 0:
                inner = await exchange.answer()
            got.update(await exchange.read())
            await server.send(piece[1:])
            while len(piece) > 1:
                data = await exchange.read()
                got.update(data)
                piece = piece[len(data) :]
        await server.finish()
        assert await exchange.read() == b""
    assert got.digest() == sha256(body).digest()
    assert [header.value for header in inner.headers if header.name == "content-length"] == (
        [str(len(body)).encode()] if known else []
    )
    assert "content-length" not in exchange.outer


@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB, 200_000])
async def test_a_body_of_unknown_length_is_a_stream_of_any_length(stack: Stack, size: int) -> None:
    path, body = by_hand(), os.urandom(size)
    async with ask(stack, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond()
        await server.send(body)
        await server.finish()
        await exchange.answer()
        assert exchange.is_streamed
        assert await exchange.read_all() == body


@pytest.mark.parametrize(
    ("size", "media_type", "is_streamed"),
    [
        (0, "text/plain", False),
        (WHOLE_LIMIT, "text/plain", False),
        (WHOLE_LIMIT + 1, "text/plain", True),
        (10, "text/event-streams", False),
        (10, "Text/Event-Stream ;charset=utf-8", True),
    ],
)
async def test_a_known_length_up_to_whole_limit_is_answered_whole(
    stack: Stack, size: int, media_type: str, is_streamed: bool
) -> None:
    path, body = by_hand(), os.urandom(size)
    async with ask(stack, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.answer(200, body, content_type=media_type)
        inner = await exchange.answer()
        assert exchange.is_streamed == is_streamed
        assert (await exchange.read_all() if is_streamed else inner.body) == body


async def test_trailers_travel_in_the_final_segment_and_nowhere_else(stack: Stack) -> None:
    path = by_hand()
    async with ask(stack, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond(trailer="x-checksum")
        await server.send(b"data")
        await exchange.answer()
        assert await exchange.read() == b"data"
        assert exchange.trailers == []
        await server.finish(x_checksum="abc")
        assert await exchange.read() == b""  # with trailers outside it would fail
        assert exchange.trailers == [("x-checksum", b"abc")]


async def test_trailers_without_a_body_are_a_whole_answer(stack: Stack) -> None:
    path = by_hand()
    async with upload(stack, path=path) as exchange:
        await exchange.finish()
        server = await stack.upstream.by_hand(path)
        await server.respond()
        await server.finish(x_checksum="abc")
        inner = await exchange.answer()
        assert not exchange.is_streamed
        assert [(header.name, header.value) for header in inner.trailers] == [("x-checksum", b"abc")]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("size", "fault"),
    [(MAX_RESPONSE, ""), (MAX_RESPONSE + 1, "response-too-large"), (5 * MIB, "response-too-large")],
)
async def test_who_reads_no_stream_gets_it_collected_up_to_max_response(
    stack: Stack, size: int, fault: str, known: bool
) -> None:
    path, body = by_hand(), bytes(size)
    async with ask(stack, path=path, accept_stream=False) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond(200, **({"content_length": str(size)} if known else {}))
        try:
            await server.send(body)
            await server.finish()
        except CutError:
            assert fault
        inner = await exchange.answer()
        assert not exchange.is_streamed
        assert (inner.fault, inner.status) == (fault, 502 if fault else 200)
        assert inner.body == (b"" if fault else body)


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_without_a_body_is_whole_whatever_length_it_tells(
    stack: Stack, http: str, method: str, status: int
) -> None:
    path = by_hand()
    async with upload(stack, http, method=method, path=path) as exchange:
        await exchange.finish()
        server = await stack.upstream.by_hand(path)
        await server.respond(status, **({} if status == 204 else {"content_length": str(5 * MIB)}))
        await server.finish()
        inner = await exchange.answer()
        assert (inner.status, inner.body, exchange.is_streamed) == (status, b"", False)
