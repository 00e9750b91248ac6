"""What Envoy does where both bodies are FULL_DUPLEX_STREAMED: the rows of docs/envoy.md about streams.

Invariant: none of ours; these tests fail when an Envoy differs from the one that was measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

import grpc
import pytest
import pytest_asyncio
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse as Reply
from h2.events import DataReceived, RequestReceived, StreamReset

from tests.e2e.arrival import CutError
from tests.e2e.replies import changed, immediate, mutation, opened_stream, passing
from tests.e2e.scene import Ends, Scene, down, staged, up
from tests.e2e.streaming import MIB, by_hand
from tests.e2e.throwaway import Stream
from tests.e2e.upstream import Upstream
from tests.e2e.wire import HTTP

pytestmark = pytest.mark.asyncio(loop_scope="module")

FROZEN_S = 0.6
STALLED_S = 0.5
TIMEOUT = {"message_timeout": "300ms"}
PIECE = 65536  # bytes
Cut = Callable[[Stream], Awaitable[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> AsyncIterator[Scene]:
    async with staged(tmp_path_factory.mktemp("streams"), upstream, processor=TIMEOUT) as scene:
        yield scene


# The request


async def test_a_request_leaves_when_its_headers_are_replied_to(scene: Scene) -> None:
    """Which may wait for the body, and may still change everything; a content-length that is set leaves."""
    path, before = by_hand(), len(scene.upstream.begun)
    async with scene.asking() as (client, envoy):
        await client.send(b"abc")
        assert (await envoy.hear("request_body")).body == b"abc"
        assert len(scene.upstream.begun) == before
        await envoy.say(opened_stream({":path": path, "content-length": "8"}), up(b"1234", end=False))
        server = await scene.upstream.by_hand(path)
        assert await server.read() == b"1234"
        await client.send(b"def")
        await envoy.hear("request_body")
        await envoy.say(up(b"5678", end=False))
        assert await server.read() == b"5678"
        await client.end()
        assert (await envoy.hear("request_body")).end_of_stream
        await envoy.say(up(b"", end=True))
        assert await server.read() == b""
    assert (server.seen.all("host"), server.seen.all("content-length")) == (["shop.example.com"], ["8"])
    assert server.seen.all("transfer-encoding") == []


async def test_a_body_goes_up_once_where_a_connection_is_refused(scene: Scene) -> None:
    """And another endpoint takes the request."""
    for _ in range(6):
        async with scene.uploading(host="half.example.com") as (client, envoy, server):
            await client.end()
            await envoy.hear("request_body")
            await envoy.say(up(b"last", end=True))
            assert await server.read_all() == b"last"


async def test_trailers_of_a_client_double_the_body_that_may_be_tried_elsewhere(scene: Scene) -> None:
    """What has gone up goes up again, once they are replied to: envoyproxy/envoy#45470."""
    async with scene.uploading() as (client, envoy, server):
        await client.end({"x-secret": "1"})
        await envoy.hear("request_trailers")
        await envoy.say(changed("request_trailers", mutation([], ["x-secret"])))
        assert await server.read_all() == b"first"


async def test_trailers_of_a_client_can_be_refused(scene: Scene) -> None:
    async with scene.uploading() as (client, envoy, server):
        await client.end({"x-secret": "1"})
        await envoy.hear("request_trailers")
        await envoy.say(immediate(400, b"refused"))
        assert await server.is_cut()
        assert (await client.head())[":status"] == "400"


# The answer


async def test_no_piece_of_an_answer_may_precede_the_first_message_of_its_body(scene: Scene) -> None:
    async with scene.uploading() as (client, envoy, server):
        await server.respond(content_type="text/event-stream")
        await envoy.hear("response_headers")
        await envoy.say(*passing("response_headers"), down(b"too early", end=False))
        assert await envoy.rest() == []
        assert (await client.head())[":status"] == "200"
        with pytest.raises(CutError):
            await client.read_all()


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("body", [b"an event", b""])
async def test_from_then_on_each_leaves_at_once(scene: Scene, http: str, body: bytes) -> None:
    """Also where the body turns out to be empty."""
    async with scene.uploading(http) as (client, envoy, server):
        await server.respond()
        await envoy.hear("response_headers")
        await (server.send(body) if body else server.finish())
        assert (await envoy.hear("response_body")).body == body
        await envoy.say(*passing("response_headers"), down(b"one", end=False))
        await client.head()
        assert await client.read() == b"one"
        await envoy.say(down(b"two", end=False))
        assert await client.read() == b"two"
        await envoy.say(down(b"three", end=True))
        assert await client.read_all() == b"three"


async def test_trailers_without_a_body_leave_room_for_an_immediate_response(scene: Scene) -> None:
    async with scene.uploading("HTTP/2") as (client, envoy, server):
        await server.respond()
        await envoy.hear("response_headers")
        await server.finish(x_secret="1")
        await envoy.hear("response_trailers")
        await envoy.say(immediate(200, b"sealed"))
        assert (await client.head())[":status"] == "200"
        assert await client.read_all() == b"sealed"


async def test_a_piece_may_follow_trailers_and_they_may_go(scene: Scene) -> None:
    async with scene.answering("HTTP/2") as (client, envoy, server):
        await server.finish(x_secret="1")
        await envoy.hear("response_trailers")
        await envoy.say(down(b"last", end=False), changed("response_trailers", mutation([], ["x-secret"])))
        assert await client.read_all() == b"last"


async def test_after_an_early_answer_nothing_more_comes_of_the_request(scene: Scene) -> None:
    """Envoy breaks it off. What is still replied to it does no harm."""
    async with scene.uploading() as (client, envoy, server):
        await server.answer(413, b"too large")
        await envoy.hear("response_headers")
        while not (await envoy.hear("response_body")).end_of_stream:
            pass
        assert await server.is_cut()
        await client.send(b"def")
        unsized = changed("response_headers", mutation([], remove=["content-length"]))
        await envoy.say(up(b"late", end=False), unsized, down(b"sealed", end=True))
        assert (await client.head())[":status"] == "413"
        assert await client.read_all() == b"sealed"
        assert await envoy.rest() == []


async def test_metadata_of_a_later_piece_overwrites(scene: Scene) -> None:
    async with scene.uploading() as (client, envoy, server):
        await server.respond()
        await envoy.hear("response_headers")
        await server.finish()
        await envoy.hear("response_body")
        await envoy.say(*passing("response_headers"), down(b"one", end=False, outcome="streaming"))
        head = await client.head()
        await envoy.say(down(b"two", end=True, outcome="ok"))
        assert await client.read_all() == b"onetwo"
    assert (await scene.gateway.logged(request_id=head["x-request-id"]))["outcome"] == "ok"


# Ends before their time


async def refuse(envoy: Stream) -> None:
    await envoy.say(immediate(400, b"refused"))


async def fail(envoy: Stream) -> None:
    envoy.end(grpc.StatusCode.INTERNAL)


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("is_whole", [False, True], ids=["while it comes", "when it has come"])
@pytest.mark.parametrize(("cut", "answer"), [(refuse, ("400", b"refused")), (fail, ("500", b""))])
async def test_a_request_that_is_cut_has_no_end_at_the_upstream(
    scene: Scene, http: str, is_whole: bool, cut: Cut, answer: tuple[str, bytes]
) -> None:
    async with scene.uploading(http) as (client, envoy, server):
        if is_whole:
            await client.end()
            assert (await envoy.hear("request_body")).end_of_stream
            await envoy.say(up(b"more", end=False))
            assert await server.read() == b"more"
        await cut(envoy)
        assert await server.is_cut()
        assert ((await client.head())[":status"], await client.read_all()) == answer


@pytest.mark.parametrize("cut", [refuse, fail])
async def test_over_http2_the_upstream_sees_it_reset(scene: Scene, cut: Cut) -> None:
    async with scene.asking() as (client, envoy):
        await client.send(b"abc")
        await envoy.hear("request_body")
        await envoy.say(opened_stream({":authority": "http2.example.com"}), up(b"first", end=False))
        request = await scene.http2.hear(RequestReceived)
        assert "content-length" not in [str(name) for name, _ in request.headers]
        assert (await scene.http2.hear(DataReceived)).data == b"first"
        await cut(envoy)
        await scene.http2.hear(StreamReset)


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("cut", [refuse, fail])
async def test_an_answer_that_is_cut_has_no_end_at_the_client(scene: Scene, http: str, cut: Cut) -> None:
    async with scene.answering(http) as (client, envoy, server):
        await cut(envoy)
        assert await server.is_cut()
        with pytest.raises(CutError):
            await client.read()


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("exchange", [Scene.uploading, Scene.answering], ids=["up", "down"])
async def test_a_client_that_leaves_is_noticed_at_once(
    scene: Scene, http: str, exchange: Callable[..., AbstractAsyncContextManager[Ends]]
) -> None:
    async with exchange(scene, http) as (client, envoy, server), asyncio.timeout(1):
        client.leave()
        assert await envoy.rest() == []
        assert await server.is_cut()


async def test_after_an_ok_end_the_rest_of_both_bodies_passes_as_it_is(scene: Scene) -> None:
    async with scene.answering() as (client, envoy, server):
        envoy.end(grpc.StatusCode.OK)
        pouring = asyncio.create_task(pour(server.send, b"in the clear"))
        assert b"in the clear" in await client.read()
        pouring.cancel()
        await client.send(b"an envelope")
        while await server.read() != b"an envelope":
            pass


async def test_the_message_timeout_acts_in_no_phase(scene: Scene) -> None:
    async with scene.asking() as (client, envoy):
        await client.send(b"abc")
        await envoy.hear("request_body")
        await asyncio.sleep(FROZEN_S)
        path = by_hand()
        await envoy.say(opened_stream({":path": path}), up(b"first", end=False))
        server = await scene.upstream.by_hand(path)
        await server.answer(200, b"x")
        await envoy.hear("response_headers")
        await asyncio.sleep(FROZEN_S)
        await envoy.say(*passing("response_headers"), down(b"sealed", end=True))
        assert (await client.head())[":status"] == "200"


# Flow control


async def test_a_client_that_reads_nothing_stops_the_upstream(scene: Scene) -> None:
    async with scene.answering() as (_, envoy, server):
        pouring = asyncio.create_task(pour(server.send, bytes(PIECE)))
        passed = await stalls(envoy, "response_body", down)
        pouring.cancel()
    assert max(passed) < 2 * MIB
    assert sum(passed) < 24 * MIB


async def test_an_upstream_that_reads_nothing_stops_the_client(scene: Scene) -> None:
    async with scene.uploading() as (client, envoy, _):
        pouring = asyncio.create_task(pour(client.send, bytes(PIECE)))
        passed = await stalls(envoy, "request_body", up)
        pouring.cancel()
    assert max(passed) < 2 * MIB
    assert sum(passed) < 24 * MIB


async def pour(send: Callable[[bytes], Awaitable[None]], data: bytes) -> None:
    while True:
        await send(data)


async def stalls(envoy: Stream, phase: str, reply: Callable[..., Reply]) -> list[int]:
    """Passes a body on until no more of it comes: the lengths of its messages."""
    lengths = []
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(STALLED_S):
                body = (await envoy.hear(phase)).body
                lengths.append(len(body))
                await envoy.say(reply(body, end=False))
    return lengths
