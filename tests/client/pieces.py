"""An outer body in pieces, as a transport reads them off the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import httpx

Piece = bytes | Exception


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An exception among them is raised in its place. `closed` counts how often it was closed."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = iter(pieces)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.close()


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Passes requests on to `handle`; `sent` hears of each piece of a body before the next is made."""

    def __init__(
        self, handle: Callable[[httpx.Request], httpx.Response], sent: Callable[[bytes], object]
    ) -> None:
        self._handle, self._sent = handle, sent

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        return self._passed_on(request, [self._heard(piece) for piece in request.stream])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        return self._passed_on(request, [self._heard(piece) async for piece in request.stream])

    def _heard(self, piece: bytes) -> bytes:
        self._sent(piece)
        return piece

    def _passed_on(self, request: httpx.Request, pieces: list[bytes]) -> httpx.Response:
        content = b"".join(pieces)
        return self._handle(
            httpx.Request(request.method, request.url, headers=request.headers, content=content)
        )
