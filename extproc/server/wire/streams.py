"""A stream of a connection: its state, its windows, and what waits for them (RFC 9113, 5.1 and 5.2).

Of the states of section 5.1 `Stream` is open or half-closed; one that is neither is idle when its id is
above the last that was seen, and closed when it is not.
"""

from __future__ import annotations

from extproc.message import Buffer
from extproc.server.wire.errors import StreamFault
from extproc.server.wire.frames import MAX_31_BITS, ErrorCode


class Stream:
    """`send_window`, `receive_window`: octets of DATA that may still be sent, and received."""

    __slots__ = (
        "expected",
        "has_begun",
        "id",
        "is_remote_open",
        "queue",
        "receive_window",
        "send_window",
        "trailers",
        "unacknowledged",
        "unsent",
    )

    def __init__(
        self, stream_id: int, send_window: int, receive_window: int, expected: int | None = None
    ) -> None:
        self.id = stream_id
        self.send_window = send_window
        self.receive_window = receive_window
        self.unacknowledged = 0
        self.expected = expected  # octets of its body that are still to come, by content-length
        self.is_remote_open = True
        self.has_begun = False  # its response
        self.queue: list[Buffer] = []  # DATA that waits for a window
        self.unsent = 0  # octets of it
        self.trailers: bytes | None = None  # the field block that ends the stream, behind the queue

    def open_window(self, increment: int) -> None:
        """Section 6.9. Raises StreamFault."""
        self.send_window += increment
        if self.send_window > MAX_31_BITS:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "a window over 2^31 - 1")

    def take(self, flow_length: int, length: int, end_stream: bool) -> None:
        """DATA has come. Raises StreamFault."""
        if not self.is_remote_open:
            raise StreamFault(ErrorCode.STREAM_CLOSED, "DATA after the end of the request")
        self.receive_window -= flow_length
        if self.receive_window < 0:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        if self.expected is not None:
            self.expected -= length
            if self.expected < 0:
                raise StreamFault(ErrorCode.PROTOCOL_ERROR, "a body longer than content-length says")
        if end_stream:
            self.end()

    def end(self) -> None:
        """END_STREAM has come. Raises StreamFault."""
        self.is_remote_open = False
        if self.expected:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR, "a body shorter than content-length says")

    def acknowledge(self, octets: int, window: int) -> int:
        """What to grow the peer's window by, now that `octets` have been dealt with."""
        self.unacknowledged += octets
        if self.unacknowledged * 2 < window or not self.is_remote_open:
            return 0
        increment, self.unacknowledged = self.unacknowledged, 0
        self.receive_window += increment
        return increment
