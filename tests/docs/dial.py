"""Transports that reach every host at one loopback address over plain HTTP, as by a hosts file."""

from __future__ import annotations

import httpx


def _redirected(request: httpx.Request, address: httpx.URL) -> httpx.Request:
    url = request.url.copy_with(scheme="http", host=address.host, port=address.port)
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
    )


class Dial(httpx.BaseTransport):
    def __init__(self, address: str, below: httpx.BaseTransport) -> None:
        self._address, self._below = httpx.URL(address), below

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._below.handle_request(_redirected(request, self._address))

    def close(self) -> None:
        self._below.close()


class AsyncDial(httpx.AsyncBaseTransport):
    def __init__(self, address: str, below: httpx.AsyncBaseTransport) -> None:
        self._address, self._below = httpx.URL(address), below

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._below.handle_async_request(_redirected(request, self._address))

    async def aclose(self) -> None:
        await self._below.aclose()
