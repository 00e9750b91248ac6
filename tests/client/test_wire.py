"""Over real sockets, with httpx's own transports below.

Invariant: what the wire does to an exchange reaches the caller as an error of httpx or of the link, and an
answer that is cut short is never shown as complete.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from extproc.client import AsyncLinkTransport, LinkError, LinkTransport
from extproc.client.world import World
from extproc.link.envelope import MEDIA_WHOLE
from tests.client.conftest import Caller
from tests.client.gateway import SHOP, START_MS, Gateway
from tests.client.sockets import listening, raw

WORLD = World(now_ms=lambda: START_MS)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: " + MEDIA_WHOLE.encode() + b"\r\n"


def blocking(link: str, **options: Any) -> Caller:
    def call(*args: Any, **more: Any) -> httpx.Response:
        with httpx.Client(transport=LinkTransport(link, world=WORLD, **options)) as client:
            return client.request(*args, **more)

    return call


def on_asyncio(link: str, **options: Any) -> Caller:
    async def call(*args: Any, **more: Any) -> httpx.Response:
        transport = AsyncLinkTransport(link, world=WORLD, **options)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(*args, **more)

    return lambda *args, **more: asyncio.run(call(*args, **more))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(lambda: START_MS)


@pytest.fixture(params=[blocking, on_asyncio])
def call(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Caller]:
    connect: Callable[..., Caller] = request.param
    with listening(gateway) as origin:
        yield connect(origin, roots=[str(gateway.root.public)])


def test_there_and_back(call: Caller, gateway: Gateway) -> None:
    assert call("POST", SHOP, content=b"tea").content == b"tea"
    assert call("GET", SHOP, headers={"cookie": "a=1"}).status_code == 200
    assert [outer.headers.get("cookie") for outer in gateway.posts] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        HEAD + b"content-length: 500\r\n\r\n" + bytes(100),
        HEAD + b"transfer-encoding: chunked\r\n\r\n10\r\n" + bytes(16),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["nothing", "half a line", "half a body", "half of the chunks", "another protocol"],
)
def test_an_answer_cut_short(call: Caller, gateway: Gateway, answer: bytes) -> None:
    gateway.script.append(raw(answer))
    with pytest.raises(httpx.RemoteProtocolError) as raised:
        call("POST", SHOP, content=b"tea")
    assert raised.value.request.url == SHOP
    gateway.script += [raw(answer)]
    assert call("GET", SHOP).extensions["link"]["repeated"]


def test_an_answer_cut_short_that_ends_well(call: Caller, gateway: Gateway) -> None:
    """No length and no chunks: only the seal can tell that something is missing."""
    gateway.script.append(lambda request: raw(HEAD + b"\r\n" + gateway.answer(request).content[:-1])(request))
    with pytest.raises(LinkError) as raised:
        call("POST", SHOP, content=b"tea")
    assert (raised.value.code, raised.value.outcome_unknown) == ("bad-response", True)


def test_redirects_are_not_followed(call: Caller, gateway: Gateway) -> None:
    gateway.script.append(raw(b"HTTP/1.1 307 Go\r\nlocation: /_link\r\ncontent-length: 0\r\n\r\n"))
    with pytest.raises(LinkError, match="gateway: answered 307"):
        call("POST", SHOP, content=b"tea", follow_redirects=True)
    assert len(gateway.posts) == 1


def test_the_callers_timeout(gateway: Gateway) -> None:
    """Of a gateway that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = f"http://127.0.0.1:{server.getsockname()[1]}"
        shipped = gateway.signed(links=(link,))
        for connect in (blocking, on_asyncio):
            call = connect(link, roots=[str(gateway.root.public)], directory=shipped)
            with pytest.raises(httpx.ReadTimeout):
                call("POST", SHOP, timeout=0.05)


def test_no_gateway(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = f"http://127.0.0.1:{server.getsockname()[1]}"
    for connect in (blocking, on_asyncio):
        with pytest.raises(httpx.ConnectError):
            connect(link, roots=[str(gateway.root.public)])("GET", SHOP)
