"""The upstream: as little as an HTTP/1.1 server can be, so that it is not what is measured.

    GET or POST /bytes?n=N&rate=R  N bytes of the content, at most R a second
    GET or POST /visits?n=N        the same, and the cookie `visits`: one more than the one that came
    POST /sink?n=N&rate=R          reads the body, at most R bytes a second; JSON: received, their number;
                                   is_right, with n: whether they were the first N bytes of the content
    GET /events?n=N&every=S        N server-sent events, S seconds apart, each the clock when it was sent
    GET /status                    JSON: active, the requests under way; asked, those that have come whole;
                                   wrong, the bodies that were not right. Itself it does not count

Prints the port that it listens on. The clock is CLOCK_MONOTONIC, in ns: all processes of a machine share it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

from bench import content, loop
from bench.pace import Pace
from bench.wire import Event, Head, MessageReader

_AT_ONCE: Final = 2**20  # bytes of an answer that is sent in one piece, and made once
_BUFFERED: Final = 2**18  # of what is sent piece by piece
_LINGERS: Final = 1024  # connections that wait to be accepted


class Asked(NamedTuple):
    """A request target."""

    path: str
    size: int
    every_s: float
    rate: int


@lru_cache
def read_target(line: str) -> Asked:
    """That of a request line."""
    url = urlsplit(line.split(" ")[1])
    query = dict(parse_qsl(url.query))
    return Asked(url.path, int(query.get("n", 0)), float(query.get("every", 0)), int(query.get("rate", 0)))


@lru_cache
def whole_answer(size: int, more: str = "") -> bytes:
    """`size` bytes of the content, and `more` in the head."""
    head = _head("application/octet-stream", f"content-length: {size}{more}")
    return b"".join((head, *content.pieces(size)))


class Sink:
    """The body of an upload, as far as it has come."""

    def __init__(self, asked: Asked) -> None:
        self.pace = Pace(asked.rate)
        self._size = asked.size
        self._received = 0
        self._hash = hashlib.sha256()

    def take(self, data: bytes) -> float:
        """Seconds to wait before the next bytes."""
        self._received += len(data)
        if self._size:
            self._hash.update(data)
        return self.pace.delay_s(len(data))

    def found(self) -> dict[str, int]:
        if not self._size:
            return {"received": self._received}
        right = (self._size, content.digest(self._size))
        return {
            "received": self._received,
            "is_right": (self._received, self._hash.hexdigest()) == right,
        }


@dataclass
class Counts:
    """What is told as /status."""

    active: set[Connection] = field(default_factory=set)
    wrong: int = 0
    asked: int = 0

    def told(self) -> dict[str, int]:
        return {"active": len(self.active), "wrong": self.wrong, "asked": self.asked}


class Connection(asyncio.Protocol):
    """Serves one connection, a request at a time: nobody here sends the next before the answer."""

    _transport: asyncio.Transport

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._reader = MessageReader()
        self._head, self._asked = Head(), Asked("", 0, 0, 0)
        self._sink: Sink | None = None
        self._has_room = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
        self._transport.set_write_buffer_limits(_BUFFERED)
        self._has_room.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        """That the peer goes is no error."""
        self._counts.active.discard(self)
        for under_way in (self._sending, self._resting):
            if under_way is not None:
                under_way.cancel()

    def pause_writing(self) -> None:
        self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()

    def data_received(self, data: bytes) -> None:
        for event in self._reader.receive(data):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, bytes):
            if self._sink is not None and (delay_s := self._sink.take(event)):
                self._rest(delay_s)
        elif isinstance(event, Head):
            self._begin(event)
        else:
            self._answer()

    def _begin(self, head: Head) -> None:
        self._head, self._asked = head, read_target(head.line)
        self._sink = Sink(self._asked) if self._asked.path == "/sink" else None
        if self._asked.path != "/status":
            self._counts.active.add(self)

    def _rest(self, delay_s: float) -> None:
        """Read nothing for so long."""
        if self._resting is not None:
            self._resting.cancel()
        self._transport.pause_reading()
        self._resting = asyncio.get_running_loop().call_later(delay_s, self._transport.resume_reading)

    def _answer(self) -> None:
        asked = self._asked
        self._counts.asked += asked.path != "/status"
        match asked.path:
            case "/bytes" if asked.size <= _AT_ONCE and not asked.rate:
                self._end(whole_answer(asked.size))
            case "/bytes":
                self._sending = asyncio.create_task(self._send_content(asked))
            case "/visits":
                self._end(whole_answer(asked.size, f"\r\nset-cookie: visits={self._visits()}; Path=/"))
            case "/events":
                self._sending = asyncio.create_task(self._send_events(asked))
            case "/sink" if self._sink is not None:
                self._sending = asyncio.create_task(self._send_found(self._sink))
            case _:
                self._end(_json(self._counts.told()))

    def _visits(self) -> int:
        _, _, last = (self._head.get(b"cookie") or b"").partition(b"visits=")
        return int(last or 0) + 1

    async def _send_content(self, asked: Asked) -> None:
        pace = Pace(asked.rate)
        self._transport.write(_head("application/octet-stream", f"content-length: {asked.size}"))
        for piece in content.pieces(asked.size):
            await self._has_room.wait()
            self._transport.write(piece)
            if delay_s := pace.delay_s(len(piece)):
                await asyncio.sleep(delay_s)
        await self._has_room.wait()
        self._end(b"")

    async def _send_events(self, asked: Asked) -> None:
        self._transport.write(_head("text/event-stream", "transfer-encoding: chunked"))
        for _ in range(asked.size):
            await asyncio.sleep(asked.every_s)
            event = b"data: %d\n\n" % time.monotonic_ns()
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self._end(b"0\r\n\r\n")

    async def _send_found(self, sink: Sink) -> None:
        await asyncio.sleep(sink.pace.delay_s(0))
        found = sink.found()
        self._counts.wrong += not found.get("is_right", True)
        self._end(_json(found))

    def _end(self, last: bytes) -> None:
        """Send what is left of the answer."""
        self._counts.active.discard(self)
        self._transport.write(last)


def _head(media_type: str, framing: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n{framing}\r\n\r\n".encode()


def _json(value: dict[str, int]) -> bytes:
    body = json.dumps(value).encode()
    return _head("application/json", f"content-length: {len(body)}") + body


async def main() -> None:
    """Serve for good."""
    counts = Counts()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(counts), "127.0.0.1", 0, backlog=_LINGERS
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    loop.run(main())
