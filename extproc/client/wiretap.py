"""A look at the wire, for who wants to see the outer layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx


def _ignore(_: object, __: int) -> None:
    pass


class Wiretap(httpx.BaseTransport):
    """Give it to LinkTransport as its `transport`: it passes outer requests on to `below`.

    `sent` is called with each outer request before it leaves, whose body is not to be read; `uploaded` with
    the bytes of that body when all of it has left, or no more of it will; `received` with each answer as it
    closes, and the bytes of its body that were read.
    """

    def __init__(
        self,
        below: httpx.BaseTransport,
        *,
        sent: Callable[[httpx.Request], None],
        uploaded: Callable[[httpx.Request, int], None] = _ignore,
        received: Callable[[httpx.Response, int], None],
    ) -> None:
        self._below = below
        self._sent = sent
        self._uploaded = uploaded
        self._received = received

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._sent(request)
        upload = _Counted(request.stream)
        try:
            response = self._below.handle_request(
                httpx.Request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    stream=upload,
                    extensions=request.extensions,
                )
            )
        finally:
            self._uploaded(request, upload.length)
        response.stream = _Counted(response.stream, lambda length: self._received(response, length))
        return response

    def close(self) -> None:
        self._below.close()


class _Counted(httpx.SyncByteStream):
    """Another stream, which tells when it closes how many bytes have passed."""

    def __init__(
        self,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        closed: Callable[[int], None] = lambda _: None,
    ) -> None:
        if not isinstance(stream, httpx.SyncByteStream):
            raise RuntimeError("an async transport below a sync one")
        self._stream, self._closed = stream, closed
        self.length = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self.length += len(chunk)
            yield chunk

    def close(self) -> None:
        self._stream.close()
        self._closed(self.length)
