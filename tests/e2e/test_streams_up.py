"""Through a real Envoy: requests that stream.

Invariant: what the client sends reaches the upstream when it was sent, opened, whole and in order; and an
answer comes back while the request runs.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from hashlib import sha256

import pytest

from extproc.link.pb import privatelink_pb2 as pb
from tests.e2e.arrival import CutError
from tests.e2e.stack import Stack
from tests.e2e.streaming import KIB, MIB, Upload, by_hand, unsent, upload
from tests.e2e.wire import HTTP

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("known", [True, False])
async def test_an_upload_is_whole_and_never_waits_for_its_end(stack: Stack, http: str, known: bool) -> None:
    path, body, got = by_hand(), os.urandom(5 * MIB), sha256()
    length = [pb.Header(name="content-length", value=str(len(body)).encode())] if known else []
    held = 1 if known else 0  # of a length that is known the last byte waits for the end
    async with upload(stack, http, path=path, headers=length) as exchange:
        server = await stack.upstream.by_hand(path)  # which is there before any of the body
        for start in range(0, len(body), MIB // 2):
            rest = body[start : start + MIB // 2]
            sending = asyncio.create_task(exchange.send(rest))
            while rest[held:]:
                piece = await server.read()
                got.update(piece)
                rest = rest[len(piece) :]
            await sending
        await exchange.finish()
        while piece := await server.read():
            got.update(piece)
        await server.answer(201, b"stored")
        inner = await exchange.answer()
    assert got.digest() == sha256(body).digest()
    assert (inner.status, inner.body) == (201, b"stored")
    assert server.seen.all("content-length") == ([str(len(body))] if known else [])
    assert server.seen.all("transfer-encoding") == ([] if known else ["chunked"])
    assert server.seen.all("content-type") == []


@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB, 200_000])
async def test_a_body_may_have_any_length(stack: Stack, size: int) -> None:
    path, body = by_hand(), os.urandom(size)
    async with upload(stack, path=path) as exchange:
        await exchange.finish(body)
        server = await stack.upstream.by_hand(path)
        assert await server.read_all() == body
        await server.answer()
        assert (await exchange.answer()).status == 200


async def test_segments_may_come_in_pieces_of_any_length(stack: Stack) -> None:
    path, body = by_hand(), os.urandom(3000)
    async with unsent(stack, path=path) as exchange:
        sealed = exchange.head + exchange.writer.write(body[:1000]) + exchange.writer.finish(body[1000:])
        while sealed:
            length = 1 if len(sealed) > 3500 else 997  # over the preamble byte by byte
            await exchange.wire.send(sealed[:length])
            sealed = sealed[length:]
        await exchange.wire.end()
        server = await stack.upstream.by_hand(path)
        assert await server.read_all() == body
        await server.answer()
        assert (await exchange.answer()).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_without_a_body_may_stream(stack: Stack, method: str) -> None:
    path = by_hand()
    async with upload(stack, method=method, path=path) as exchange:
        await exchange.finish()
        server = await stack.upstream.by_hand(path)
        assert await server.read_all() == b""
        await server.answer(200, b"done")
        assert (await exchange.answer()).body == b"done"
    assert server.seen.method == method


@pytest.mark.parametrize("http", HTTP)
async def test_both_ways_at_once(stack: Stack, http: str) -> None:
    """The upstream echoes what it gets when it gets it."""
    path, body = by_hand(), os.urandom(4 * MIB)
    async with upload(stack, http, path=path) as exchange:
        server = await stack.upstream.by_hand(path)

        async def echo() -> None:
            await server.respond()
            while piece := await server.read():
                await server.send(piece)
            await server.finish()

        async def send() -> None:
            for start in range(0, len(body), 100_000):
                await exchange.send(body[start : start + 100_000])
            await exchange.finish()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(echo())
            tasks.create_task(send())
            assert (await exchange.answer()).status == 200
            assert sha256(await exchange.read_all()).digest() == sha256(body).digest()


@pytest.mark.parametrize("http", HTTP)
async def test_a_dialog(stack: Stack, http: str) -> None:
    """Each side waits for the other's word."""
    path = by_hand()
    async with upload(stack, http, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond()
        for number in range(5):
            await exchange.send(b"question %d" % number)
            assert await server.read() == b"question %d" % number
            await server.send(b"answer %d" % number)
            if number == 0:
                await exchange.answer()
            assert await exchange.read() == b"answer %d" % number
        await exchange.finish()
        assert await server.read() == b""
        await server.send(b"farewell")
        await server.finish()
        assert await exchange.read_all() == b"farewell"


@pytest.mark.parametrize(
    ("http", "size"), [("HTTP/1.1", 20), ("HTTP/1.1", 300 * KIB), ("HTTP/2", 20), ("HTTP/2", 60 * KIB)]
)
async def test_an_early_answer_comes_back_sealed_while_the_upload_runs(
    stack: Stack, http: str, size: int
) -> None:
    path, body = by_hand(), os.urandom(size)
    async with upload(stack, http, path=path) as exchange:
        await exchange.send(bytes(100_000))
        server = await stack.upstream.by_hand(path)
        await server.answer(413, body)
        inner = await exchange.answer()
        assert inner.status == 413
        assert (await exchange.read_all() if exchange.is_streamed else inner.body) == body
        assert await server.is_cut()


async def test_an_early_answer_beyond_the_window_of_http2_is_whole_or_cut_off(stack: Stack) -> None:
    """Once the answer has ended, Envoy resets the request; the link or not, what the client's window does not
    take by then is lost."""
    path, body = by_hand(), os.urandom(300 * KIB)
    async with upload(stack, "HTTP/2", path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.answer(413, body)
        assert (await exchange.answer()).status == 413
        with suppress(CutError):
            assert await exchange.read_all() == body


async def test_an_early_answer_that_streams_may_outlast_the_upload(stack: Stack) -> None:
    path = by_hand()
    async with upload(stack, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond(202, content_type="text/event-stream")
        await server.send(b"data: begun\n\n")
        assert (await exchange.answer()).status == 202
        assert await exchange.read() == b"data: begun\n\n"
        await exchange.finish(b"all of it")
        assert await server.read_all() == b"all of it"
        await server.send(b"data: done\n\n")
        await server.finish()
        assert await exchange.read_all() == b"data: done\n\n"


async def test_sealed_trailers_end_at_the_gateway(stack: Stack) -> None:
    path = by_hand()
    async with upload(stack, path=path) as exchange:
        await exchange.finish(b"order", [pb.Header(name="x-checksum", value=b"abc")])
        server = await stack.upstream.by_hand(path)
        assert await server.read_all() == b"order"
        await server.answer()
        assert (await exchange.answer()).status == 200
    assert server.seen.trailers == []


async def test_many_at_once(stack: Stack) -> None:
    async def one(number: int) -> None:
        path, body = by_hand(), bytes([number]) * 200_000
        async with upload(stack, path=path) as exchange:
            server = await stack.upstream.by_hand(path)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_send_slowly(exchange, body))
                assert await server.read_all() == body
            await server.answer(200, body)
            await exchange.answer()
            assert await exchange.read_all() == body

    await asyncio.gather(*(one(number) for number in range(16)))


async def _send_slowly(exchange: Upload, body: bytes) -> None:
    for start in range(0, len(body), 10_000):
        await exchange.send(body[start : start + 10_000])
    await exchange.finish()
