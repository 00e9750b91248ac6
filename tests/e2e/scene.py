"""The three ends of a streamed exchange in the hands of a test: client, processor and upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.e2e.by_hand import ByHand
from tests.e2e.http2_upstream import Http2Upstream
from tests.e2e.replies import opened_stream, passing, piece
from tests.e2e.stack import configuration, free_port
from tests.e2e.streaming import STREAM, by_hand
from tests.e2e.throwaway import Gateway, ProcessorByHand, Stream, gateway
from tests.e2e.upstream import Upstream
from tests.e2e.wire import Wire, connect

HEAD: Final = {":method": "POST", ":authority": "gw.localhost", ":path": STREAM}

up = partial(piece, phase="request_body")
down = partial(piece, phase="response_body")


class Ends(NamedTuple):
    client: Wire
    envoy: Stream
    server: ByHand


@dataclass(frozen=True)
class Scene:
    """A gateway with the processor that it asks and the upstreams that it leads to."""

    gateway: Gateway
    processor: ProcessorByHand
    upstream: Upstream  # shop.example.com, and half.example.com, whose other endpoint is dead
    http2: Http2Upstream  # http2.example.com

    @asynccontextmanager
    async def asking(self, http: str = "HTTP/1.1") -> AsyncIterator[tuple[Wire, Stream]]:
        """A request whose head has come."""
        client = await connect("http://{}:{}".format(*self.gateway.address), http)
        try:
            await client.begin(HEAD)
            stream = await self.processor.stream()
            await stream.hear("request_headers")
            yield client, stream
        finally:
            client.leave()

    @asynccontextmanager
    async def uploading(self, http: str = "HTTP/1.1", host: str = "shop.example.com") -> AsyncIterator[Ends]:
        """A request whose first bytes have gone up, and which goes on."""
        path = by_hand()
        async with self.asking(http) as (client, envoy):
            await client.send(b"abc")
            await envoy.hear("request_body")
            await envoy.say(opened_stream({":path": path, ":authority": host}), up(b"first", end=False))
            server = await self.upstream.by_hand(path)
            assert await server.read() == b"first"
            yield Ends(client, envoy, server)
            client.leave()  # first: an upstream that hangs up often is left out
            await server.closed()

    @asynccontextmanager
    async def answering(self, http: str = "HTTP/1.1") -> AsyncIterator[Ends]:
        """The same, and the first bytes of its answer have come down."""
        async with self.uploading(http) as ends:
            client, envoy, server = ends
            await server.respond()
            await envoy.hear("response_headers")
            await server.send(b"x")
            await envoy.hear("response_body")
            await envoy.say(*passing("response_headers"), down(b"sealed", end=False))
            assert (await client.head())[":status"] == "200"
            assert await client.read() == b"sealed"
            yield ends


@asynccontextmanager
async def staged(folder: Path, upstream: Upstream, **settings: Any) -> AsyncIterator[Scene]:
    """`settings` replace what is in gateway.yaml."""
    own, processor, http2 = configuration(upstream), ProcessorByHand(), Http2Upstream()
    async with http2.serving():
        halves = [f"127.0.0.1:{port}" for port in (free_port(), upstream.port)]
        own["upstreams"]["half"] = {"endpoints": halves}
        own["upstreams"]["http2"] = {"endpoints": [f"127.0.0.1:{http2.port}"], "http2": True}
        own["routes"] += [{"host": f"{name}.example.com", "upstream": name} for name in ("half", "http2")]
        changes = {"upstreams": own["upstreams"], "routes": own["routes"], **settings}
        async with gateway(folder, upstream, processor, **changes) as running:
            yield Scene(running, processor, upstream, http2)
