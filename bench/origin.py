"""The upstream: as little as an HTTP/1.1 server can be, so that it is not what is measured.

    GET or POST /bytes?n=N&rate=R  N bytes of the content, at most R a second
    POST /sink?n=N&rate=R          reads the body, at most R bytes a second; JSON: received, their number;
                                   is_right, with n: whether they were the first N bytes of the content
    GET /events?n=N&every=S        N server-sent events, S seconds apart, each the clock when it was sent
    GET /status                    JSON: active, the requests under way; wrong, the bodies that were not right

Prints the port that it listens on. The clock is CLOCK_MONOTONIC, in ns: all processes of a machine share it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from bench import content
from bench.pace import Pace
from bench.wire import Event, Head, MessageReader

_READ: Final = 2**18
_LINGERS: Final = 1024  # connections that wait to be accepted


class Request:
    """One request, as far as it has been read."""

    def __init__(self, head: Head) -> None:
        url = urlsplit(head.line.split(" ")[1])
        query = dict(parse_qsl(url.query))
        self.path = url.path
        self.size = int(query.get("n", 0))
        self.every_s = float(query.get("every", 0))
        self.pace = Pace(int(query.get("rate", 0)))
        self.received = 0
        self._hash = hashlib.sha256()

    def take(self, data: bytes) -> None:
        self.received += len(data)
        if self.size:
            self._hash.update(data)

    def is_right(self) -> bool:
        return (self.received, self._hash.hexdigest()) == (self.size, content.digest(self.size))


@dataclass
class Counts:
    """What is told as /status."""

    active: set[Connection] = field(default_factory=set)
    wrong: int = 0


class Connection:
    """Serves one connection to its end. That the peer goes is no error."""

    def __init__(self, peer: socket.socket, counts: Counts) -> None:
        self._peer = peer
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._request: Request | None = None

    async def serve(self) -> None:
        reader = MessageReader()
        try:
            with self._peer, contextlib.suppress(ConnectionError):
                while data := await self._loop.sock_recv(self._peer, _READ):
                    for event in reader.receive(data):
                        await self._take(event)
        finally:
            self._counts.active.discard(self)

    async def _take(self, event: Event) -> None:
        if isinstance(event, Head):
            self._request = Request(event)
            if self._request.path != "/status":
                self._counts.active.add(self)
        elif self._request is None:
            raise ValueError("a body before its head")
        elif isinstance(event, bytes):
            self._request.take(event)
            await _keep(self._request.pace, len(event))
        else:
            await self._answer(self._request)
            self._counts.active.discard(self)

    async def _answer(self, request: Request) -> None:
        match request.path:
            case "/bytes":
                await self._send_content(request)
            case "/events":
                await self._send_events(request)
            case "/sink":
                await self._send_json(self._received(request))
            case _:
                await self._send_json({"active": len(self._counts.active), "wrong": self._counts.wrong})

    def _received(self, request: Request) -> dict[str, int]:
        if not request.size:
            return {"received": request.received}
        is_right = request.is_right()
        self._counts.wrong += not is_right
        return {"received": request.received, "is_right": is_right}

    async def _send_content(self, request: Request) -> None:
        head = _head("application/octet-stream", f"content-length: {request.size}")
        for piece in content.pieces(request.size):
            await self._send(head + piece)
            head = b""
            await _keep(request.pace, len(piece))

    async def _send_events(self, request: Request) -> None:
        await self._send(_head("text/event-stream", "transfer-encoding: chunked"))
        for _ in range(request.size):
            await asyncio.sleep(request.every_s)
            event = b"data: %d\n\n" % time.monotonic_ns()
            await self._send(b"%x\r\n%b\r\n" % (len(event), event))
        await self._send(b"0\r\n\r\n")

    async def _send_json(self, value: dict[str, int]) -> None:
        body = json.dumps(value).encode()
        await self._send(_head("application/json", f"content-length: {len(body)}") + body)

    async def _send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._peer, data)


async def _keep(pace: Pace, size: int) -> None:
    if delay_s := pace.delay_s(size):
        await asyncio.sleep(delay_s)


def _head(media_type: str, framing: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n{framing}\r\n\r\n".encode()


async def main() -> None:
    """Serve for good."""
    loop, counts = asyncio.get_running_loop(), Counts()
    serving: set[asyncio.Task[None]] = set()
    with socket.create_server(("127.0.0.1", 0), backlog=_LINGERS) as listener:
        listener.setblocking(False)
        print(listener.getsockname()[1], flush=True)
        while True:
            peer, _ = await loop.sock_accept(listener)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            task = asyncio.create_task(Connection(peer, counts).serve())
            serving.add(task)
            task.add_done_callback(serving.discard)


if __name__ == "__main__":
    asyncio.run(main())
