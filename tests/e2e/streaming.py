"""Sealed exchanges that stream, below the SDK: with what it sends, and with what it never would."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from extproc.link.envelope import MEDIA_STREAM, MEDIA_WHOLE, ResponseOpener, ResponseReader
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import StreamWriter
from tests.e2e.by_hand import PATH
from tests.e2e.stack import Stack
from tests.e2e.wire import Wire, connect

KIB: Final = 2**10
MIB: Final = 2**20
WHOLE: Final = "/_link"
STREAM: Final = "/_link/stream"


class Exchange:
    """One request over the link, and its answer in either form."""

    def __init__(self, wire: Wire, opener: ResponseOpener) -> None:
        self.wire = wire
        self.outer = httpx.Headers()  # of the answer, with `:status`
        self.trailers: list[tuple[str, bytes]] = []  # of a streamed answer
        self.opener = opener
        self._reader: ResponseReader | None = None
        self._opened: list[bytes] = []

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is."""
        return self._reader is not None

    async def answer(self) -> pb.InnerResponse:
        """What was sealed. The body of a streamed answer is not in it: `read` it."""
        self.outer = await self.wire.head()
        assert self.outer[":status"] == "200", await self.wire.read_all()
        if self.outer["content-type"] == MEDIA_WHOLE:
            return self.opener.open(await self.wire.read_all())
        assert self.outer["content-type"] == MEDIA_STREAM
        self._reader = self.opener.stream()
        while not self._reader.has_head:
            self._open(await self._more())
        return self._reader.head

    async def read(self) -> bytes:
        """The next piece of a streamed answer; b"" when its end has opened. CutError where it breaks off."""
        while not self._opened:
            if not (sealed := await self.wire.read()):
                self._streamed().end()
                return b""
            self._open(sealed)
        return self._opened.pop(0)

    async def read_all(self) -> bytes:
        """What is left of it."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    async def problem(self) -> tuple[str, str]:
        """An answer outside the seal: its status and its body."""
        self.outer = await self.wire.head()
        assert self.outer["content-type"] == "application/problem+json"
        return self.outer[":status"], (await self.wire.read_all()).decode()

    async def _more(self) -> bytes:
        sealed = await self.wire.read()
        assert sealed, "the answer ended before its head"
        return sealed

    def _open(self, sealed: bytes) -> None:
        for chunk in self._streamed().receive(sealed):
            self.trailers += [(header.name, header.value) for header in chunk.trailers]
            self._opened += [bytes(chunk.data)] if chunk.data else []

    def _streamed(self) -> ResponseReader:
        assert self._reader is not None, "not a streamed answer"
        return self._reader


class Upload(Exchange):
    """A streamed request; `head` is what begins it, and has not been sent."""

    def __init__(self, wire: Wire, head: bytes, writer: StreamWriter, opener: ResponseOpener) -> None:
        super().__init__(wire, opener)
        self.head = head
        self.writer = writer

    async def begin(self) -> None:
        await self.wire.send(self.head)

    async def send(self, data: bytes) -> None:
        """Some of the body, sealed."""
        await self.wire.send(self.writer.write(data))

    async def finish(self, data: bytes = b"", trailers: Sequence[pb.Header] = ()) -> None:
        """The last of the body, and the end of the request."""
        await self.wire.send(self.writer.finish(data, trailers))
        await self.wire.end()


@asynccontextmanager
async def ask(stack: Stack, http: str = "HTTP/1.1", **fields: Any) -> AsyncIterator[Exchange]:
    """A whole request that may be answered by a stream."""
    body, opener = stack.sealer.seal(**{"accept_stream": True, **fields})
    async with post(stack, http, WHOLE, MEDIA_WHOLE) as wire:
        await wire.send(body)
        await wire.end()
        yield Exchange(wire, opener)


@asynccontextmanager
async def upload(stack: Stack, http: str = "HTTP/1.1", **fields: Any) -> AsyncIterator[Upload]:
    """A streamed request, its head sent."""
    async with unsent(stack, http, **fields) as exchange:
        await exchange.begin()
        yield exchange


@asynccontextmanager
async def unsent(stack: Stack, http: str = "HTTP/1.1", **fields: Any) -> AsyncIterator[Upload]:
    """A streamed request of which nothing but the outer head has been sent."""
    head, writer, opener = stack.sealer.stream(**{"method": "POST", "accept_stream": True, **fields})
    async with post(stack, http, STREAM, MEDIA_STREAM) as wire:
        yield Upload(wire, head, writer, opener)


@asynccontextmanager
async def post(stack: Stack, http: str, path: str, media_type: str, **more: str) -> AsyncIterator[Wire]:
    """An outer request without its body."""
    wire = await connect(stack.address, http)
    line = {":method": "POST", ":authority": "gw.localhost", ":path": path}
    try:
        await wire.begin({**line, "content-type": media_type, **more})
        yield wire
    finally:
        wire.leave()


def by_hand() -> str:
    """A path of its own that the test answers."""
    return PATH + os.urandom(8).hex()
