"""A real Envoy as the client, on either event loop.

Invariant: its exchanges are answered, and nothing that it does is taken for an attack.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from extproc.server.wire.connection import Limits
from tests.bootstrap.running import Gateway, gateway
from tests.exchange import link
from tests.server.loops import LOOPS
from tests.wire.served import Served

HOST = {"host": "gw.example.com"}


@pytest.fixture(params=LOOPS.values(), ids=list(LOOPS))
async def served(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    served = Served(tmp_path)
    served.server._limits = Limits(max_cheap=30)
    async with on_a_loop_of_its_own(served, request.param):
        yield served


@asynccontextmanager
async def on_a_loop_of_its_own(
    served: Served, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> AsyncIterator[None]:
    """In a thread, since the one that a test runs on starts Envoy, which uvloop can't."""
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served.running():
            ready.set()
            await asyncio.to_thread(done.wait)

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve())

    serving = asyncio.create_task(asyncio.to_thread(run))
    try:
        assert await asyncio.to_thread(ready.wait, 10)
        yield
    finally:
        done.set()
        await serving


async def sealed(running: Gateway) -> httpx.Response:
    """The answer to a sealed request, opened."""
    inner = link.inner(exchange_id=os.urandom(16), path="/echo", method="POST", body=b"tea")
    body, opener = link.Client().seal(inner)
    fields = {**HOST, "content-type": "application/privatelink"}
    answer = await running.http.post("/_link", content=body, headers=fields)
    opened = opener.open(answer.content)
    return httpx.Response(opened.status, content=opened.body)


async def test_a_sealed_exchange(served: Served, tmp_path: Path) -> None:
    async with gateway(tmp_path, toy=False) as running:
        assert (await sealed(running)).status_code == 200
    assert served.server.counts == {"exchanges": 1, "broke_protocol": 0, "bugs": 0}


async def test_bodies_go_to_envoy_in_large_frames(served: Served, tmp_path: Path) -> None:
    """By the settings that it has sent (RFC 9113, 6.5.2); health checks have a connection of their own."""
    async with gateway(tmp_path, toy=False) as running:
        assert (await sealed(running)).status_code == 200
        connections = [protocol._session._connection for protocol in served.server._connections]
        assert 2**17 in {connection.sender.max_frame for connection in connections}


async def test_exchanges_may_end_by_resets_however_many_there_are(served: Served, tmp_path: Path) -> None:
    """Envoy leaves a stream whose exchange is over by RST_STREAM."""
    async with gateway(tmp_path, toy=False) as running:
        for _ in range(60):
            assert (await running.http.get("/_link/keys", headers=HOST)).content == b"a signed directory"
            assert (await sealed(running)).status_code == 200
    assert served.events == []
    assert served.server.counts["exchanges"] == 120
