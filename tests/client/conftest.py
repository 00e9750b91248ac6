"""Each transcript runs over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import httpx
import pytest

from extproc.client import AsyncLinkTransport, LinkTransport
from tests.client.gateway import LINK, Clock, Gateway

Caller = Callable[..., httpx.Response]  # as httpx.Client.request


MANY = 10_000


@dataclass
class Heard:
    """What of a streamed answer was read, and how that ended."""

    response: httpx.Response
    pieces: list[bytes]
    error: Exception | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


Hearer = Callable[..., Heard]  # as httpx.Client.stream: reads `most` pieces, each to be heard by `heard`


class Opening(Protocol):
    """Makes a caller, with options of the transport. Roots are the gateway's, unless said."""

    is_async: bool

    def __call__(self, link: str = LINK, **options: Any) -> Caller: ...

    def hearing(self, link: str = LINK, **options: Any) -> Hearer: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(clock: Clock) -> Gateway:
    return Gateway(lambda: clock.ms)


def ignore(_: object) -> None:
    pass


class Blocking:
    is_async = False

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway, self._clock = gateway, clock

    def __call__(self, link: str = LINK, **options: Any) -> Caller:
        return self._client(link, options).request

    def hearing(self, link: str = LINK, **options: Any) -> Hearer:
        client = self._client(link, options)

        def hear(
            *request: str, most: int = MANY, heard: Callable[[bytes], object] = ignore, **more: Any
        ) -> Heard:
            with client.stream(*request, **more) as response:
                result = Heard(response, [])
                heard(b"")
                try:
                    for piece in islice(response.iter_bytes(), most):
                        result.pieces.append(piece)
                        heard(piece)
                except httpx.TransportError as error:
                    result.error = error
                return result

        return hear

    def _client(self, link: str, options: dict[str, Any]) -> httpx.Client:
        return httpx.Client(transport=LinkTransport(link, **self._completed(options)))

    def _completed(self, options: dict[str, Any]) -> dict[str, Any]:
        trust = {} if "keys" in options else {"roots": [str(self._gateway.root.public)]}
        wire = httpx.MockTransport(self._gateway.handle)
        return {"world": self._clock.world, "transport": wire, **trust, **options}


class OnAsyncio(Blocking):
    is_async = True

    def __init__(self, gateway: Gateway, clock: Clock, runner: asyncio.Runner) -> None:
        super().__init__(gateway, clock)
        self._runner = runner

    def __call__(self, link: str = LINK, **options: Any) -> Caller:
        client = self._async_client(link, options)
        return lambda *args, **more: self._runner.run(client.request(*args, **more))

    def hearing(self, link: str = LINK, **options: Any) -> Hearer:
        client = self._async_client(link, options)

        async def hear(
            *request: str, most: int = MANY, heard: Callable[[bytes], object] = ignore, **more: Any
        ) -> Heard:
            async with client.stream(*request, **more) as response:
                result = Heard(response, [])
                heard(b"")
                pieces = response.aiter_bytes()
                try:
                    while len(result.pieces) < most:
                        result.pieces.append(await anext(pieces))
                        heard(result.pieces[-1])
                except StopAsyncIteration:
                    pass
                except httpx.TransportError as error:
                    result.error = error
                return result

        return lambda *args, **more: self._runner.run(hear(*args, **more))

    def _async_client(self, link: str, options: dict[str, Any]) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=AsyncLinkTransport(link, **self._completed(options)))


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest, gateway: Gateway, clock: Clock) -> Iterator[Opening]:
    if request.param == "blocking":
        yield Blocking(gateway, clock)
        return
    with asyncio.Runner() as runner:
        yield OnAsyncio(gateway, clock, runner)


@pytest.fixture
def hear(connect: Opening) -> Hearer:
    return connect.hearing()


def generated(connect: Opening, pieces: Iterable[object]) -> object:
    """A generator, of the kind that the client takes."""

    async def pieces_async() -> AsyncIterator[object]:
        for piece in pieces:
            yield piece

    return pieces_async() if connect.is_async else (piece for piece in pieces)
