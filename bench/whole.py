"""`python -m bench.whole TASK`: whole exchanges, by a client that has sealed all of them beforehand.

It speaks the protocol as an SDK does (docs/protocol.md, section 6): a fresh nonce and exchange id each, and a
secret of its own for each connection. While the clock runs it only writes, reads and counts; every answer is
opened and looked at when the clock has stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench import content
from bench.figures import percentile
from bench.processes import read
from bench.target import Target
from bench.wire import End, Head, MessageReader
from extproc.link.directory import decode
from extproc.link.envelope import MEDIA_WHOLE, LinkSecret, ResponseOpener, seal_request
from extproc.link.keys import PublicKey
from extproc.link.pb import privatelink_pb2 as pb


@dataclass(frozen=True, slots=True)
class Task:
    """`exchanges` on each of `connections`, one after the other; `size` bytes of body each way."""

    target: Target
    connections: int
    exchanges: int
    size: int


@dataclass(slots=True)
class Turn:
    """One exchange: what is sent, and what came of it."""

    request: bytes
    opener: ResponseOpener
    began: float = 0.0
    latency_s: float = 0.0
    line: str = ""
    body: bytearray = field(default_factory=bytearray)


class Sealer:
    """Seals what one connection will send."""

    def __init__(self, task: Task, key: PublicKey) -> None:
        self._size = task.size
        self._host = urlsplit(task.target.link).netloc
        self._secret = LinkSecret.draw(key, os.urandom(32))
        self._binding = os.urandom(32)
        self._body = b"".join(content.pieces(task.size))

    def turn(self) -> Turn:
        sealed, opener = seal_request(self._secret, self._inner(), nonce=os.urandom(16))
        head = (
            f"POST /_link HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: {MEDIA_WHOLE}\r\n"
            f"content-length: {len(sealed)}\r\n\r\n"
        )
        return Turn(head.encode() + sealed, opener)

    def _inner(self) -> pb.InnerRequest:
        return pb.InnerRequest(
            method="POST",
            scheme="http",
            authority=self._host,
            path=f"/bytes?n={self._size}",
            headers=[pb.Header(name="content-type", value=b"application/octet-stream")],
            body=self._body,
            sent_at_ms=time.time_ns() // 1_000_000,
            exchange_id=os.urandom(16),
            accept_stream=True,
            cookie_binding=self._binding,
        )


class Connection(asyncio.Protocol):
    """Carries its turns one after the other, as fast as they are answered."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._turns = iter(turns)
        self._turn: Turn | None = None
        self._reader = MessageReader()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("Envoy hung up"))

    def start(self) -> None:
        """Send the next request, if there is one."""
        self._turn = next(self._turns, None)
        if self._turn is None or self._transport is None:
            self.done.set_result(None)
            return
        self._turn.began = time.perf_counter()
        self._transport.write(self._turn.request)

    def data_received(self, data: bytes) -> None:
        for event in self._reader.receive(data):
            turn = self._turn
            if turn is None:
                raise ValueError("an answer to nothing")
            match event:
                case Head(line):
                    turn.line = line
                case End():
                    turn.latency_s = time.perf_counter() - turn.began
                    self.start()
                case piece:
                    turn.body += piece


async def run(task: Task, turns: list[list[Turn]]) -> float:
    """Carry all turns, those of each connection by itself. Seconds, connecting apart."""
    connections = [await connected(task.target.link, own) for own in turns]
    began = time.perf_counter()
    for connection in connections:
        connection.start()
    await asyncio.gather(*(connection.done for connection in connections))
    return time.perf_counter() - began


async def connected(link: str, turns: list[Turn]) -> Connection:
    host, _, port = urlsplit(link).netloc.partition(":")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(turns), host, int(port))
    return connection


def check(turn: Turn, size: int) -> None:
    """Raises ValueError for an exchange that did not come off, LinkError for an answer that does not open."""
    if not turn.line.startswith("HTTP/1.1 200"):
        raise ValueError(f"answered outside the seal: {turn.line}")
    inner = turn.opener.open(bytes(turn.body))
    if (inner.fault, inner.status, len(inner.body)) != ("", 200, size):
        raise ValueError(f"answered with {inner.fault or inner.status} and {len(inner.body)} bytes")


def measure(task: Task) -> dict[str, Any]:
    directory = decode(httpx.get(f"{task.target.link}/_link/keys").content)
    sealers = [Sealer(task, directory.keys[0].key) for _ in range(task.connections)]
    turns = [[sealer.turn() for _ in range(task.exchanges)] for sealer in sealers]
    seconds = asyncio.run(run(task, turns))
    carried = [turn for own in turns for turn in own]
    for turn in carried:
        check(turn, task.size)
    latencies_ms = [turn.latency_s * 1000 for turn in carried]
    return {
        "exchanges_per_s": len(carried) / seconds,
        "p50_ms": percentile(latencies_ms, 50),
        "p99_ms": percentile(latencies_ms, 99),
    }


def main(argument: str) -> None:
    print(json.dumps(measure(read(Task, argument))))


if __name__ == "__main__":
    main(sys.argv[1])
