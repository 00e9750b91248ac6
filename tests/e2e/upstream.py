"""A real HTTP/1.1 upstream (on h11) that does what a path asks, and remembers what it got."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import h11

from tests.e2e.arrival import Arrival, CutError, Seen, next_event
from tests.e2e.by_hand import PATH, ByHand

__all__ = ["Seen", "Upstream"]

_SET_COOKIES = [
    ("set-cookie", "sid=s1; Path=/"),
    ("set-cookie", "sid=s2; Path=/account; HttpOnly"),
    ("set-cookie", "theme=dark; Path=/account/settings"),
    ("set-cookie", "wide=w; Domain=example.com; Path=/"),
    ("set-cookie", "here=h; Domain=shop.example.com; Path=/account"),
]

_PATIENCE_S = 10
_WITH_TRAILERS = [
    h11.Response(status_code=200, headers=[("transfer-encoding", "chunked")]),
    h11.Data(data=b"with trailers"),
    h11.EndOfMessage(headers=[("x-checksum", "abc"), ("x-secret", "trailer")]),
]


class Upstream:
    """Serves on a loopback port from a thread of its own.

    /status/N answers N; /echo tells what came; /cookies?more=N sets five and N; /trailers sends trailers;
    /bytes?n=N sends N bytes; /sleep?s=S answers late; what is below /by-hand/ a test answers, which has
    `by_hand` with the same target; anything else is 200 with a short text.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []  # what has come whole
        self.begun: list[Seen] = []  # and what has not, or not yet
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._hands: dict[str, asyncio.Future[ByHand]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def last(self) -> Seen:
        return self.seen[-1]

    async def by_hand(self, target: str) -> ByHand:
        """The request with this target, below /by-hand/, once its head has come."""

        async def come() -> ByHand:
            return await asyncio.wait_for(self._hand(target), _PATIENCE_S)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(come(), self._loop))

    def call(self, function: Callable[[], Any]) -> Any:
        """Run `function` in the server's loop."""
        future: Future[Any] = Future()
        self._loop.call_soon_threadsafe(lambda: future.set_result(function()))
        return future.result(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        serving = asyncio.all_tasks(self._loop)
        for task in serving:
            task.cancel()
        self._loop.run_until_complete(asyncio.wait(serving) if serving else asyncio.sleep(0))
        self._loop.run_until_complete(asyncio.sleep(0.01))  # for their connections to close

    def _hand(self, target: str) -> asyncio.Future[ByHand]:
        return self._hands.setdefault(target, self._loop.create_future())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        writer.transport.set_write_buffer_limits(high=0)
        try:
            while isinstance(head := await next_event(connection, reader), h11.Request):
                await self._serve_one(Arrival(head, connection, reader, writer))
                connection.start_next_cycle()
        except (CutError, h11.ProtocolError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, arrival: Arrival) -> None:
        seen = arrival.seen
        self.begun.append(seen)
        if seen.target.startswith(PATH):
            hand = ByHand(arrival)
            self._hand(seen.target).set_result(hand)
            await hand.over.wait()
            await arrival.read_all()
            return
        seen.body = await arrival.read_all()
        self.seen.append(seen)
        await arrival.send(*await _answer(seen))


async def _answer(seen: Seen) -> list[Any]:
    url = urlsplit(seen.target)
    query = dict(parse_qsl(url.query))
    answer = _response(200, b"hello from the upstream")
    if url.path.startswith("/status/"):
        answer = _response(int(url.path.rpartition("/")[2]), b"status", location="/elsewhere")
    match url.path:
        case "/echo":
            about = {"method": seen.method, "target": seen.target, "headers": seen.headers}
            body = json.dumps({**about, "body": seen.body.decode("latin-1")}).encode()
            return _response(200, body, content_type="application/json")
        case "/cookies":
            more = [("set-cookie", f"more-{number}=1") for number in range(int(query.get("more", 0)))]
            return _response(200, b"ok", *_SET_COOKIES, *more)
        case "/bytes":
            answer = _response(200, bytes(int(query["n"])))
        case "/partial":
            answer = _response(206, b"bcd", content_range="bytes 1-3/9")
        case "/trailers":
            answer = _WITH_TRAILERS
        case "/trailers/alone":
            answer = [_WITH_TRAILERS[0], _WITH_TRAILERS[2]]
        case "/sleep":
            await asyncio.sleep(float(query["s"]))
    return answer


def _response(status: int, body: bytes, *headers: tuple[str, str], **named: str) -> list[Any]:
    fields = [*headers, *((name.replace("_", "-"), value) for name, value in named.items())]
    if status not in {204, 304}:
        fields.append(("content-length", str(len(body))))
    head = h11.Response(status_code=status, headers=[*fields, ("x-upstream", "secret-header")])
    return (
        [head, h11.Data(data=body), h11.EndOfMessage()]
        if status not in {204, 304}
        else [head, h11.EndOfMessage()]
    )
