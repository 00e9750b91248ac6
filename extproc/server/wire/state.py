"""What a connection knows: its streams, its windows, its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode
from extproc.server.wire.rate import Rate
from extproc.server.wire.sending import Sender
from extproc.server.wire.streams import Stream

_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What the peer may ask of us."""

    max_streams: int = 1024  # at once
    stream_window: int = 2**20  # octets, 65,535 or more
    connection_window: int = 2**24  # octets, above 65,535
    max_cheap: int = 50_000  # frames that cost us more than the peer, in `cheap_within_s`
    cheap_within_s: float = 10.0


class State:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.now = 0.0
        self.streams: dict[int, Stream] = {}
        self.sender = Sender()
        self.last_id = 0
        self.goaway_id = frames.MAX_31_BITS
        self.peer_window = frames.DEFAULT_WINDOW  # with which streams begin
        self.received = 0  # octets of DATA since the connection's window was opened again
        self.step = (limits.connection_window + 1) // 2  # of them, at which it is
        self._reset: dict[int, None] = {}  # by us: the peer may not have heard yet
        self._cheap = Rate(limits.max_cheap, limits.cheap_within_s)

    def close(self, stream: Stream) -> None:
        """The response has ended. A request that has not is of no more use (section 8.1)."""
        if stream.is_remote_open:
            self.reset(stream.id, ErrorCode.NO_ERROR)
        else:
            del self.streams[stream.id]

    def drop(self, stream_id: int) -> None:
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self.sender.forget(stream)

    def reset(self, stream_id: int, code: int) -> None:
        """Give a stream up: what still comes in on it is passed over."""
        self.drop(stream_id)
        self._reset[stream_id] = None
        if len(self._reset) > _REMEMBERED:
            del self._reset[next(iter(self._reset))]
        self.sender.out.append(frames.rst_stream(stream_id, code))

    def refuse(self, stream_id: int, code: int) -> None:
        """Reset a stream for what the peer did wrong. Raises ConnectionFault when it does so all the time."""
        self.count_cheap()
        self.reset(stream_id, code)

    def count_cheap(self) -> None:
        """A frame that costs us more than the peer (section 10.5; CVE-2023-44487, CVE-2019-9512, -9515 and
        -9518). Raises ConnectionFault when there are too many."""
        if self._cheap.is_exceeded(self.now):
            raise ConnectionFault(
                ErrorCode.ENHANCE_YOUR_CALM, "too many resets, pings, settings or empty DATA"
            )

    def go_away(self, code: ErrorCode, *, final: bool) -> None:
        """Section 6.8. `final`: streams above the last one are not acted on; that never grows again."""
        if final:
            self.goaway_id = min(self.goaway_id, self.last_id)
        self.sender.out.append(frames.goaway(self.goaway_id, code))

    def open_window(self) -> None:
        """The connection's, by what has come in: a stream's own holds back, and one stream that waits does
        not hold up the others."""
        self.sender.out.append(frames.window_update(0, self.received))
        self.received = 0

    def check_not_idle(self, stream_id: int) -> None:
        """Section 5.1. Raises ConnectionFault."""
        if stream_id > self.last_id or stream_id % 2 == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame on an idle stream")

    def pass_over(self, stream_id: int) -> None:
        """DATA or HEADERS of a stream that is gone. Raises ConnectionFault unless the peer can't know."""
        self.check_not_idle(stream_id)
        if stream_id not in self._reset:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "a frame on a closed stream")
