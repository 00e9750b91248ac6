"""What goes out: DATA as far as the windows of the peer allow (RFC 9113, 5.2 and 6.9), the rest in queues."""

from __future__ import annotations

from collections.abc import Sequence

from extproc.message import Buffer
from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode
from extproc.server.wire.streams import Stream


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
        if self._window > frames.MAX_31_BITS:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window over 2^31 - 1")

    def headers(self, stream: Stream, block: bytes) -> None:
        """A response's head."""
        stream.has_begun = True
        self.out.append(frames.frame(frames.HEADERS, frames.END_HEADERS, stream.id, block))

    def data(self, stream: Stream, pieces: Sequence[Buffer], size: int) -> bool:
        """Some of a body, of `size` octets, now or later: whether all of it is out."""
        if stream.unsent or size > self.max_frame or size > stream.send_window or size > self._window:
            stream.queue += pieces
            stream.unsent += size
            return self.send(stream)
        self._frame(stream, size, pieces)
        return True

    def end(self, stream: Stream, trailers: bytes) -> bool:
        """The trailers of a response, behind all of its body: whether they are out."""
        stream.trailers = trailers
        return self.send(stream)

    def take(self) -> bytes:
        """All that is to go out now."""
        if not self.out:
            return b""
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
        while (size := min(stream.unsent, self.max_frame, stream.send_window, self._window)) > 0:
            self._frame(stream, size, _first(stream.queue, size))
            stream.unsent -= size
        if stream.unsent:
            self._waiting[stream.id] = stream
            return False
        self._waiting.pop(stream.id, None)
        if stream.trailers is not None:
            flags = frames.END_HEADERS | frames.END_STREAM
            self.out.append(frames.frame(frames.HEADERS, flags, stream.id, stream.trailers))
        return True

    def _frame(self, stream: Stream, size: int, pieces: Sequence[Buffer]) -> None:
        """DATA of `size` octets, which the windows allow."""
        self.out += (frames.header(size, frames.DATA, 0, stream.id), *pieces)
        self.unflushed += size
        self._window -= size
        stream.send_window -= size


def _first(queue: list[Buffer], size: int) -> list[Buffer]:
    """Take `size` octets out of a queue that has as many."""
    count = 0
    while count < len(queue) and size >= len(queue[count]):
        size -= len(queue[count])
        count += 1
    taken = queue[:count]
    del queue[:count]
    if size:
        rest = memoryview(queue[0])
        taken.append(rest[:size])
        queue[0] = rest[size:]
    return taken
