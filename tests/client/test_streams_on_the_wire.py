"""Streams over real sockets, with httpx's own transports below.

Invariant: a connection is used again after an exchange that ended well, and is closed after any other; what a
caller leaves, or the wire breaks, ends on both sides.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from itertools import repeat
from typing import Any, Protocol

import httpx
import pytest

from extproc.client import AsyncLinkTransport, LinkError, LinkTransport
from extproc.client.errors import may_have_run
from extproc.client.world import World
from extproc.link.envelope import RequestReader
from extproc.link.pb import privatelink_pb2 as pb
from tests.client.gateway import SHOP, START_MS, Gateway
from tests.client.menu import BODY, at, changed, menu
from tests.client.sockets import listening

WORLD = World(now_ms=lambda: START_MS)
TIMEOUT = 10


class Exchanges(Protocol):
    """One client, and what it does one after the other: bodies of POSTs, each read to the end or closed
    unread. Returns the last response."""

    def __call__(self, *bodies: Any, read: bool = True) -> httpx.Response: ...


def blocking(link: str, root: str) -> Exchanges:
    def run(*bodies: Any, read: bool = True) -> httpx.Response:
        transport = LinkTransport(link, roots=[root], world=WORLD)
        with httpx.Client(transport=transport, timeout=TIMEOUT) as client:
            for body in bodies:
                with client.stream("POST", SHOP, content=body) as response:
                    if read:
                        response.read()
        return response

    return run


async def over_asyncio(pieces: Any) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def on_asyncio(link: str, root: str) -> Exchanges:
    async def run(*bodies: Any, read: bool = True) -> httpx.Response:
        transport = AsyncLinkTransport(link, roots=[root], world=WORLD)
        async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT) as client:
            for body in bodies:
                content = body if isinstance(body, bytes) else over_asyncio(body)
                async with client.stream("POST", SHOP, content=content) as response:
                    if read:
                        await response.aread()
        return response

    return lambda *bodies, read=True: asyncio.run(run(*bodies, read=read))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(lambda: START_MS, upstream=menu, streams=True)


@pytest.fixture(params=[blocking, on_asyncio])
def run(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Exchanges]:
    with listening(gateway) as origin:
        yield request.param(origin, str(gateway.root.public))


def peers(gateway: Gateway) -> int:
    return len({outer.extensions["peer"] for outer in gateway.posts})


def test_one_connection_for_many(run: Exchanges, gateway: Gateway) -> None:
    response = run(b"", [b"tea"] * 9, os.urandom(2**20), [])
    assert response.content == BODY
    assert response.extensions["trailers"]["x-sum"]
    assert [len(inner.body) for inner in gateway.ran] == [0, 27, 2**20, 0]
    assert peers(gateway) == 1


def test_a_connection_that_breaks(run: Exchanges, gateway: Gateway) -> None:
    gateway.script.append(changed(gateway, at(3, httpx.ReadError("break here"))))
    with pytest.raises(LinkError, match="truncated: the connection broke") as raised:
        run(b"tea")
    assert raised.value.outcome_unknown


def test_a_caller_that_leaves(run: Exchanges, gateway: Gateway) -> None:
    """The gateway can no longer write: the connection has gone, as has what held it."""
    gone = threading.Event()

    def endless(pieces: list[bytes]) -> Iterator[bytes]:
        try:
            yield pieces[0]
            yield from repeat(pieces[1])
        finally:
            gone.set()

    gateway.script.append(changed(gateway, endless))
    assert run(b"tea", read=False).status_code == 203
    assert gone.wait(TIMEOUT)
    run(b"", b"")
    assert len(gateway.posts) == 3


class SpilledError(Exception):
    """A trouble of the caller's own."""


def test_a_generator_that_raises(run: Exchanges, gateway: Gateway) -> None:
    """The gateway sees the outer body break off."""
    broken = threading.Event()

    def read(outer: httpx.Request) -> httpx.Response:
        try:
            return gateway.answer(outer)
        except ConnectionError:
            broken.set()
            raise

    def spilling() -> Iterator[bytes]:
        yield b"tea"
        raise SpilledError

    gateway.script.append(read)
    with pytest.raises(SpilledError):
        run(spilling())
    assert broken.wait(TIMEOUT)


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_while_the_upload_runs(gateway: Gateway, streams: bool) -> None:
    """It ends the upload. Over asyncio it goes with the connection: anyio reads nothing while it writes."""

    def early(outer: httpx.Request) -> httpx.Response:
        assert isinstance(outer.stream, httpx.SyncByteStream)
        reader = RequestReader(gateway.keyring, gateway.now)
        next(chunk for piece in outer.stream for chunk in reader.receive(piece))
        assert reader.opened is not None
        return gateway.sealed(reader.opened, pb.InnerResponse(status=413, body=b"enough"))

    gateway.streams, gateway.script = streams, deque([early, early])
    endless = bytes(65_536)
    with listening(gateway) as origin:
        response = blocking(origin, str(gateway.root.public))(repeat(endless))
        assert (response.status_code, response.content) == (413, b"enough")
        with pytest.raises(httpx.NetworkError) as raised:
            on_asyncio(origin, str(gateway.root.public))(repeat(endless))
        assert may_have_run(raised.value)
