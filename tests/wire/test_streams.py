"""The states of streams (RFC 9113, sections 5, 6.8 and 8.1), as transcripts.

Invariant: a stream is open, half-closed or gone, and what comes on one that is gone is no event.
"""

from __future__ import annotations

import pytest

from extproc.server.wire.connection import Limits
from extproc.server.wire.events import (
    ConnectionEnded,
    Event,
    RequestReceived,
    StreamReset,
    TrailersReceived,
)
from extproc.server.wire.frames import ErrorCode
from tests.wire import peer
from tests.wire.peer import (
    END,
    Peer,
    block,
    data,
    gets_a_request,
    headers,
    padded,
    request,
    window_update,
)


def code_of(events: list[Event]) -> str | None:
    """How the connection ended, if it did."""
    last = events[-1] if events else None
    return last.code.name if isinstance(last, ConnectionEnded) else None


# States (section 5.1).


def test_a_request_and_its_response() -> None:
    """Open, half-closed by the client, closed."""
    client = Peer()
    opened, some, last = client.send(request(1), data(1, b"tea"), data(1, b"", "END_STREAM"))
    assert isinstance(opened, RequestReceived)
    assert not opened.end_stream
    assert (some, last) == ((1, b"tea", 3, False), (1, b"", 0, True))
    client.connection.send_headers(1, b"head")
    client.answer(1, b"biscuits")
    assert client.connection.open_streams == 1
    client.connection.end(1, END)
    assert client.answers() == ["HEADERS 1 4", "DATA 1 8", f"HEADERS 1 {len(END)} END_STREAM"]
    assert client.connection.open_streams == 0


def test_trailers_end_a_request() -> None:
    client = gets_a_request()
    trailers = headers(1, block(("x-checksum", "7")), "END_STREAM")
    assert client.send(trailers) == [TrailersReceived(1, ((b"x-checksum", b"7"),))]
    client.connection.end(1, END)
    assert client.connection.open_streams == 0


def test_an_early_response_resets_what_is_left_of_the_request() -> None:
    """Section 8.1: NO_ERROR, and what is on its way is passed over."""
    client = gets_a_request()
    client.connection.end(1, END)
    assert client.answers() == [f"HEADERS 1 {len(END)} END_STREAM", "RST_STREAM 1 NO_ERROR"]
    assert client.send(data(1, b"late"), headers(1, END, "END_STREAM"), window_update(1, 9)) == []
    assert client.answers() == []


@pytest.mark.parametrize("late", [data(1, b"late"), headers(1, END, "END_STREAM")], ids=["DATA", "HEADERS"])
def test_what_comes_after_the_end_of_a_request_resets_it(late: bytes) -> None:
    """Half-closed (remote): a stream error STREAM_CLOSED."""
    client = gets_a_request(None, "END_STREAM")
    assert client.send(late) == [StreamReset(1, ErrorCode.STREAM_CLOSED)]
    assert client.answers() == ["RST_STREAM 1 STREAM_CLOSED"]


@pytest.mark.parametrize("late", [data(1, b"late"), request(1)], ids=["DATA", "HEADERS"])
def test_what_comes_on_a_closed_stream_ends_the_connection(late: bytes) -> None:
    client = gets_a_request(None, "END_STREAM")
    client.connection.end(1, END)
    assert code_of(client.send(late)) == "STREAM_CLOSED"


@pytest.mark.parametrize("late", [data(1, b"late"), request(1)], ids=["DATA", "HEADERS"])
def test_what_comes_after_the_peers_reset_ends_the_connection(late: bytes) -> None:
    """Section 5.4.1 lets a stream error be one of the connection."""
    client = gets_a_request()
    client.send(peer.rst_stream(1, "CANCEL"))
    assert code_of(client.send(late)) == "STREAM_CLOSED"


def test_a_new_stream_closes_the_idle_ones_below() -> None:
    """Section 5.1.1."""
    client = Peer()
    client.send(request(5))
    assert code_of(client.send(request(3))) == "STREAM_CLOSED"


def test_too_many_streams_are_refused_one_by_one() -> None:
    """Section 5.1.2; a closed one makes room."""
    client = Peer(Limits(max_streams=2))
    events = client.send(request(1), request(3, "END_STREAM"), request(5))
    assert events[-1] == StreamReset(5, ErrorCode.REFUSED_STREAM)
    assert client.answers() == ["RST_STREAM 5 REFUSED_STREAM"]
    client.connection.end(3, END)
    assert isinstance(client.send(request(7))[0], RequestReceived)


def test_what_is_sent_on_a_stream_that_is_gone_goes_nowhere() -> None:
    client = gets_a_request()
    connection = client.connection
    client.send(peer.rst_stream(1, "CANCEL"))
    for stream_id in (1, 99):
        connection.send_headers(stream_id, b"head")
        assert client.answer(stream_id, b"biscuits")
        connection.acknowledge(stream_id, 2**20)
        connection.discard(stream_id)
        connection.end(stream_id, END)
    assert client.answers() == []


def test_a_reset_of_ours() -> None:
    """Section 6.4: what was on its way is passed over."""
    client = gets_a_request()
    assert client.gets(window_update(1, 0), data(1, b"late")) == ["RST_STREAM 1 PROTOCOL_ERROR"]
    assert client.gets(data(1, b"later")) == []


# Content (section 8.1.1).


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([data(1, b"tea", "END_STREAM")], None),
        ([data(1, b"t"), data(1, padded(b"ea", 9), "PADDED"), data(1, b"", "END_STREAM")], None),
        ([data(1, b"tea"), headers(1, END, "END_STREAM")], None),
        ([data(1, b"teas")], "PROTOCOL_ERROR"),
        ([data(1, b"te", "END_STREAM")], "PROTOCOL_ERROR"),
        ([data(1, b"te"), headers(1, END, "END_STREAM")], "PROTOCOL_ERROR"),
    ],
)
def test_a_body_is_as_long_as_it_says(sent: list[bytes], code: str | None) -> None:
    client = Peer()
    client.send(request(1, fields=(("content-length", "3"),)))
    client.send(*sent)
    assert client.answers() == ([f"RST_STREAM 1 {code}"] if code else [])


def test_no_body_where_one_is_promised() -> None:
    assert Peer().gets(request(1, "END_STREAM", fields=(("content-length", "3"),))) == [
        "RST_STREAM 1 PROTOCOL_ERROR"
    ]


# Leaving (section 6.8).


def test_a_graceful_end_in_two_steps() -> None:
    client = gets_a_request()
    client.connection.go_away(final=False)
    assert client.answers() == ["GOAWAY 2147483647 NO_ERROR"]
    client.send(request(3))
    client.connection.go_away(final=True)
    assert client.answers() == ["GOAWAY 3 NO_ERROR"]
    assert client.gets(request(5)) == ["RST_STREAM 5 REFUSED_STREAM"]
    assert client.send(data(3, b"tea")) == [(3, b"tea", 3, False)]


def test_the_last_stream_never_grows() -> None:
    client = gets_a_request()
    client.connection.go_away(final=True)
    client.send(request(3))
    client.answers()
    client.connection.go_away(final=False)
    assert client.gets(request(0)) == ["GOAWAY 1 NO_ERROR", "GOAWAY 1 PROTOCOL_ERROR"]
