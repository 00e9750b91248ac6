"""An upstream that speaks HTTP/2 and tells what it hears: a request, its data, its end or its reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import h2.config
import h2.connection
import h2.events

_PATIENCE_S = 5
Heard = h2.events.RequestReceived | h2.events.DataReceived | h2.events.StreamEnded | h2.events.StreamReset
T = TypeVar("T", bound=Heard)


class Http2Upstream:
    """Answers nothing. `port` is where it listens, on the loopback interface."""

    port = 0

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()

    async def hear(self, kind: type[T]) -> T:
        """What comes next, which is of this kind."""
        async with asyncio.timeout(_PATIENCE_S):
            event = await self._heard.get()
        assert isinstance(event, kind), event
        return event

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="ascii")
        connection = h2.connection.H2Connection(config)
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, Heard):
                    self._heard.put_nowait(event)
            writer.write(connection.data_to_send())
        writer.close()
