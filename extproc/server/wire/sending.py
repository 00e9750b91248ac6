"""What goes out: DATA as far as the windows of the peer allow (RFC 9113, 5.2 and 6.9), the rest in queues."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from typing import Final

from extproc.message import Buffer
from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode
from extproc.server.wire.streams import Stream

_HEADER: Final = struct.Struct(">HBBBI")


class Sender:
    """The connection's send window, and the streams that wait for it or for their own."""

    def __init__(self) -> None:
        self.out: list[Buffer] = []
        self.unflushed = 0  # octets of DATA in it
        self.max_frame = frames.MIN_MAX_FRAME_SIZE  # the peer's
        self._window = frames.DEFAULT_WINDOW
        self._waiting: dict[int, Stream] = {}  # the longest first

    def open_window(self, increment: int) -> None:
        """Raises ConnectionFault."""
        self._window += increment
        if self._window > frames.MAX_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window over 2^31 - 1")

    def headers(self, stream: Stream, block: bytes) -> None:
        """A response's head."""
        self.out.append(frames.frame(frames.HEADERS, frames.END_HEADERS, stream.id, block))

    def data(self, stream: Stream, pieces: Iterable[Buffer]) -> None:
        """Some of a body, now or later."""
        stream.queue.extend(pieces)
        stream.unsent = sum(map(len, stream.queue))
        self.send(stream)

    def end(self, stream: Stream, trailers: bytes) -> bool:
        """The trailers of a response, behind all of its body: whether they are out."""
        stream.trailers = trailers
        return self.send(stream)

    def take(self) -> bytes:
        """All that is to go out now."""
        data = b"".join(self.out)
        self.out.clear()
        self.unflushed = 0
        return data

    def discard(self, stream: Stream) -> None:
        """What waits on the stream."""
        stream.queue.clear()
        stream.unsent = 0

    def forget(self, stream: Stream) -> None:
        """It is gone."""
        self._waiting.pop(stream.id, None)

    def send_waiting(self) -> list[Stream]:
        """Use windows that have grown: the streams that need not wait any longer."""
        if self._window <= 0:
            return []
        return [stream for stream in list(self._waiting.values()) if self.send(stream)]

    def send(self, stream: Stream) -> bool:
        """What waits on the stream, as far as the windows allow: whether all of it is out."""
        room = min(self._window, stream.send_window)
        while stream.unsent and room > 0:
            size = min(room, self.max_frame, stream.unsent)
            self.out.append(_HEADER.pack(size >> 8, size & 0xFF, frames.DATA, 0, stream.id))
            self._move(stream.queue, size)
            room -= size
            self._window -= size
            self.unflushed += size
            stream.send_window -= size
            stream.unsent -= size
        if stream.unsent:
            self._waiting[stream.id] = stream
            return False
        self._waiting.pop(stream.id, None)
        if stream.trailers is not None:
            flags = frames.END_HEADERS | frames.END_STREAM
            self.out.append(frames.frame(frames.HEADERS, flags, stream.id, stream.trailers))
        return True

    def _move(self, queue: deque[Buffer], size: int) -> None:
        """The first `size` octets of a queue."""
        while size:
            piece = queue.popleft()
            if len(piece) > size:
                rest = memoryview(piece)
                queue.appendleft(rest[size:])
                piece = rest[:size]
            self.out.append(piece)
            size -= len(piece)
