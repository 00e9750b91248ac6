"""A request as it arrives at the upstream, and its answer as it leaves, in the upstream's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import h11

_PIECE = 65536


@dataclass
class Seen:
    """A request as the upstream got it; header names in lower case."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    is_whole: bool = False  # its end has come, too

    def all(self, name: str) -> list[str]:
        return [value for own, value in self.headers if own == name]


class CutError(Exception):
    """A message broke off before its end."""


class Arrival:
    """One request of a connection."""

    def __init__(
        self,
        head: h11.Request,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.seen = Seen(head.method.decode(), head.target.decode(), _fields(head.headers))
        self.ended = asyncio.Event()  # well, or cut
        self._connection = connection
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """The next piece of the body, b"" at its end. CutError where it breaks off."""
        while not self.seen.is_whole:
            try:
                event = await next_event(self._connection, self._reader)
            except CutError:
                self.ended.set()
                raise
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                self.seen.trailers, self.seen.is_whole = _fields(event.headers), True
                self.ended.set()
        return b""

    async def read_all(self) -> bytes:
        """What is left of the body."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    async def send(self, *events: h11.Event) -> None:
        """Some of the answer, once the network has taken it."""
        try:
            for event in events:
                self._writer.write(self._connection.send(event) or b"")
            await self._writer.drain()
        except ConnectionError as error:
            raise CutError(str(error)) from error

    async def closed(self) -> None:
        """Returns when the peer has closed the connection, or its half of it."""
        try:
            while await self._reader.read(_PIECE):
                pass
        except ConnectionError:
            pass

    def hang_up(self) -> None:
        self._writer.transport.abort()


async def next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    """What h11 makes of the bytes that come. CutError where they break off in the middle of a message."""
    try:
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await reader.read(_PIECE))
    except (h11.RemoteProtocolError, ConnectionError) as error:
        raise CutError(str(error)) from error
    return event


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in headers]
