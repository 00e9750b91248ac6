"""A POST to the link below the SDK, over HTTP/1.1 or HTTP/2: both ways at once, and broken off at will."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import h2.connection
import h2.events
import h11
import httpx

from tests.e2e.arrival import CutError, next_event

HTTP: Final = ("HTTP/1.1", "HTTP/2")
_PIECE: Final = 65536
_PATIENCE_S: Final = 10
_LITTLE: Final = 65536  # what the kernel holds for a socket, each way: so that back-pressure comes soon
_OF_AN_ANSWER: Final = (
    h2.events.ResponseReceived,
    h2.events.DataReceived,
    h2.events.TrailersReceived,
    h2.events.StreamEnded,
)
_OF_A_CUT: Final = (h2.events.StreamReset, h2.events.ConnectionTerminated)


class Wire(ABC):
    """One exchange on a connection of its own. What waits, waits for 10 s at most, then TimeoutError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(high=0)  # `send` waits for the kernel

    @abstractmethod
    async def begin(self, headers: Mapping[str, str]) -> None:
        """Send the head of the request, pseudo-headers included."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Some of the body, once the network has taken it. CutError when the other side is gone."""

    @abstractmethod
    async def end(self, trailers: Mapping[str, str] | None = None) -> None:
        """The request's end."""

    @abstractmethod
    async def head(self) -> httpx.Headers:
        """The head of the answer, with `:status`. CutError when there is none."""

    @abstractmethod
    async def read(self) -> bytes:
        """The next piece of the answer's body, b"" at its end. CutError where it breaks off."""

    async def read_all(self) -> bytes:
        """What is left of the answer's body."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def leave(self) -> None:
        """Be gone, at once."""
        self._writer.transport.abort()


async def connect(address: str, version: str) -> Wire:
    """To Envoy."""
    url = httpx.URL(address)
    sock = socket.socket()
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, _LITTLE)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=_LITTLE)
    return (_Http1 if version == "HTTP/1.1" else _Http2)(reader, writer)


class _Http1(Wire):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._connection = h11.Connection(h11.CLIENT)

    async def begin(self, headers: Mapping[str, str]) -> None:
        fields = [(name, value) for name, value in headers.items() if not name.startswith(":")]
        fields.append(("host", headers[":authority"]))
        if "content-length" not in headers:
            fields.append(("transfer-encoding", "chunked"))
        await self._send(h11.Request(method=headers[":method"], target=headers[":path"], headers=fields))

    async def send(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self, trailers: Mapping[str, str] | None = None) -> None:
        await self._send(h11.EndOfMessage(headers=[*(trailers or {}).items()]))

    async def head(self) -> httpx.Headers:
        event = await self._next()
        if not isinstance(event, h11.Response):
            raise CutError(repr(event))
        return httpx.Headers([(b":status", str(event.status_code).encode()), *event.headers.raw_items()])

    async def read(self) -> bytes:
        event = await self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage), event
        assert not event.headers, "trailers in the clear"
        return b""

    async def _next(self) -> object:
        async with asyncio.timeout(_PATIENCE_S):
            return await next_event(self._connection, self._reader)

    async def _send(self, event: h11.Event) -> None:
        await _flush(self._writer, self._connection.send(event) or b"")


class _Http2(Wire):
    """A task reads all the time. Envoy may send more when the test has taken what came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._connection = h2.connection.H2Connection()
        self._events: deque[h2.events.Event] = deque()
        self._is_cut = False
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._listen())

    async def begin(self, headers: Mapping[str, str]) -> None:
        self._connection.initiate_connection()
        self._connection.send_headers(1, [(":scheme", "http"), *headers.items()])
        await self._flush()

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            piece = view[: await self._window()]
            self._connection.send_data(1, bytes(piece))
            await self._flush()
            view = view[len(piece) :]

    async def end(self, trailers: Mapping[str, str] | None = None) -> None:
        if trailers:
            self._connection.send_headers(1, [*trailers.items()], end_stream=True)
        else:
            self._connection.end_stream(1)
        await self._flush()

    async def head(self) -> httpx.Headers:
        event = await self._next()
        assert isinstance(event, h2.events.ResponseReceived), event
        return httpx.Headers([*event.headers])

    async def read(self) -> bytes:
        event = await self._next()
        if isinstance(event, h2.events.DataReceived):
            self._connection.acknowledge_received_data(event.flow_controlled_length, 1)
            await self._flush()
            return event.data or await self.read()
        assert isinstance(event, h2.events.StreamEnded), event
        return b""

    def leave(self) -> None:
        self._task.cancel()
        super().leave()

    async def _next(self) -> h2.events.Event:
        await self._until(lambda: bool(self._events))
        return self._events.popleft()

    async def _window(self) -> int:
        """How much may be sent now, in one frame: more than nothing."""
        connection = self._connection
        await self._until(lambda: connection.local_flow_control_window(1) > 0)
        return min(connection.local_flow_control_window(1), connection.max_outbound_frame_size)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self._is_cut or condition())
        if not condition():
            raise CutError("the stream was reset, or the connection is gone")

    async def _listen(self) -> None:
        with suppress(ConnectionError, CutError):
            while not self._is_cut and (data := await self._reader.read(_PIECE)):
                await self._take(self._connection.receive_data(data))
        self._is_cut = True
        await self._take([])

    async def _take(self, events: list[h2.events.Event]) -> None:
        async with self._news:
            self._events.extend(event for event in events if isinstance(event, _OF_AN_ANSWER))
            self._is_cut |= any(isinstance(event, _OF_A_CUT) for event in events)
            self._news.notify_all()
        await self._flush()

    async def _flush(self) -> None:
        await _flush(self._writer, self._connection.data_to_send())


async def _flush(writer: asyncio.StreamWriter, data: bytes) -> None:
    try:
        writer.write(data)
        async with asyncio.timeout(_PATIENCE_S):
            await writer.drain()
    except ConnectionError as error:
        raise CutError(str(error)) from error
