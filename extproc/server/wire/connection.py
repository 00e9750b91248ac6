"""The server's side of one HTTP/2 connection (RFC 9113): bytes in, events out, and bytes to send.

    connection = Connection(Limits())
    for event in connection.receive(data, now): ...
    connection.send_headers(1, block); connection.send_data(1, [body], len(body)); connection.end(1, trailers)
    transport.write(connection.take())

What the peer does wrong ends a stream (RST_STREAM) or all (GOAWAY): it is an event, and nothing is raised.
DATA that no window is open for waits, and `is_blocked` says so: whoever feeds a stream should then hold
back, and stop acknowledging what comes in on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from extproc.message import Buffer
from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.events import ConnectionEnded, Event
from extproc.server.wire.fields import MAX_LIST
from extproc.server.wire.frames import ErrorCode, Setting
from extproc.server.wire.reader import Reader
from extproc.server.wire.receiver import Receiver
from extproc.server.wire.state import Limits, State

__all__ = ["Connection", "Limits"]


class Connection:
    """See above. Streams that are gone are passed over in silence: their events say that they are.

    `take` gives what is to be sent now; of `sender` others need nothing but `unflushed`.
    """

    def __init__(self, limits: Limits) -> None:
        self.is_ended = False
        self._state = State(limits)
        self.sender = self._state.sender
        self.take = self.sender.take
        self._reader = Reader()
        self._receiver = Receiver(self._state)
        self.sender.out.append(_greeting(limits))

    @property
    def open_streams(self) -> int:
        return len(self._state.streams)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """What `data` makes happen. `now`: seconds, by a clock that does not jump."""
        events: list[Event] = []
        if self.is_ended:
            return events
        self._state.now = now
        try:
            for octets, start in self._reader.receive(data):
                whole = self._receiver.handle(octets, start, events)
                if whole < len(octets):
                    self._reader.rest = octets[whole:]
        except ConnectionFault as fault:
            self.is_ended = True
            self._state.go_away(fault.code, final=True)
            self._state.streams.clear()
            events.append(ConnectionEnded(fault.code, str(fault)))
        return events

    def send_headers(self, stream_id: int, block: bytes) -> None:
        """A response's head."""
        if (stream := self._state.streams.get(stream_id)) is not None:
            self.sender.headers(stream, block)

    def send_data(self, stream_id: int, pieces: Sequence[Buffer], size: int) -> bool:
        """`size` octets of its body, now or when a window is open for them: False when some of them wait."""
        stream = self._state.streams.get(stream_id)
        return stream is None or self.sender.data(stream, pieces, size)

    def end(self, stream_id: int, trailers: bytes) -> None:
        """The field block that ends it, behind all of its body."""
        stream = self._state.streams.get(stream_id)
        if stream is not None and self.sender.end(stream, trailers):
            self._state.close(stream)

    def discard(self, stream_id: int) -> None:
        """Forget what waits on the stream: it can end at once."""
        if (stream := self._state.streams.get(stream_id)) is not None:
            self.sender.discard(stream)

    def acknowledge(self, stream_id: int, octets: int) -> None:
        """What came in has been dealt with: as much more may come."""
        stream = self._state.streams.get(stream_id)
        window = self._state.limits.stream_window
        if stream is not None and (increment := stream.acknowledge(octets, window)):
            self.sender.out.append(frames.window_update(stream_id, increment))

    def go_away(self, *, final: bool) -> None:
        """Say that we are leaving (section 6.8). `final`: streams opened from here on are refused."""
        if not self.is_ended:
            self._state.go_away(ErrorCode.NO_ERROR, final=final)


def _greeting(limits: Limits) -> bytes:
    """Section 3.4."""
    values = (
        (Setting.MAX_CONCURRENT_STREAMS, limits.max_streams),
        (Setting.INITIAL_WINDOW_SIZE, limits.stream_window),
        (Setting.MAX_HEADER_LIST_SIZE, MAX_LIST),
    )
    increment = limits.connection_window - frames.DEFAULT_WINDOW
    return frames.settings(values) + frames.window_update(0, increment)
