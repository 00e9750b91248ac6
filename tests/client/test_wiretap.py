"""What a tap hears of the outer layer.

Invariant: it counts what passes and keeps none of it, and nothing passes otherwise than without it.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from extproc.client import LinkTransport
from extproc.client.wiretap import Wiretap
from tests.client.gateway import LINK, SHOP, Clock, Gateway
from tests.client.menu import BODY, menu
from tests.client.pieces import Pieces, Wire


class Tapped:
    """A client behind a tap. What was heard is in `log`, as words, and in `lengths`."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self.log: list[str] = []
        self.lengths: list[int] = []
        tap = Wiretap(
            Wire(lambda request: unread(gateway.handle(request)), lambda _: self.log.append("a piece")),
            sent=lambda request: self.log.append(request.url.path),
            uploaded=lambda request, length: self.hear(request.method, length),
            received=lambda response, length: self.hear(str(response.status_code), length),
        )
        roots = [str(gateway.root.public)]
        self.client = httpx.Client(
            transport=LinkTransport(LINK, roots=roots, transport=tap, world=clock.world)
        )
        self.client.get(SHOP)  # and the directory is there
        self.log.clear()
        self.lengths.clear()

    def hear(self, what: str, length: int) -> None:
        self.log.append(what)
        self.lengths.append(length)


def unread(response: httpx.Response) -> httpx.Response:
    """As from a socket."""
    if not isinstance(response.stream, Pieces):
        response = httpx.Response(200, headers=response.headers, stream=Pieces([response.content]))
    return response


@pytest.fixture
def tapped(gateway: Gateway, clock: Clock) -> Tapped:
    return Tapped(gateway, clock)


def test_whole(tapped: Tapped, gateway: Gateway) -> None:
    assert tapped.client.post(SHOP, content=b"tea").content == b"tea"
    assert tapped.log == ["/_link", "a piece", "POST", "200"]
    up, down = tapped.lengths
    assert up == len(gateway.posts[-1].content)
    assert down > 0


def test_streamed(tapped: Tapped, gateway: Gateway) -> None:
    gateway.streams, gateway.upstream = True, menu

    def body() -> Iterator[bytes]:
        for piece in ("tea", "coffee"):
            tapped.log.append(piece)
            yield piece.encode()

    up = ["/_link/stream", "a piece", "tea", "a piece", "coffee", "a piece", "a piece", "POST"]
    with tapped.client.stream("POST", SHOP, content=body()) as response:
        assert tapped.log == up
        assert response.read() == BODY
    assert tapped.log == [*up, "200"]
    assert tapped.lengths[0] == len(gateway.posts[-1].content)
    assert tapped.lengths[1] > len(BODY)


def test_an_upload_that_fails(tapped: Tapped) -> None:
    def body() -> Iterator[bytes]:
        yield b"tea"
        raise KeyError

    with pytest.raises(KeyError):
        tapped.client.post(SHOP, content=body())
    assert tapped.log == ["/_link/stream", "a piece", "a piece", "POST"]
    assert tapped.lengths[0] > 0
