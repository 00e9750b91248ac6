"""What a connection reports, stream by stream, in the order in which it came."""

from __future__ import annotations

from typing import NamedTuple

from extproc.server.wire.fields import Fields
from extproc.server.wire.frames import ErrorCode


class RequestReceived(NamedTuple):
    """A field section that opens a stream."""

    stream_id: int
    fields: Fields
    end_stream: bool


# Some of a body: stream id; octets; how many of the window, padding too; whether it ends the request. It is
# held against the stream's window until it is acknowledged. A plain tuple, since nearly all that comes is
# DATA: a NamedTuple costs eight times as much to make, and more to take apart.
DataReceived = tuple[int, bytes, int, bool]


class TrailersReceived(NamedTuple):
    """The field section that ends a request."""

    stream_id: int
    fields: Fields


class StreamReset(NamedTuple):
    """The stream is gone, by the peer's RST_STREAM or by ours for what it did wrong."""

    stream_id: int
    code: int


class WindowOpened(NamedTuple):
    """All that was queued on the stream has been sent: it may have more."""

    stream_id: int


class ConnectionEnded(NamedTuple):
    """A connection error: GOAWAY is on its way, and nothing else follows."""

    code: ErrorCode
    reason: str


Event = RequestReceived | DataReceived | TrailersReceived | StreamReset | WindowOpened | ConnectionEnded
