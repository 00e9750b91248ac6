"""A streamed request (docs/protocol.md, section 6), as an httpx stream of the outer body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import final

import httpx

from extproc.link.streams import MAX_DATA, StreamWriter

Stream = httpx.SyncByteStream | httpx.AsyncByteStream


@final
class Outflow(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Sealed as the caller's body comes, piece by piece; to be iterated over once.

    `declared` is the body's `content-length`, if it has one: a body of another length raises
    httpx.LocalProtocolError, as over plain HTTP. Whatever is raised here, by the body itself as well, the
    final segment has not left, so that nobody takes what has for the whole.
    """

    def __init__(self, head: bytes, writer: StreamWriter, body: Stream, *, declared: int | None) -> None:
        self._head = head
        self._writer = writer
        self._body = body
        self._declared = declared
        self._length = 0

    def __iter__(self) -> Iterator[bytes]:
        if not isinstance(self._body, httpx.SyncByteStream):
            raise RuntimeError("an async request body in a sync client")
        yield self._head
        for data in self._body:
            yield from self._sealed(data)
        yield self._end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not isinstance(self._body, httpx.AsyncByteStream):
            raise RuntimeError("a sync request body in an async client")
        yield self._head
        async for data in self._body:
            for segment in self._sealed(data):
                yield segment
        yield self._end()

    def _sealed(self, data: object) -> Iterator[bytes]:
        """Segment by segment, so that a body in one piece is not in memory twice."""
        if not isinstance(data, bytes | bytearray | memoryview):  # whatever the caller's generator makes
            raise TypeError(f"expected bytes, not {type(data).__name__}")
        view = memoryview(data)
        self._length += len(view)
        if self._declared is not None and self._length > self._declared:
            raise httpx.LocalProtocolError("Too much data for declared Content-Length")
        for start in range(0, len(view), MAX_DATA):
            yield self._writer.write(view[start : start + MAX_DATA])

    def _end(self) -> bytes:
        if self._declared is not None and self._length < self._declared:
            raise httpx.LocalProtocolError("Too little data for declared Content-Length")
        return self._writer.finish()
