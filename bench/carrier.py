"""A client's connection, which does next to nothing while a clock runs: it writes, reads and counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import cast
from urllib.parse import urlsplit

from bench.turns import Turn
from bench.wire import Head, MessageReader


class Carrier(asyncio.Protocol):
    """Carries turns over one connection, one after the other, as fast as they are answered."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._turns: Iterator[Turn] = iter(())
        self._turn: Turn | None = None
        self._done: asyncio.Future[None] | None = None
        self._reader = MessageReader()

    def carry(self, turns: Iterable[Turn]) -> asyncio.Future[None]:
        """Begin. The future is done when the last turn is; a request is let go of when it is written."""
        self._turns = iter(turns)
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("Envoy hung up"))

    def data_received(self, data: bytes) -> None:
        for event in self._reader.receive(data):
            turn = self._turn
            if turn is None:
                raise ValueError("an answer to nothing")
            if isinstance(event, bytes):
                turn.body += event
            elif isinstance(event, Head):
                turn.head = event
            else:
                turn.latency_s = time.perf_counter() - turn.began
                self._next()

    def _next(self) -> None:
        turn = self._turn = next(self._turns, None)
        if turn is not None:
            turn.began = time.perf_counter()
            self._transport.write(turn.request)
            turn.request = b""
        elif self._done is not None:
            self._done.set_result(None)


async def connected(origin: str) -> Carrier:
    host, _, port = urlsplit(origin).netloc.partition(":")
    _, carrier = await asyncio.get_running_loop().create_connection(Carrier, host, int(port))
    return carrier
