"""Flow control of streamed exchanges in a running Envoy, and peers that go without a word.

Invariant: whoever does not read slows his sender and nobody else, what Envoy holds meanwhile is bounded, and
all of it arrives in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.bootstrap.running import Gateway, gateway

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LINK = {"origins": ["http://gw.example.com"], "max_request": "64KiB", "stream_buffer": "64KiB"}
PIECE = bytes(2**16)
LENGTH = 64 * 2**20
HELD = 2 * 2**20  # at most, of LENGTH
KEEPALIVE = "02"  # the kind of timer in /proc/net/tcp
STALLED_S = 0.5


class Upstream:
    """Reads nothing beyond a request's head, or sends what nobody may read, until told to."""

    def __init__(self) -> None:
        self.count = 0  # of bytes of bodies, sent or received
        self.reads_on = asyncio.Event()

    async def send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % LENGTH)
        while self.count < LENGTH:
            writer.write(PIECE)
            await writer.drain()
            self.count += len(PIECE)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await self.reads_on.wait()
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
            self.count += size
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")


class Upload:
    """A body of LENGTH bytes, and how many of them have been taken."""

    def __init__(self) -> None:
        self.count = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        while self.count < LENGTH:
            yield PIECE
            self.count += len(PIECE)


async def small() -> AsyncIterator[bytes]:
    yield b"small"


@asynccontextmanager
async def behind(folder: Path, *, http2: bool = False, **upstreams: Handler) -> AsyncIterator[Gateway]:
    """A gateway with these upstreams behind it, each for the host of its name."""
    async with AsyncExitStack() as stack:
        endpoints = {}
        for name, handler in upstreams.items():
            serve = partial(_serve, handler)
            server = await stack.enter_async_context(await asyncio.start_server(serve, "127.0.0.1", 0))
            endpoints[name] = {"endpoints": ["{}:{}".format(*server.sockets[0].getsockname())]}
        routes = [{"host": f"{name}.example.com", "upstream": name} for name in upstreams]
        yield await stack.enter_async_context(
            gateway(folder, http2=http2, link=LINK, routes=routes, upstreams=endpoints)
        )


async def _serve(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        await handler(reader, writer)
    writer.close()


async def stalled(sender: Upload | Upstream) -> None:
    """Once the sender gets no further."""
    seen = -1
    async with asyncio.timeout(30):
        while sender.count != seen or not seen:
            seen = sender.count
            await asyncio.sleep(STALLED_S)
    assert sender.count < LENGTH


async def allocated(running: Gateway) -> int:
    """What Envoy has on its heap, in bytes."""
    url = "http://{}:{}/memory".format(*running.envoy.admin.address)
    return int((await running.http.get(url)).json()["allocated"])


async def test_a_reader_that_pauses_slows_the_upstream(tmp_path: Path) -> None:
    upstream = Upstream()
    async with behind(tmp_path, shop=upstream.send) as running:
        before = await allocated(running)
        body, fields = json.dumps({"path": "/"}).encode(), {"host": "gw.example.com"}
        async with running.http.stream("POST", "/_link", content=body, headers=fields) as answer:
            await stalled(upstream)
            assert await allocated(running) - before < HELD
            assert sum([len(piece) async for piece in answer.aiter_raw()]) == LENGTH


@pytest.mark.parametrize("http2", [False, True])
async def test_an_upstream_that_pauses_slows_the_client(tmp_path: Path, http2: bool) -> None:
    upstream, upload = Upstream(), Upload()
    async with behind(tmp_path, http2=http2, shop=upstream.receive) as running:
        before = await allocated(running)
        answer = asyncio.create_task(running.stream("/", upload.pieces()))
        await stalled(upload)
        assert await allocated(running) - before < HELD
        upstream.reads_on.set()
        assert (await answer).headers["x-inner-status"] == "200"
        assert upstream.count == LENGTH


async def test_a_stalled_exchange_holds_up_no_other_on_its_connections(tmp_path: Path) -> None:
    """Neither on the client's, over HTTP/2, nor on the worker's."""
    stuck, ready, upload = Upstream(), Upstream(), Upload()
    ready.reads_on.set()
    async with behind(tmp_path, http2=True, shop=stuck.receive, other=ready.receive) as running:
        first = asyncio.create_task(running.stream("/", upload.pieces()))
        await stalled(upload)
        answer = await running.stream("/", small(), host="other.example.com")
        assert (answer.headers["x-inner-status"], ready.count) == ("200", 5)
        assert not first.done()
        assert await running.envoy.admin.counter("http.ingress.downstream_cx_total") == 1
        stuck.reads_on.set()
        await first


@pytest.mark.skipif(sys.platform != "linux", reason="timers of connections are read from /proc")
async def test_the_kernel_looks_for_dead_peers_on_both_sides(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        reader, writer = await asyncio.open_connection(*running.envoy.address)
        writer.write(b"GET /echo HTTP/1.1\r\nhost: open.example.com\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        client = writer.get_extra_info("sockname")[1]
        assert timer(local=running.envoy.address[1], remote=client) == KEEPALIVE
        assert timer(remote=running.upstream.port) == KEEPALIVE
        writer.close()


def timer(*, remote: int, local: int | None = None) -> str:
    """The kind of timer of this machine's end of the connection with these ports."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, own, peer, state, _, kind, *_ = line.split()
        ports = [int(address.rpartition(":")[2], 16) for address in (own, peer)]
        if state == "01" and ports[1] == remote and local in {None, ports[0]}:
            return kind.partition(":")[0]
    raise AssertionError("no such connection")
