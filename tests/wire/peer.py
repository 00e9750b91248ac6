"""The client's end of a connection, for transcripts: frames by name, and what answers them by name.

It is written from RFC 9113 alone, so that it shares no mistake with what is under test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import hpack

from extproc.message import Buffer
from extproc.server.wire.connection import Connection, Limits
from extproc.server.wire.events import Event

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
KINDS: Final = (
    *("DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS"),
    *("PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"),
)
FLAGS: Final = {"END_STREAM": 1, "ACK": 1, "END_HEADERS": 4, "PADDED": 8, "PRIORITY": 0x20}
CODES: Final = (
    *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT"),
    *("STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR"),
    *("CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 4, 5, 6

REQUEST: Final = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/grpc.health.v1.Health/Check"),
    (":authority", "gw.example.com"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)


def word(value: int) -> bytes:
    return value.to_bytes(4, "big")


def frame(kind: str | int, stream_id: int, payload: bytes = b"", *flags: str) -> bytes:
    """Of any type, with whatever payload."""
    number = KINDS.index(kind) if isinstance(kind, str) else kind
    flag = sum({FLAGS[name] for name in flags})
    return len(payload).to_bytes(3, "big") + bytes([number, flag]) + word(stream_id) + payload


def data(stream_id: int, payload: bytes, *flags: str) -> bytes:
    return frame("DATA", stream_id, payload, *flags)


def headers(stream_id: int, block: bytes, *flags: str) -> bytes:
    """A whole field block in one frame."""
    return frame("HEADERS", stream_id, block, "END_HEADERS", *flags)


def padded(payload: bytes, length: int) -> bytes:
    return bytes([length]) + payload + bytes(length)


def settings(values: Mapping[int, int] | None = None) -> bytes:
    pairs = (values or {}).items()
    return frame("SETTINGS", 0, b"".join(name.to_bytes(2, "big") + word(value) for name, value in pairs))


def window_update(stream_id: int, increment: int) -> bytes:
    return frame("WINDOW_UPDATE", stream_id, word(increment))


def rst_stream(stream_id: int, code: str) -> bytes:
    return frame("RST_STREAM", stream_id, word(CODES.index(code)))


def block(*fields: tuple[str, str]) -> bytes:
    """A field block that leaves nothing in the dynamic table."""
    return hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields])


def request(stream_id: int, *flags: str, fields: tuple[tuple[str, str], ...] = ()) -> bytes:
    return headers(stream_id, block(*REQUEST, *fields), *flags)


def cut(stream: bytes) -> Iterator[bytes]:
    """The frames of a stream that has no preface, and at last what is less than one."""
    while stream:
        length = 9 + int.from_bytes(stream[:3], "big")
        yield stream[:length]
        stream = stream[length:]


def is_whole(each: bytes) -> bool:
    """Whether it is a frame, and not the beginning of one."""
    return len(each) >= 9 and len(each) == 9 + int.from_bytes(each[:3], "big")


def shown(sent: bytes) -> list[str]:
    """Frames, one line each."""
    return [_line(each) for each in cut(sent)]


def _line(each: bytes) -> str:
    kind, flags, payload = KINDS[each[3]], each[4], each[9:]
    stream_id = int.from_bytes(each[5:9], "big")
    words = [int.from_bytes(payload[at : at + 4], "big") for at in range(0, len(payload), 4)]
    match kind:
        case "GOAWAY":
            return f"GOAWAY {words[0]} {CODES[words[1]]}"
        case "RST_STREAM":
            return f"RST_STREAM {stream_id} {CODES[words[0]]}"
        case "WINDOW_UPDATE":
            return f"WINDOW_UPDATE {stream_id} +{words[0]}"
        case "SETTINGS" | "PING":
            return f"{kind} ACK" if flags & 1 else kind
    return f"{kind} {stream_id} {len(payload)}" + (" END_STREAM" if flags & 1 else "")


class Peer:
    """A client whose SETTINGS have been acknowledged. `limits`: the server's."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.connection = Connection(limits or Limits())
        self.now = 0.0
        self.send(PREFACE, settings())
        self.connection.take()

    def send(self, *sent: bytes) -> list[Event]:
        return self.connection.receive(b"".join(sent), self.now)

    def answer(self, stream_id: int, *pieces: Buffer) -> bool:
        """Have the server send some of a response's body."""
        return self.connection.send_data(stream_id, pieces, sum(map(len, pieces)))

    def answers(self) -> list[str]:
        """What has come back since the last time."""
        return shown(self.connection.take())

    def gets(self, *sent: bytes) -> list[str]:
        """Send, and what comes back."""
        self.send(*sent)
        return self.answers()


def received(reads: Iterable[bytes]) -> tuple[list[Event], bytes]:
    """What a new connection makes of these reads: its events, and all that it sends."""
    connection = Connection(Limits())
    events = [event for read in reads for event in connection.receive(read, 0.0)]
    return events, connection.take()


END: Final = block(("grpc-status", "0"))


def gets_a_request(limits: Limits | None = None, *flags: str) -> Peer:
    """A client that has sent one, on stream 1."""
    client = Peer(limits)
    client.send(request(1, *flags))
    return client
