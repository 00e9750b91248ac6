"""A tap on the line: it carries bytes between a client and a server, and keeps what passed."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

_CHUNK: Final = 2**16
_KEPT: Final = 2**16  # bytes of each direction of a turn
_UNREAD: Final = 4096  # pieces, before a watcher has lost the thread

Way = Literal["sent", "received"]


@dataclass
class Turn:
    """What the client sent, and what came back for it: with HTTP/1.1, one request and its response.

    The first 64 KiB of each are kept.
    """

    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    number: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` bytes that passed in a turn, and those of them that were kept."""

    turn: int
    way: Way
    size: int
    kept: bytes


class Tap:
    """Listens on a free port of loopback, and connects to `target` (host, port) for each client.

    `target` may be set later than `listening` begins, so that the tap's own address can be known first.
    `turns` holds the last ones, oldest first, for as long as `recording` is true.
    """

    def __init__(self) -> None:
        self.target: tuple[str, int] | None = None
        self.recording = True
        self.turns: deque[Turn] = deque(maxlen=64)
        self._begun = 0
        self._watchers: list[queue.Queue[Piece]] = []

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[tuple[str, int]]:
        """Serve for as long as the block runs; gives host and port. Connections end with it."""
        open_now: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._carry(reader, writer))
            open_now.add(task)
            task.add_done_callback(open_now.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield host, port
        finally:
            server.close()
            for task in open_now:
                task.cancel()
            await asyncio.gather(*open_now, return_exceptions=True)

    def watch(self, patience: float) -> Iterator[Piece | None]:
        """What passes from now on, while it is recorded, for a reader in another thread; None after
        `patience` seconds of silence. It ends when its reader has fallen thousands of pieces behind."""
        pieces: queue.Queue[Piece] = queue.Queue(_UNREAD)
        self._watchers.append(pieces)
        return self._watched(pieces, patience)

    def _watched(self, pieces: queue.Queue[Piece], patience: float) -> Iterator[Piece | None]:
        try:
            while not pieces.full():
                try:
                    yield pieces.get(timeout=patience)
                except queue.Empty:
                    yield None
        finally:
            self._watchers.remove(pieces)

    def begin(self) -> Turn:
        """A turn of its own, kept."""
        self._begun += 1
        turn = Turn(number=self._begun)
        self.turns.append(turn)
        return turn

    def passed(self, turn: Turn, way: Way, data: bytes) -> None:
        """`data` has passed."""
        record = turn.sent if way == "sent" else turn.received
        kept = data[: _KEPT - len(record)]
        record += kept
        for watcher in self._watchers:
            with contextlib.suppress(queue.Full):
                watcher.put_nowait(Piece(turn.number, way, len(data), kept))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            if self.target is None:
                return
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            turns = _Turns(self)
            with contextlib.closing(far_writer):
                await asyncio.gather(
                    _pump(reader, far_writer, turns.sent), _pump(far_reader, writer, turns.received)
                )


class _Turns:
    """Sorts one connection's bytes into turns."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._turn: Turn | None = None

    def sent(self, data: bytes) -> None:
        if not self._tap.recording:
            return
        if self._turn is None or self._turn.received:
            self._turn = self._tap.begin()
        self._tap.passed(self._turn, "sent", data)

    def received(self, data: bytes) -> None:
        if self._tap.recording and self._turn is not None:
            self._tap.passed(self._turn, "received", data)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: Callable[[bytes], None]
) -> None:
    while data := await reader.read(_CHUNK):
        record(data)
        writer.write(data)
        await writer.drain()
    writer.write_eof()
