"""Frames that any connection may carry (RFC 9113, sections 3 to 6), as transcripts: bytes in, frames out.

Invariant: what breaks the protocol ends the connection by GOAWAY with the code that the RFC names, and what
does not is answered, or passed over in silence.
"""

from __future__ import annotations

import pytest

from extproc.server.wire.connection import Connection, Limits
from extproc.server.wire.events import ConnectionEnded, RequestReceived, StreamReset
from tests.wire import peer
from tests.wire.peer import PREFACE, REQUEST, Peer, block, data, frame, headers, padded, request, settings

FIELDS = tuple((name.encode(), value.encode()) for name, value in REQUEST)
BLOCK = block(*REQUEST)


def test_it_speaks_first() -> None:
    """Section 3.4: SETTINGS, and what section 6.9.2 leaves to WINDOW_UPDATE."""
    greeting = Connection(Limits(max_streams=7, stream_window=70_000, connection_window=100_000)).take()
    first, second = peer.cut(greeting)
    assert first == settings(
        {peer.MAX_CONCURRENT_STREAMS: 7, peer.INITIAL_WINDOW_SIZE: 70_000, peer.MAX_HEADER_LIST_SIZE: 65_536}
    )
    assert peer.shown(second) == ["WINDOW_UPDATE 0 +34465"]


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n\r\n", PREFACE[:10] + b"!", b"\x16\x03\x01"])
def test_what_is_not_the_preface_ends_it(opening: bytes) -> None:
    """Section 3.4."""
    connection = Connection(Limits())
    connection.take()
    (ended,) = connection.receive(opening, 0.0)
    assert isinstance(ended, ConnectionEnded)
    assert peer.shown(connection.take()) == ["GOAWAY 0 PROTOCOL_ERROR"]


@pytest.mark.parametrize("first", [request(1), frame("PING", 0, bytes(8)), frame("SETTINGS", 0, b"", "ACK")])
def test_settings_come_first(first: bytes) -> None:
    """Section 3.4."""
    connection = Connection(Limits())
    connection.take()
    connection.receive(PREFACE + first, 0.0)
    assert peer.shown(connection.take()) == ["GOAWAY 0 PROTOCOL_ERROR"]


ENDS = {
    "4.2: a frame over 16,384 octets": (frame("DATA", 1, bytes(16_385)), "FRAME_SIZE_ERROR"),
    "4.3: a frame amid a field block": (
        frame("HEADERS", 1, BLOCK[:4]) + frame("PING", 0, bytes(8)),
        "PROTOCOL_ERROR",
    ),
    "4.3: a frame of no known type amid a field block": (
        frame("HEADERS", 1, BLOCK[:4]) + frame(0x42, 1),
        "PROTOCOL_ERROR",
    ),
    "4.3: a block that does not decode": (headers(1, b"\xff\xff\xff"), "COMPRESSION_ERROR"),
    "4.3: an index of nothing": (headers(1, b"\xfe"), "COMPRESSION_ERROR"),
    "4.3.1: a table over what was allowed": (headers(1, b"\x3f\xe2\x1f" + BLOCK), "COMPRESSION_ERROR"),
    "5.1: DATA of an idle stream": (data(1, b""), "PROTOCOL_ERROR"),
    "5.1: WINDOW_UPDATE of an idle stream": (peer.window_update(1, 1), "PROTOCOL_ERROR"),
    "5.1: RST_STREAM of an idle stream": (peer.rst_stream(1, "CANCEL"), "PROTOCOL_ERROR"),
    "5.1.1: an even stream": (request(2), "PROTOCOL_ERROR"),
    "6.1: DATA of the connection": (data(0, b""), "PROTOCOL_ERROR"),
    "6.1: no room for the pad length": (request(1) + data(1, b"", "PADDED"), "FRAME_SIZE_ERROR"),
    "6.1: padding as long as the payload": (request(1) + data(1, b"\x01", "PADDED"), "PROTOCOL_ERROR"),
    "6.2: HEADERS of the connection": (request(0), "PROTOCOL_ERROR"),
    "6.2: no room for the priority": (headers(1, bytes(4), "PRIORITY"), "FRAME_SIZE_ERROR"),
    "6.2: padding over the field block": (headers(1, padded(b"", 5)[:-1], "PADDED"), "PROTOCOL_ERROR"),
    "6.2: padding that covers the priority": (
        headers(1, padded(bytes(4), 1), "PADDED", "PRIORITY"),
        "PROTOCOL_ERROR",
    ),
    "6.3: PRIORITY of the connection": (frame("PRIORITY", 0, bytes(5)), "PROTOCOL_ERROR"),
    "6.3: PRIORITY of another length": (frame("PRIORITY", 1, bytes(4)), "FRAME_SIZE_ERROR"),
    "6.4: RST_STREAM of the connection": (peer.rst_stream(0, "CANCEL"), "PROTOCOL_ERROR"),
    "6.4: RST_STREAM of another length": (request(1) + frame("RST_STREAM", 1, bytes(3)), "FRAME_SIZE_ERROR"),
    "6.5: SETTINGS of a stream": (frame("SETTINGS", 1), "PROTOCOL_ERROR"),
    "6.5: SETTINGS cut off": (frame("SETTINGS", 0, bytes(5)), "FRAME_SIZE_ERROR"),
    "6.5: an acknowledgment with values": (frame("SETTINGS", 0, bytes(6), "ACK"), "FRAME_SIZE_ERROR"),
    "6.5.2: ENABLE_PUSH of 2": (settings({peer.ENABLE_PUSH: 2}), "PROTOCOL_ERROR"),
    "6.5.2: a window of 2^31": (settings({peer.INITIAL_WINDOW_SIZE: 2**31}), "FLOW_CONTROL_ERROR"),
    "6.5.2: frames under 2^14": (settings({peer.MAX_FRAME_SIZE: 2**14 - 1}), "PROTOCOL_ERROR"),
    "6.5.2: frames over 2^24 - 1": (settings({peer.MAX_FRAME_SIZE: 2**24}), "PROTOCOL_ERROR"),
    "6.6, 8.4: PUSH_PROMISE of a client": (frame("PUSH_PROMISE", 1, bytes(4)), "PROTOCOL_ERROR"),
    "6.7: PING of a stream": (frame("PING", 1, bytes(8)), "PROTOCOL_ERROR"),
    "6.7: PING of another length": (frame("PING", 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "6.8: GOAWAY of a stream": (frame("GOAWAY", 1, bytes(8)), "PROTOCOL_ERROR"),
    "6.8: GOAWAY cut off": (frame("GOAWAY", 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "6.9: WINDOW_UPDATE of another length": (frame("WINDOW_UPDATE", 0, bytes(5)), "FRAME_SIZE_ERROR"),
    "6.9: the connection's window by 0": (peer.window_update(0, 0), "PROTOCOL_ERROR"),
    "6.9.1: the connection's window over 2^31 - 1": (
        peer.window_update(0, 2**31 - 2**16) + peer.window_update(0, 1),
        "FLOW_CONTROL_ERROR",
    ),
    "6.9.2: SETTINGS that take a stream's window over 2^31 - 1": (
        request(1) + peer.window_update(1, 2**31 - 2**16) + settings({peer.INITIAL_WINDOW_SIZE: 2**16}),
        "FLOW_CONTROL_ERROR",
    ),
    "6.10: CONTINUATION of nothing": (frame("CONTINUATION", 1, BLOCK, "END_HEADERS"), "PROTOCOL_ERROR"),
    "6.10: CONTINUATION of another stream": (
        frame("HEADERS", 1, BLOCK[:4]) + frame("CONTINUATION", 3, BLOCK[4:], "END_HEADERS"),
        "PROTOCOL_ERROR",
    ),
    "6.10: CONTINUATION after the end": (
        request(1) + frame("CONTINUATION", 1, b"", "END_HEADERS"),
        "PROTOCOL_ERROR",
    ),
}


@pytest.mark.parametrize(("sent", "code"), ENDS.values(), ids=ENDS)
def test_a_frame_that_ends_the_connection(sent: bytes, code: str) -> None:
    client = Peer()
    ended = client.send(sent)[-1]
    assert isinstance(ended, ConnectionEnded)
    assert ended.code.name == code
    last = "1" if sent.startswith(request(1)) else "0"
    assert client.answers()[-1] == f"GOAWAY {last} {code}"


PASSED_OVER = {
    "5.5: a type that is not known": frame(0x42, 1, b"whatever", "PADDED"),
    "5.5: flags that are not known": settings()[:4] + b"\xfe" + bytes(4),
    "4.1: the reserved bit": frame("PRIORITY", 2**31 + 1, bytes(5)),
    "6.3: PRIORITY of an idle stream": frame("PRIORITY", 9, bytes(5)),
    "6.3: PRIORITY of a stream on itself": frame("PRIORITY", 9, peer.word(9) + b"\x10"),
    "6.5: an acknowledgment": frame("SETTINGS", 0, b"", "ACK"),
    "6.7: an acknowledgment of a PING": frame("PING", 0, bytes(8), "ACK"),
    "6.8: GOAWAY": frame("GOAWAY", 0, bytes(8) + b"debug data"),
    "6.9: the connection's window": peer.window_update(0, 1),
    "6.9: the reserved bit": peer.window_update(0, 2**31 + 1),
}


@pytest.mark.parametrize("sent", PASSED_OVER.values(), ids=PASSED_OVER)
def test_a_frame_that_asks_for_nothing(sent: bytes) -> None:
    client = Peer()
    assert client.send(sent) == []
    assert [line for line in client.answers() if line != "SETTINGS ACK"] == []
    assert client.send(request(1, "END_STREAM")) == [RequestReceived(1, FIELDS, end_stream=True)]


def test_settings_are_acknowledged_one_by_one() -> None:
    """Section 6.5.3, and 6.5.2: what is not known is passed over."""
    assert Peer().gets(settings(), settings({0x99: 7, peer.HEADER_TABLE_SIZE: 0})) == ["SETTINGS ACK"] * 2


def test_a_ping_is_answered_with_its_octets() -> None:
    """Section 6.7."""
    client = Peer()
    client.send(frame("PING", 0, b"8 octets"))
    assert client.connection.take() == frame("PING", 0, b"8 octets", "ACK")


def test_padding_is_taken_away_and_counts() -> None:
    """Sections 6.1 and 6.2."""
    client = Peer()
    opened = client.send(headers(1, padded(bytes(5) + BLOCK, 9), "PADDED", "PRIORITY"))
    assert opened == [RequestReceived(1, FIELDS, end_stream=False)]
    assert client.send(data(1, padded(b"tea", 4), "PADDED", "END_STREAM")) == [(1, b"tea", 1 + 3 + 4, True)]


@pytest.mark.parametrize("first", [0, 1, len(BLOCK)])
def test_a_field_block_goes_on_in_continuation(first: int) -> None:
    """Section 6.10: it opens the stream when it is whole; END_STREAM is the word of HEADERS."""
    client = Peer()
    assert client.send(frame("HEADERS", 1, BLOCK[:first], "END_STREAM")) == []
    assert client.send(frame("CONTINUATION", 1, BLOCK[first:])) == []
    assert client.send(frame("CONTINUATION", 1, b"", "END_HEADERS")) == [
        RequestReceived(1, FIELDS, end_stream=True)
    ]


def test_a_stream_of_any_priority_is_the_same() -> None:
    """Section 5.3: deprecated; one that depends on itself is no error any longer."""
    client = Peer()
    depending = peer.word(1) + b"\x10" + BLOCK
    assert client.send(headers(1, depending, "PRIORITY")) == [RequestReceived(1, FIELDS, end_stream=False)]


def test_after_the_end_nothing_is_heard_or_said() -> None:
    """Section 5.4.1."""
    client = Peer()
    client.send(request(1), request(0))
    client.answers()
    client.answer(1, b"too late")
    client.connection.go_away(final=True)
    assert client.send(request(3)) == []
    assert client.answers() == []
    assert client.connection.is_ended
    assert client.connection.open_streams == 0


def test_a_reset_stream_ends_alone() -> None:
    """Sections 5.4.2 and 6.4."""
    client = Peer()
    client.send(request(1), request(3))
    assert client.send(peer.rst_stream(1, "CANCEL")) == [StreamReset(1, peer.CODES.index("CANCEL"))]
    assert client.send(peer.rst_stream(1, "CANCEL"), peer.window_update(1, 1)) == []
    assert client.send(data(3, b"tea")) == [(3, b"tea", 3, False)]
    assert client.answers() == []
