"""A streamed answer (docs/protocol.md, section 6), as an httpx stream of the inner body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, final

import httpx

from extproc import errors
from extproc.client.errors import BAD_RESPONSE, TRUNCATED, LinkError
from extproc.client.fields import raw_fields
from extproc.link.envelope import ResponseOpener, ResponseReader, media_form
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form

_SYNC_BELOW_ASYNC: Final = "a sync transport below an async one"
_ASYNC_BELOW_SYNC: Final = "an async transport below a sync one"


def inflow_of(outer: httpx.Response, opener: ResponseOpener | None) -> Inflow | None:
    """The answer to what `opener` belongs to, if it comes as a stream."""
    if opener is None or outer.status_code != 200:
        return None
    is_streamed = media_form(outer.headers.get("content-type")) is Form.STREAMED
    return Inflow(outer, opener.stream()) if is_streamed else None


@final
class Inflow(httpx.SyncByteStream, httpx.AsyncByteStream):
    """First `read_head`, which closes nothing; then iterate, once, over the inner bytes as they open.

    It iterates over what has opened before a bad segment, and raises LinkError("bad-response") then; for an
    end without the final segment it raises LinkError("truncated"). It holds one piece of the outer body,
    as the transport below reads it, and an unfinished segment.
    """

    def __init__(self, outer: httpx.Response, reader: ResponseReader) -> None:
        self.trailers = httpx.Headers()  # filled when the final segment has opened
        self._outer = outer
        self._reader = reader
        self._opened: list[bytes] = []
        self._failure: LinkError | None = None  # comes after what has opened before it
        self._pieces: Iterator[bytes]
        self._pieces_async: AsyncIterator[bytes]

    @property
    def head(self) -> pb.InnerResponse:
        """The inner response without body and trailers."""
        return self._reader.head

    def read_head(self) -> None:
        """Raises LinkError, outcome unknown, and httpx.TimeoutException."""
        self._pieces = blocking(self._outer)
        with self._explained():
            for piece in self._pieces:
                if self._has_head(piece):
                    return
            self._end()

    async def read_head_async(self) -> None:
        """As `read_head`."""
        self._pieces_async = on_asyncio(self._outer)
        with self._explained():
            async for piece in self._pieces_async:
                if self._has_head(piece):
                    return
            self._end()

    def __iter__(self) -> Iterator[bytes]:
        try:
            with self._explained():
                yield from self._taken()
                for piece in self._pieces:
                    self._receive(piece)
                    yield from self._taken()
                self._end()
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            with self._explained():
                for data in self._taken():
                    yield data
                async for piece in self._pieces_async:
                    self._receive(piece)
                    for data in self._taken():
                        yield data
                self._end()
        finally:
            await self.aclose()

    def close(self) -> None:
        self._outer.close()

    async def aclose(self) -> None:
        await self._outer.aclose()

    def _has_head(self, piece: bytes) -> bool:
        self._receive(piece)
        if self._failure is not None and not self._reader.has_head:
            raise self._failure
        return self._reader.has_head

    def _receive(self, piece: bytes) -> None:
        try:
            for chunk in self._reader.receive(piece):
                if chunk.trailers:
                    self._fill_trailers(httpx.Headers(raw_fields(chunk.trailers)))
                self._opened.append(bytes(chunk.data))
        except errors.LinkError as error:
            self._failure = LinkError(BAD_RESPONSE, error.reason, outcome_unknown=True)
        except LinkError as error:
            self._failure = error

    def _fill_trailers(self, trailers: httpx.Headers) -> None:
        self.trailers.update(trailers)
        self.trailers.encoding = trailers.encoding  # httpx has guessed one while there were none

    def _taken(self) -> Iterator[bytes]:
        opened, self._opened = self._opened, []
        yield from filter(None, opened)
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What the loss of the connection means: nothing any more, once the final segment has opened.
        Silence stays a time-out."""
        try:
            yield
        except httpx.TransportError as error:
            if isinstance(error, LinkError):
                raise
            if self._reader.is_complete:
                return
            if isinstance(error, httpx.TimeoutException):
                raise
            reason = str(error) or type(error).__name__
            raise LinkError(TRUNCATED, f"the connection broke: {reason}", outcome_unknown=True) from error

    def _end(self) -> None:
        try:
            self._reader.end()
        except errors.LinkError as error:
            raise LinkError(TRUNCATED, error.reason, outcome_unknown=True) from error


def blocking(outer: httpx.Response) -> Iterator[bytes]:
    """Its body, as it comes."""
    if not isinstance(outer.stream, httpx.SyncByteStream):
        raise RuntimeError(_ASYNC_BELOW_SYNC)
    return iter(outer.stream)


def on_asyncio(outer: httpx.Response) -> AsyncIterator[bytes]:
    """As `blocking`."""
    if not isinstance(outer.stream, httpx.AsyncByteStream):
        raise RuntimeError(_SYNC_BELOW_ASYNC)
    return aiter(outer.stream)
