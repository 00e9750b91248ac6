"""Through a real Envoy: what a stream may take up, and for how long.

Invariant: of an exchange whose reader is slow no more is held than buffers hold. One exchange too many is
told so, and the place of each is free again however it ends.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256

import pytest

from bench import proc
from extproc.bootstrap import limits
from extproc.link.pb import privatelink_pb2 as pb
from tests.e2e.arrival import CutError
from tests.e2e.by_hand import ByHand
from tests.e2e.stack import LINK, Stack, configuration, running
from tests.e2e.streaming import KIB, MIB, Exchange, Upload, ask, by_hand, unsent, upload
from tests.e2e.upstream import Upstream
from tests.e2e.wire import HTTP

pytestmark = pytest.mark.usefixtures("quiet")

Ending = Callable[[Upload, ByHand], Awaitable[None]]
PIECE = 256 * KIB
PIECES = 192  # 48 MiB
HELD = 32 * MIB  # far more than what Envoy, the worker and the kernel hold of an exchange
MEMORY_MIB = 150  # of Envoy, and of a worker


class Pump:
    """Sends one piece after the other, as fast as they are taken; `sent` bytes until now."""

    def __init__(self) -> None:
        self.sent = 0
        self.sha256 = sha256()

    async def into(self, sink: ByHand | Upload) -> None:
        for _ in range(PIECES):
            piece = os.urandom(KIB) * (PIECE // KIB)
            await sink.send(piece)
            self.sha256.update(piece)
            self.sent += len(piece)
        await sink.finish()

    async def stalled(self) -> int:
        """How much it has sent when it stands still."""
        before = -1
        while before < self.sent:
            before = self.sent
            await asyncio.sleep(0.25)
        return self.sent


async def drained(source: Exchange | ByHand) -> bytes:
    """The hash of all that comes."""
    got = sha256()
    while piece := await source.read():
        got.update(piece)
    return got.digest()


@pytest.fixture
def lean(stack: Stack) -> Iterator[None]:
    """Neither Envoy nor a worker ever has more memory than it may while the test runs."""
    assert stack.supervisor is not None
    pids = [stack.envoy_pid, *(pid for pid in stack.supervisor.pids if pid is not None)]
    for pid in pids:
        proc.reset_peak(pid)
    yield
    assert all(proc.peak_mib(pid) < MEMORY_MIB for pid in pids)


@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize("http", HTTP)
async def test_a_slow_reader_holds_the_upstream_back(stack: Stack, http: str) -> None:
    path, pump = by_hand(), Pump()
    async with ask(stack, http, path=path) as exchange, asyncio.TaskGroup() as tasks:
        server = await stack.upstream.by_hand(path)
        await server.respond()
        tasks.create_task(pump.into(server))
        assert (await exchange.answer()).status == 200
        assert await pump.stalled() < HELD
        assert await drained(exchange) == pump.sha256.digest()
    assert pump.sent == PIECES * PIECE


@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize("http", HTTP)
async def test_a_slow_upstream_holds_the_sender_back(stack: Stack, http: str) -> None:
    path, pump = by_hand(), Pump()
    async with upload(stack, http, path=path) as exchange, asyncio.TaskGroup() as tasks:
        server = await stack.upstream.by_hand(path)
        tasks.create_task(pump.into(exchange))
        assert await pump.stalled() < HELD
        assert await drained(server) == pump.sha256.digest()
        await server.answer()
        assert (await exchange.answer()).status == 200
    assert pump.sent == PIECES * PIECE


async def test_a_stalled_stream_stalls_no_other(stack: Stack) -> None:
    path = by_hand()
    async with ask(stack, path=path) as stalled:
        server = await stack.upstream.by_hand(path)
        await server.respond()
        pump = Pump()
        pumping = asyncio.create_task(pump.into(server))
        assert await pump.stalled() < HELD
        for _ in range(4):  # to either worker
            async with ask(stack, path=f"/bytes?n={MIB}") as exchange:
                await exchange.answer()
                assert len(await exchange.read_all()) == MIB
        stalled.wire.leave()
        await server.closed()
        pumping.cancel()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Stack]:
    """With room for two streams, and a second for a request to open in."""
    link = {"origins": [LINK], "max_streams": 2}
    config = configuration(upstream, workers=1, link=link)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "opening", lambda _: timedelta(seconds=1))
        patch.setattr(limits, "STREAM_IDLE", timedelta(seconds=1))
        with running(tmp_path_factory.mktemp("narrow"), upstream, config) as stack:
            yield stack


async def fault(stack: Stack) -> str:
    """That of one more streamed request; "" when it has run."""
    async with upload(stack, path="/status/200") as exchange:
        await exchange.finish()
        return (await exchange.answer()).fault


async def finishes(exchange: Upload, server: ByHand) -> None:
    await exchange.finish()
    await server.answer()
    assert (await exchange.answer()).status == 200


async def client_leaves(exchange: Upload, server: ByHand) -> None:
    exchange.wire.leave()
    await server.closed()


async def upstream_dies(exchange: Upload, server: ByHand) -> None:
    await server.hang_up()
    assert (await exchange.answer()).status == 503


async def upstream_dies_in_its_answer(exchange: Upload, server: ByHand) -> None:
    await server.respond()
    await server.send(b"begun")
    await exchange.answer()
    await server.hang_up()
    await server.closed()


async def segment_does_not_open(exchange: Upload, server: ByHand) -> None:
    await exchange.wire.send(exchange.writer.write(b"order")[:-1] + b"?")
    assert (await exchange.problem())[0] == "400"


@pytest.mark.parametrize(
    "ends", [finishes, client_leaves, upstream_dies, upstream_dies_in_its_answer, segment_does_not_open]
)
async def test_one_more_stream_than_max_streams_is_unavailable(narrow: Stack, ends: Ending) -> None:
    paths = by_hand(), by_hand()
    async with upload(narrow, path=paths[0]) as first, ask(narrow, path=paths[1]) as second:
        servers = [await narrow.upstream.by_hand(path) for path in paths]
        await servers[1].respond()
        await servers[1].send(b"begun")
        assert (await second.answer()).status == 200
        assert await fault(narrow) == "unavailable"
        await ends(first, servers[0])
        assert await eventually_has_room(narrow)
        await servers[1].finish()
        assert await second.read_all() == b"begun"
    assert narrow.is_quiet()


async def eventually_has_room(stack: Stack) -> bool:
    """A worker hears of a stream's end a little later than client and upstream do."""
    for _ in range(100):
        if await fault(stack) == "":
            return True
        await asyncio.sleep(0.02)
    return False


async def test_without_room_an_answer_is_collected_unless_it_is_of_events(narrow: Stack) -> None:
    """Streams that stay open must not fail requests that need none."""

    async def answer(**fields: str) -> pb.InnerResponse:
        path = by_hand()
        async with ask(narrow, path=path) as exchange:
            server = await narrow.upstream.by_hand(path)
            await server.respond(200, **fields)
            with suppress(CutError):  # where the head was enough to refuse it
                await server.send(bytes(100 * KIB))
                await server.finish()
            inner = await exchange.answer()
            assert not exchange.is_streamed
            return inner

    paths = by_hand(), by_hand()
    async with upload(narrow, path=paths[0]) as first, upload(narrow, path=paths[1]) as second:
        servers = [await narrow.upstream.by_hand(path) for path in paths]
        assert (await answer(content_length=str(100 * KIB))).body == bytes(100 * KIB)
        assert (await answer()).body == bytes(100 * KIB)
        assert (await answer(content_type="text/event-stream")).fault == "unavailable"
        for exchange, server in zip((first, second), servers, strict=True):
            await finishes(exchange, server)


@pytest.mark.parametrize("http", HTTP)
async def test_a_request_has_some_time_to_open_and_then_all_the_time_in_the_world(
    narrow: Stack, http: str
) -> None:
    path = by_hand()
    async with (
        upload(narrow, http, authority="live.example.com", path=path) as live,
        unsent(narrow, http) as slow,
    ):
        server = await narrow.upstream.by_hand(path)
        await slow.wire.send(slow.head[:-1])
        assert (await slow.wire.head())[":status"] == "408"
        await live.finish(b"late")  # which is older
        assert await server.read_all() == b"late"
        await server.answer()
        assert (await live.answer()).status == 200
