"""The two transports: each carries out the core's steps, one blocking, one on asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterable
from functools import partial
from typing import TypeVar, Unpack

import httpx

from extproc.client.exchange import exchange
from extproc.client.inflow import blocking, inflow_of, on_asyncio
from extproc.client.options import Options, configure
from extproc.client.session import Session
from extproc.client.steps import Alone, Answer, Close, ReadBody, Save, Send, Step, Steps, Wait
from extproc.client.world import World

T = TypeVar("T")


def _session(link: str, options: Options) -> Session:
    return Session(configure(link, options), options.get("world", World()))


class LinkTransport(httpx.BaseTransport):
    """Sends every request of an httpx.Client sealed over a link; nothing else of the client changes.

    >>> transport = LinkTransport("https://gw.example.com", roots=[ROOT])
    >>> with httpx.Client(transport=transport) as client:
    ...     response = client.get("https://shop.example.com/orders/7")
    >>> response.status_code, response.json()
    (200, {'order': 7})

    `link` is the gateway's origin; `options` are those of `Options`. `transport` carries the outer requests:
    give an httpx.HTTPTransport of your own for a proxy, client certificates or connection limits. Raises
    ValueError for options that make no sense, OSError for a cache file that can't be read.

    A request fails as with any transport, by httpx.TransportError. ConnectError, ConnectTimeout, PoolTimeout
    and ProxyError mean that it has not run; for LinkError see `outcome_unknown`; after every other it may
    have run. GET, HEAD and OPTIONS are sent once more by themselves when the transport fails, and so is what
    is marked by `extensions={"link": {"repeatable": True}}`; both have one exchange id, so that
    it does not run twice. Timeouts are those of each outer exchange; docs/python-sdk.md says what that makes
    of a call, and of a clock that is minutes fast.

    `response.extensions["trailers"]` has the trailers as httpx.Headers, `["link"]` the facts of the exchange:
    key_id, request_id, repeated, elapsed (seconds, up to the head).

    What is long or has no known length streams, both ways, within httpx's own interface: a generator or a
    file as `content`, `client.stream(...)` for the answer. Its trailers are there when its last byte is.
    A stream cut short raises LinkError("truncated"). A generator or a file is never sent again.
    """

    def __init__(
        self, link: str, *, transport: httpx.BaseTransport | None = None, **options: Unpack[Options]
    ) -> None:
        self._session = _session(link, options)
        self._transport = transport or httpx.HTTPTransport()
        self._alone = threading.Lock()

    @property
    def cookies(self) -> httpx.Cookies:
        """The link's own cookies, beside the client's: to forget a session, clear both."""
        return self._session.cookies

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._run(exchange(self._session, request))
        except httpx.TransportError as error:
            error.request = request
            raise

    def close(self) -> None:
        self._transport.close()

    def _run(self, steps: Steps[T]) -> T:
        proceed = partial(next, steps)
        while True:
            try:
                step = proceed()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                proceed = partial(steps.send, self._carry_out(step))
            except httpx.TransportError as error:
                proceed = partial(steps.throw, error)

    def _carry_out(self, step: Step) -> object:
        match step:
            case Send():
                return self._send(step)
            case Close(inflow):
                inflow.close()
            case ReadBody(stream, limit):
                if not isinstance(stream, httpx.SyncByteStream):
                    raise RuntimeError("an async request body in a sync client")
                return _read(stream, limit)
            case Wait(seconds):
                self._session.world.sleep(seconds)
            case Save(remembered):
                self._session.save(remembered)
            case Alone(steps):
                with self._alone:
                    return self._run(steps)
        return None

    def _send(self, step: Send) -> Answer:
        response = self._transport.handle_request(step.request)
        inflow = inflow_of(response, step.opener)
        try:
            if inflow is None:
                body = _read(blocking(response), step.limit)
                response.close()
                return Answer(response.status_code, response.headers, body)
            inflow.read_head()
            return Answer(response.status_code, response.headers, b"", inflow)
        except BaseException:
            response.close()
            raise


class AsyncLinkTransport(httpx.AsyncBaseTransport):
    """LinkTransport for httpx.AsyncClient, on asyncio.

    >>> async def order():
    ...     transport = AsyncLinkTransport("https://gw.example.com", roots=[ROOT])
    ...     async with httpx.AsyncClient(transport=transport) as client:
    ...         return await client.get("https://shop.example.com/orders/7")
    >>> asyncio.run(order()).json()
    {'order': 7}
    """

    def __init__(
        self, link: str, *, transport: httpx.AsyncBaseTransport | None = None, **options: Unpack[Options]
    ) -> None:
        self._session = _session(link, options)
        self._transport = transport or httpx.AsyncHTTPTransport()
        self._alone = asyncio.Lock()

    @property
    def cookies(self) -> httpx.Cookies:
        """As LinkTransport's."""
        return self._session.cookies

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._run(exchange(self._session, request))
        except httpx.TransportError as error:
            error.request = request
            raise

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        proceed = partial(next, steps)
        while True:
            try:
                step = proceed()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                proceed = partial(steps.send, await self._carry_out(step))
            except httpx.TransportError as error:
                proceed = partial(steps.throw, error)

    async def _carry_out(self, step: Step) -> object:
        match step:
            case Send():
                return await self._send(step)
            case Close(inflow):
                await inflow.aclose()
            case ReadBody(stream, limit):
                if not isinstance(stream, httpx.AsyncByteStream):
                    raise RuntimeError("a sync request body in an async client")
                return await _read_async(stream, limit)
            case Wait(seconds):
                await self._session.world.sleep_async(seconds)
            case Save(remembered):
                await asyncio.to_thread(self._session.save, remembered)
            case Alone(steps):
                async with self._alone:
                    return await self._run(steps)
        return None

    async def _send(self, step: Send) -> Answer:
        response = await self._transport.handle_async_request(step.request)
        inflow = inflow_of(response, step.opener)
        try:
            if inflow is None:
                body = await _read_async(on_asyncio(response), step.limit)
                await response.aclose()
                return Answer(response.status_code, response.headers, body)
            await inflow.read_head_async()
            return Answer(response.status_code, response.headers, b"", inflow)
        except BaseException:
            await response.aclose()
            raise


def _read(pieces: Iterable[bytes], limit: int) -> bytes:
    """All of it, or enough to see that it is more than `limit` bytes."""
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > limit:
            break
    return bytes(data)


async def _read_async(pieces: AsyncIterable[bytes], limit: int) -> bytes:
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > limit:
            break
    return bytes(data)
