"""The h2 library as the client, and clients that do not read, on a real Unix socket.

Invariant: whatever windows and settings a client has, it gets its answers; and what a client does not read is
not made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import h2.events
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

from tests.exchange import link
from tests.wire import peer
from tests.wire.caller import CHECK, PROCESS, asked, keys_request, request
from tests.wire.served import Served

LARGE = link.gateway(directory=bytes(100_000))


class Client:
    """An HTTP/2 client that reads when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._reader, self._writer = reader, writer

    async def start(self, settings: dict[SettingCodes | int, int]) -> None:
        self.http.initiate_connection()
        self.http.update_settings(settings)
        await self.flush()

    async def flush(self) -> None:
        self._writer.write(self.http.data_to_send())
        await self._writer.drain()

    async def request(self, path: str, body: bytes) -> int:
        stream_id = self.http.get_next_available_stream_id()
        fields = [*(dict(peer.REQUEST) | {":path": path}).items()]
        self.http.send_headers(stream_id, fields)
        self.http.send_data(stream_id, body, end_stream=True)
        await self.flush()
        return stream_id

    async def events(self) -> AsyncIterator[h2.events.Event]:
        """What comes, with all of it acknowledged."""
        while data := await self._reader.read(2**16):
            for event in self.http.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                yield event
            await self.flush()

    async def answer(self, stream_id: int) -> tuple[bytes, str]:
        """The data of a stream, and its status."""
        data = b""
        async for event in self.events():
            match event:
                case h2.events.DataReceived() if event.stream_id == stream_id:
                    data += event.data
                case h2.events.TrailersReceived() if event.stream_id == stream_id:
                    return data, cast("dict[str, str]", dict(event.headers))["grpc-status"]
        raise ConnectionError("the server has hung up")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def connected(
    served: Served, settings: dict[SettingCodes | int, int] | None = None
) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_unix_connection(served.path))
    await client.start(settings or {})
    yield client
    await client.close()


@pytest.fixture
async def large(tmp_path: Path) -> AsyncIterator[Served]:
    """One whose answers are long."""
    async with Served(tmp_path, LARGE).running() as served:
        yield served


async def test_a_call(served: Served) -> None:
    async with connected(served) as client:
        assert await client.answer(await client.request(CHECK, asked())) == (b"\0\0\0\0\2\x08\x01", "0")


@pytest.mark.parametrize("size", [0, 1, 4096, 2**16])
async def test_a_client_with_another_dynamic_table(served: Served, size: int) -> None:
    async with connected(served, {SettingCodes.HEADER_TABLE_SIZE: size}) as client:
        for _ in range(3):
            assert (await client.answer(await client.request(CHECK, asked())))[1] == "0"


@pytest.mark.parametrize("window", [100, 65_535, 2**20])
async def test_a_client_with_another_window(large: Served, window: int) -> None:
    async with connected(large, {SettingCodes.INITIAL_WINDOW_SIZE: window}) as client:
        data, status = await client.answer(await client.request(PROCESS, keys_request()))
        assert (bytes(100_000) in data, status) == (True, "0")


async def test_a_client_of_large_frames(large: Served) -> None:
    async with connected(large, {SettingCodes.MAX_FRAME_SIZE: 2**20}) as client:
        client.http.max_inbound_frame_size = 2**20
        assert (await client.answer(await client.request(PROCESS, keys_request())))[1] == "0"


async def test_a_drain_is_announced(served: Served) -> None:
    """GOAWAY in two steps (RFC 9113, 6.8), and then the end."""
    async with connected(served) as client:
        await client.answer(await client.request(CHECK, asked()))
        await served.server.drain(0.1)
        await served.server.stop()
        ends = [
            event.last_stream_id
            async for event in client.events()
            if isinstance(event, h2.events.ConnectionTerminated)
        ]
        assert ends == [2**31 - 1, 1]


async def test_a_client_that_breaks_the_protocol_is_told_and_left(served: Served) -> None:
    reader, writer = await asyncio.open_unix_connection(served.path)
    writer.write(peer.PREFACE + peer.settings() + peer.data(0, b""))
    async with asyncio.timeout(5):
        answers = peer.shown(await reader.read())
    assert answers[-1] == "GOAWAY 0 PROTOCOL_ERROR"
    assert served.events == ["connection.broken"]
    writer.close()
    await writer.wait_closed()


# Back-pressure.

MANY = 500
WIDE = peer.settings({peer.INITIAL_WINDOW_SIZE: 2**31 - 1}) + peer.window_update(0, 2**31 - 2**16)


def requests() -> Iterator[bytes]:
    for stream_id in range(1, 2 * MANY, 2):
        yield from request(PROCESS, keys_request(), stream_id)


async def test_what_a_client_does_not_read_is_not_made(large: Served) -> None:
    """50 MB of answers, which its windows are wide enough for, but not its socket."""
    reader, writer = await asyncio.open_unix_connection(large.path, limit=2**16)
    writer.write(peer.PREFACE + WIDE + b"".join(requests()))
    async with asyncio.timeout(30):
        await large.server._progress.until(lambda: is_paused(large))
        assert large.server.counts["exchanges"] == MANY
        assert held(large) < 2 * 2**20
        answered = 0
        while answered < MANY:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            answered += head[3] == peer.KINDS.index("HEADERS") and bool(head[4] & 1)
            assert held(large) < 2 * 2**20
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_does_not_read_is_not_read_from_either(large: Served) -> None:
    """Its PINGs wait in its own socket, in the end."""
    _, writer = await asyncio.open_unix_connection(large.path, limit=2**16)
    writer.write(peer.PREFACE + WIDE + b"".join(requests()))
    assert await pinged(writer) < 4 * 2**20
    assert is_paused(large)
    assert held(large) < 2 * 2**20
    writer.transport.abort()


async def pinged(writer: asyncio.StreamWriter) -> int:
    """Octets of PINGs that are taken until, for a second, no more are."""
    pings, sent = peer.frame("PING", 0, bytes(8)) * 1000, 0
    while True:
        writer.write(pings)
        try:
            await asyncio.wait_for(writer.drain(), 1)
        except TimeoutError:
            return sent
        sent += len(pings)


def is_paused(served: Served) -> bool:
    return any(each._session._is_paused for each in served.server._connections)


def held(served: Served) -> int:
    """Octets that wait in the server to be sent."""
    (connection,) = served.server._connections
    assert connection._transport is not None
    return connection._transport.get_write_buffer_size()
