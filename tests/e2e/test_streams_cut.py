"""Through a real Envoy: streamed exchanges that one side leaves half-way, dies in, or is silent in.

Invariant: whoever is left hears of it in time, and of a message without an end. Nothing of it stays.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from extproc.client import LinkError
from tests.e2e.arrival import CutError
from tests.e2e.by_hand import ByHand
from tests.e2e.stack import SHOP, Stack, configuration, running
from tests.e2e.streaming import KIB, Exchange, Upload, ask, by_hand, upload
from tests.e2e.test_failures import serves_again, worker_pid
from tests.e2e.upstream import Upstream
from tests.e2e.wire import HTTP

pytestmark = pytest.mark.usefixtures("quiet")

A_SECOND = 1.0


@asynccontextmanager
async def downloading(
    stack: Stack, http: str, host: str = "shop.example.com"
) -> AsyncIterator[tuple[Exchange, ByHand]]:
    """A whole request; of its answer the first part has been read."""
    path = by_hand()
    async with ask(stack, http, authority=host, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await _begin_answer(exchange, server)
        yield exchange, server


@asynccontextmanager
async def uploading(
    stack: Stack, http: str, host: str = "shop.example.com"
) -> AsyncIterator[tuple[Upload, ByHand]]:
    """A request of which the first part has reached the upstream, which says nothing yet."""
    path = by_hand()
    async with upload(stack, http, authority=host, path=path) as exchange:
        await exchange.send(b"up")
        server = await stack.upstream.by_hand(path)
        assert await server.read() == b"up"
        yield exchange, server


@asynccontextmanager
async def both_ways(
    stack: Stack, http: str, host: str = "shop.example.com"
) -> AsyncIterator[tuple[Upload, ByHand]]:
    """Both."""
    async with uploading(stack, http, host) as (exchange, server):
        await _begin_answer(exchange, server)
        yield exchange, server


async def _begin_answer(exchange: Exchange, server: ByHand) -> None:
    await server.respond()
    await server.send(b"down")
    await exchange.answer()
    assert await exchange.read() == b"down"


Begun = Callable[[Stack, str], AbstractAsyncContextManager[tuple[Exchange, ByHand]]]


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("begun", [downloading, both_ways])
async def test_an_upstream_that_dies_in_its_answer_leaves_it_without_an_end(
    stack: Stack, http: str, begun: Begun
) -> None:
    async with begun(stack, http) as (exchange, server):
        await server.hang_up()
        with pytest.raises(CutError):
            await exchange.read()
        line = stack.access_log(exchange.outer["x-request-id"])
    assert (line["outcome"], line["inner_status"]) == ("streaming", "200")


@pytest.mark.parametrize("http", HTTP)
async def test_an_upstream_that_ends_short_of_its_content_length(stack: Stack, http: str) -> None:
    path = by_hand()
    async with ask(stack, http, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond(content_length=str(100 * KIB))
        await server.send(bytes(70 * KIB))
        await exchange.answer()
        await server.hang_up()
        with pytest.raises(CutError):
            await exchange.read_all()


@pytest.mark.parametrize("http", HTTP)
async def test_an_upstream_that_dies_before_its_answer_is_a_sealed_503(stack: Stack, http: str) -> None:
    async with uploading(stack, http) as (exchange, server):
        await server.hang_up()
        inner = await exchange.answer()
        assert (inner.fault, inner.status, inner.body) == ("", 503, b"")


@pytest.mark.parametrize("http", HTTP)
async def test_an_upstream_that_dies_between_head_and_body_is_a_502_in_the_clear_and_no_more(
    stack: Stack, http: str
) -> None:
    async with uploading(stack, http) as (exchange, server):
        await server.respond(x_secret="1")
        await server.hang_up()
        outer = await exchange.wire.head()
        assert (outer[":status"], await exchange.wire.read_all()) == ("502", b"")
        assert set(outer) <= {":status", "content-length", "date", "server", "x-request-id", "connection"}


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("begun", [downloading, uploading, both_ways])
async def test_the_upstream_hears_within_a_second_that_the_client_has_gone(
    stack: Stack, http: str, begun: Begun
) -> None:
    async with begun(stack, http) as (exchange, server), asyncio.timeout(A_SECOND):
        exchange.wire.leave()
        await server.closed()
    assert begun is downloading or not server.seen.is_whole


@pytest.mark.parametrize("http", HTTP)
async def test_silence_is_cut_off_after_the_idle_timeout_and_on_a_live_route_is_not(
    stack: Stack, http: str
) -> None:
    """Both routes lead to one upstream, with an idle time-out of 400 ms."""
    async with (
        both_ways(stack, http, "live.example.com") as (live, patient),
        downloading(stack, http, "hasty.example.com") as (down, _),
        both_ways(stack, http, "hasty.example.com") as (duplex, server),
    ):
        for exchange in (down, duplex):
            with pytest.raises(CutError):
                await exchange.read()
        assert await server.is_cut()
        await live.finish(b"late")  # which has been silent for longer than they were
        assert await patient.read_all() == b"late"
        await patient.send(b"later")
        await patient.finish()
        assert await live.read_all() == b"later"


@pytest.mark.parametrize("http", HTTP)
async def test_silence_before_the_answers_body_is_an_error_in_the_clear_and_no_more(
    stack: Stack, http: str
) -> None:
    for ends, status in [(False, "408"), (True, "504")]:
        async with uploading(stack, http, "hasty.example.com") as (exchange, server):
            if ends:
                await exchange.finish()
            await server.respond(x_secret="1")
            outer = await exchange.wire.head()
            assert (outer[":status"], await exchange.wire.read_all()) == (status, b"")
            assert "x-secret" not in outer


async def test_whoever_speaks_now_and_then_is_not_silent(stack: Stack) -> None:
    async with both_ways(stack, "HTTP/2", "hasty.example.com") as (exchange, server):
        for _ in range(3):
            await asyncio.sleep(0.25)
            await exchange.send(b"up")
            assert await server.read() == b"up"
        for _ in range(3):
            await asyncio.sleep(0.25)
            await server.send(b"down")
            assert await exchange.read() == b"down"
        await exchange.finish()
        await server.finish()
        assert await exchange.read_all() == b""


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Stack]:
    """A gateway of one worker, to be broken."""
    with running(tmp_path_factory.mktemp("fragile"), upstream, configuration(upstream, workers=1)) as stack:
        yield stack


async def test_a_worker_that_is_killed_takes_no_exchange_for_complete(fragile: Stack) -> None:
    """In all of them at once, over both protocols."""
    pid = worker_pid(fragile)
    async with (
        downloading(fragile, "HTTP/1.1") as down1,
        downloading(fragile, "HTTP/2") as down2,
        both_ways(fragile, "HTTP/1.1") as duplex1,
        both_ways(fragile, "HTTP/2") as duplex2,
        uploading(fragile, "HTTP/1.1") as up1,
        uploading(fragile, "HTTP/2") as up2,
    ):
        os.kill(pid, signal.SIGKILL)
        for exchange, server in (down1, down2, duplex1, duplex2):
            with pytest.raises(CutError):
                await exchange.read()
            await server.closed()
        for exchange, server in (up1, up2):
            outer = await exchange.wire.head()
            assert (outer[":status"], await exchange.wire.read_all()) == ("500", b"")
            await server.closed()
        assert not any(server.seen.is_whole for _, server in (duplex1, duplex2, up1, up2))
    assert fragile.is_quiet()
    assert serves_again(fragile)


async def test_the_sdk_says_what_a_killed_worker_leaves_of_an_exchange(fragile: Stack) -> None:
    down, up, has_arrived = by_hand(), by_hand(), asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        await has_arrived.wait()

    async with fragile.async_client() as client:
        request = client.build_request("GET", SHOP + down)
        opening = asyncio.create_task(client.send(request, stream=True))
        sending = asyncio.create_task(client.post(SHOP + up, content=half()))
        server = await fragile.upstream.by_hand(down)
        await server.respond()
        await server.send(b"half")
        answer = await opening
        sink = await fragile.upstream.by_hand(up)
        assert await sink.read() == b"half"
        os.kill(worker_pid(fragile), signal.SIGKILL)
        assert await sink.is_cut()
        has_arrived.set()
        with pytest.raises(LinkError) as truncated:
            await answer.aread()
        with pytest.raises(LinkError) as failed:
            await sending
    assert (truncated.value.code, truncated.value.outcome_unknown) == ("truncated", True)
    assert (failed.value.code, failed.value.outcome_unknown) == ("gateway", True)
    assert serves_again(fragile)


async def test_no_worker_takes_any_of_it_for_a_bug(
    tmp_path: Path, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path, upstream, configuration(upstream, workers=1)) as stack:
        for http in HTTP:
            for begun in (downloading, uploading, both_ways):
                async with begun(stack, http) as (exchange, server):
                    exchange.wire.leave()
                    await server.closed()
                async with begun(stack, http) as (_, server):
                    await server.hang_up()
            async with both_ways(stack, http) as (exchange, _):
                await exchange.wire.send(bytes(1000))  # no segment
        assert stack.is_quiet()
    (last,) = [line for line in capfd.readouterr().err.splitlines() if "worker.stopped" in line]
    counts = json.loads(last)
    assert (counts["exchanges"], counts["broke_protocol"], counts["bugs"], counts["cut"]) == (15, 0, 0, 0)
