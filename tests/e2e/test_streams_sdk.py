"""Through a real Envoy: the SDK, where bodies stream.

Invariant: an app reads and sends as over plain HTTP; what breaks off is an error and never a short success.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from extproc.client import LinkError
from tests.e2e.by_hand import ByHand
from tests.e2e.stack import SHOP, Stack
from tests.e2e.streaming import MIB, by_hand
from tests.e2e.wire import HTTP

pytestmark = pytest.mark.usefixtures("quiet")

BODY = os.urandom(3 * MIB)  # more than the gateway takes whole
HASH = sha256(BODY).hexdigest()


@pytest.mark.parametrize("http", HTTP)
async def test_lines_of_events_come_when_they_are_sent(stack: Stack, http: str) -> None:
    path = by_hand()

    async def events() -> AsyncIterator[str]:
        async with stack.async_client(http) as client, client.stream("GET", SHOP + path) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line:
                    yield line

    lines = events()
    first = asyncio.ensure_future(anext(lines))
    server = await stack.upstream.by_hand(path)
    await server.respond(content_type="text/event-stream")
    await server.send(b"data: 0\n\n")
    assert await first == "data: 0"
    for number in range(1, 5):
        await server.send(b"data: %d\n\n" % number)
        assert await anext(lines) == f"data: {number}"
    await server.finish()
    assert [line async for line in lines] == []


def test_a_download_is_read_as_it_comes(stack: Stack, client: httpx.Client) -> None:
    with client.stream("GET", f"{SHOP}/bytes?n={5 * MIB}") as answer:
        assert answer.headers["content-length"] == str(5 * MIB)
        assert sum(map(len, answer.iter_bytes())) == 5 * MIB
    assert client.get(f"{SHOP}/bytes?n={5 * MIB}").content == bytes(5 * MIB)


def pieces() -> Iterator[bytes]:
    for start in range(0, len(BODY), 100_000):
        yield BODY[start : start + 100_000]


async def pieces_async() -> AsyncIterator[bytes]:
    for piece in pieces():
        yield piece


async def received(server: ByHand) -> str:
    got = sha256()
    while piece := await server.read():
        got.update(piece)
    await server.answer(201, got.hexdigest().encode())
    return got.hexdigest()


@pytest.mark.parametrize(
    ("body", "framing"),
    [
        (pieces, "transfer-encoding"),
        (lambda: io.BytesIO(BODY), "content-length"),
        (lambda: BODY, "content-length"),
    ],
)
async def test_an_upload_of_any_size(
    stack: Stack, client: httpx.Client, body: Callable[[], Any], framing: str
) -> None:
    path = by_hand()
    sending = asyncio.create_task(asyncio.to_thread(client.put, SHOP + path, content=body()))
    server = await stack.upstream.by_hand(path)
    assert await received(server) == HASH
    answer = await sending
    assert (answer.status_code, answer.text) == (201, HASH)
    assert [name for name, _ in server.seen.headers if name in {"transfer-encoding", "content-length"}] == [
        framing
    ]


@pytest.mark.parametrize("http", HTTP)
async def test_an_async_upload(stack: Stack, http: str) -> None:
    path = by_hand()
    async with stack.async_client(http) as client:
        sending = asyncio.create_task(client.post(SHOP + path, content=pieces_async()))
        assert await received(await stack.upstream.by_hand(path)) == HASH
        assert (await sending).text == HASH


def test_a_small_body_goes_whole(stack: Stack, client: httpx.Client) -> None:
    for body in (b"order", io.BytesIO(b"order")):
        assert client.post(f"{SHOP}/echo", content=body).json()["body"] == "order"
        assert stack.upstream.last().all("content-length") == ["5"]


def test_trailers_are_there_at_the_end(client: httpx.Client) -> None:
    with client.stream("GET", f"{SHOP}/trailers") as answer:
        assert answer.read() == b"with trailers"
        assert answer.extensions["trailers"]["x-checksum"] == "abc"


@pytest.mark.parametrize("http", HTTP)
async def test_an_answer_that_breaks_off_is_truncated(stack: Stack, http: str) -> None:
    path = by_hand()
    async with stack.async_client(http) as client:
        opening = asyncio.create_task(client.send(client.build_request("GET", SHOP + path), stream=True))
        server = await stack.upstream.by_hand(path)
        await server.respond()
        await server.send(b"half")
        answer = await opening
        await server.hang_up()
        with pytest.raises(LinkError) as caught:
            await answer.aread()
    assert (caught.value.code, caught.value.outcome_unknown) == ("truncated", True)


async def test_an_early_answer_ends_the_upload(stack: Stack, client: httpx.Client) -> None:
    """Of a client that first sends and then reads; Envoy hangs up on it after a second."""
    path = by_hand()
    endless = itertools.repeat(bytes(10_000))
    sending = asyncio.create_task(asyncio.to_thread(client.post, SHOP + path, content=endless))
    server = await stack.upstream.by_hand(path)
    await server.answer(413, b"too much")
    answer = await sending
    assert (answer.status_code, answer.content) == (413, b"too much")


async def test_a_body_that_fails_half_way_reaches_nobody_as_complete(stack: Stack) -> None:
    path, has_arrived = by_hand(), asyncio.Event()

    async def failing() -> AsyncIterator[bytes]:
        yield b"half"
        await has_arrived.wait()
        raise OSError("the disk is gone")

    async with stack.async_client() as client:
        sending = asyncio.create_task(client.post(SHOP + path, content=failing()))
        server = await stack.upstream.by_hand(path)
        assert await server.read() == b"half"
        has_arrived.set()
        with pytest.raises(OSError, match="the disk is gone"):
            await sending
        assert await server.is_cut()


async def test_a_reader_that_leaves_is_heard_of_upstream(stack: Stack) -> None:
    path = by_hand()
    async with stack.async_client() as client:
        opening = asyncio.create_task(client.send(client.build_request("GET", SHOP + path), stream=True))
        server = await stack.upstream.by_hand(path)
        await server.respond()
        await server.send(b"begun")
        answer = await opening
        async with asyncio.timeout(1):
            await answer.aclose()
            await server.closed()
