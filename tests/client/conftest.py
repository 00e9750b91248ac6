"""Each transcript runs over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx
import pytest

from extproc.client import AsyncLinkTransport, LinkTransport
from tests.client.gateway import LINK, Clock, Gateway

Caller = Callable[..., httpx.Response]  # as httpx.Client.request


class Opening(Protocol):
    """Makes a caller, with options of the transport. Roots are the gateway's, unless said."""

    is_async: bool

    def __call__(self, link: str = LINK, **options: Any) -> Caller: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(clock: Clock) -> Gateway:
    return Gateway(lambda: clock.ms)


class Blocking:
    is_async = False

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway, self._clock = gateway, clock

    def __call__(self, link: str = LINK, **options: Any) -> Caller:
        wire = httpx.MockTransport(self._gateway.handle)
        transport = LinkTransport(link, transport=wire, **self._completed(options))
        return httpx.Client(transport=transport).request

    def _completed(self, options: dict[str, Any]) -> dict[str, Any]:
        trust = {} if "keys" in options else {"roots": [str(self._gateway.root.public)]}
        return {"world": self._clock.world, **trust, **options}


class OnAsyncio(Blocking):
    is_async = True

    def __init__(self, gateway: Gateway, clock: Clock, runner: asyncio.Runner) -> None:
        super().__init__(gateway, clock)
        self._runner = runner

    def __call__(self, link: str = LINK, **options: Any) -> Caller:
        wire = httpx.MockTransport(self._gateway.handle)
        transport = AsyncLinkTransport(link, transport=wire, **self._completed(options))
        client = httpx.AsyncClient(transport=transport)
        return lambda *args, **more: self._runner.run(client.request(*args, **more))


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest, gateway: Gateway, clock: Clock) -> Iterator[Opening]:
    if request.param == "blocking":
        yield Blocking(gateway, clock)
        return
    with asyncio.Runner() as runner:
        yield OnAsyncio(gateway, clock, runner)
