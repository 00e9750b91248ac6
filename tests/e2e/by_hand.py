"""A request at the upstream that a test reads and answers itself: piece by piece, and when it pleases."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import h11

from tests.e2e.arrival import Arrival, Seen

PATH = "/by-hand/"  # where such requests go; what follows tells one from another
_PATIENCE_S = 10
T = TypeVar("T")


class ByHand:
    """Its methods are for the test's event loop; what they do, they do in the upstream's."""

    def __init__(self, arrival: Arrival) -> None:
        self.over = asyncio.Event()  # the connection is the upstream's again
        self._arrival = arrival
        self._loop = asyncio.get_running_loop()

    @property
    def seen(self) -> Seen:
        return self._arrival.seen

    async def read(self) -> bytes:
        """The next piece of the body, b"" at its end. CutError where it breaks off."""
        return await self._there(self._arrival.read())

    async def read_all(self) -> bytes:
        """What is left of the body."""
        return await self._there(self._arrival.read_all())

    async def respond(self, status: int = 200, **headers: str) -> None:
        """The head of the answer; its body is chunked unless `content_length` is given."""
        await self._send(h11.Response(status_code=status, headers=_fields(headers)))

    async def send(self, data: bytes) -> None:
        """Some of the answer's body, once the network has taken it."""
        await self._send(h11.Data(data=data))

    async def finish(self, **trailers: str) -> None:
        """The end of the answer. What is left of the request is read and forgotten."""
        await self._send(h11.EndOfMessage(headers=_fields(trailers)))
        self._give_back()

    async def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        """All of the answer."""
        await self.respond(status, content_length=str(len(body)), **headers)
        await self.send(body)
        await self.finish()

    async def hang_up(self) -> None:
        """Die in the middle."""
        self._loop.call_soon_threadsafe(self._arrival.hang_up)
        self._give_back()

    async def is_cut(self) -> bool:
        """Whether the request breaks off, instead of ending. What is left of it is read and forgotten."""
        self._give_back()
        await self._there(self._arrival.ended.wait())
        return not self.seen.is_whole

    async def closed(self) -> None:
        """Returns when the gateway has closed the connection."""
        await self._there(self._arrival.closed())
        self._give_back()

    def _give_back(self) -> None:
        self._loop.call_soon_threadsafe(self.over.set)

    async def _send(self, event: h11.Event) -> None:
        await self._there(self._arrival.send(event))

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        async with asyncio.timeout(_PATIENCE_S):
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def _fields(named: dict[str, str]) -> list[tuple[str, str]]:
    return [(name.replace("_", "-"), value) for name, value in named.items()]
