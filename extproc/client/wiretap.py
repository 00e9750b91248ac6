"""A look at the wire, for who wants to see the outer layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx


class Wiretap(httpx.BaseTransport):
    """Give it to LinkTransport as its `transport`: it passes outer requests on to `below`.

    `sent` is called with each outer request, `received` with each answer, as it closes, and the bytes of its
    body that were read.
    """

    def __init__(
        self,
        below: httpx.BaseTransport,
        *,
        sent: Callable[[httpx.Request], None],
        received: Callable[[httpx.Response, int], None],
    ) -> None:
        self._below = below
        self._sent = sent
        self._received = received

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._sent(request)
        response = self._below.handle_request(request)
        response.stream = _Counted(response, self._received)
        return response

    def close(self) -> None:
        self._below.close()


class _Counted(httpx.SyncByteStream):
    """A response's own stream, which tells at its end how long it was."""

    def __init__(self, response: httpx.Response, closed: Callable[[httpx.Response, int], None]) -> None:
        if not isinstance(response.stream, httpx.SyncByteStream):
            raise RuntimeError("an async transport below a sync one")
        self._response, self._stream, self._closed = response, response.stream, closed
        self._length = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._length += len(chunk)
            yield chunk

    def close(self) -> None:
        self._stream.close()
        self._closed(self._response, self._length)
