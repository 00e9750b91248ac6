"""What a connection reports, stream by stream, in the order in which it came."""

from __future__ import annotations

from dataclasses import dataclass, field

from extproc.message import Buffer
from extproc.server.wire.fields import Fields
from extproc.server.wire.frames import ErrorCode


@dataclass(slots=True)
class RequestReceived:
    """A field section that opens a stream."""

    stream_id: int
    fields: Fields
    end_stream: bool


@dataclass(slots=True)
class DataReceived:
    """Some of a body. It is held against the stream's window until it is acknowledged."""

    stream_id: int
    data: Buffer = field(repr=False)
    flow_length: int  # octets of the window, padding too
    end_stream: bool


@dataclass(slots=True)
class TrailersReceived:
    """The field section that ends a request."""

    stream_id: int
    fields: Fields


@dataclass(slots=True)
class StreamReset:
    """The stream is gone, by the peer's RST_STREAM or by ours for what it did wrong."""

    stream_id: int
    code: int


@dataclass(slots=True)
class WindowOpened:
    """All that was queued on the stream has been sent: it may have more."""

    stream_id: int


@dataclass(slots=True)
class ConnectionEnded:
    """A connection error: GOAWAY is on its way, and nothing else follows."""

    code: ErrorCode
    reason: str


Event = RequestReceived | DataReceived | TrailersReceived | StreamReset | WindowOpened | ConnectionEnded
