"""Flow control (RFC 9113, sections 5.2 and 6.9), as transcripts.

Invariant: no octet of DATA leaves that the peer has no window for, and none is taken that we have none for.
"""

from __future__ import annotations

import pytest

from extproc.message import Buffer
from extproc.server.wire.connection import Limits
from extproc.server.wire.events import WindowOpened
from tests.wire import peer
from tests.wire.peer import (
    END,
    Peer,
    data,
    frame,
    gets_a_request,
    padded,
    request,
    settings,
    window_update,
)


def test_data_waits_for_the_streams_window() -> None:
    client = gets_a_request()
    client.send(window_update(0, 2**20), settings({peer.INITIAL_WINDOW_SIZE: 10}))
    client.answers()
    assert not client.answer(1, bytes(25))
    client.connection.end(1, END)
    assert client.answers() == ["DATA 1 10"]
    assert client.gets(window_update(1, 14)) == ["DATA 1 14"]
    assert client.gets(data(1, b"", "END_STREAM"), window_update(1, 1)) == [
        "DATA 1 1",
        f"HEADERS 1 {len(END)} END_STREAM",
    ]


def test_data_waits_for_the_connections_window() -> None:
    client = Peer()
    client.send(request(1), request(3))
    assert not client.answer(1, bytes(65_535 + 20_000))
    assert not client.answer(3, bytes(5))
    client.answers()
    assert client.gets(window_update(1, 65_535)) == []
    assert client.send(window_update(0, 20_003)) == [WindowOpened(1)]
    assert client.answers() == ["DATA 1 16384", "DATA 1 3616", "DATA 3 3"]
    assert client.send(window_update(0, 2)) == [WindowOpened(3)]


def test_a_window_below_zero_has_to_be_made_up_for() -> None:
    """Section 6.9.2."""
    client = gets_a_request()
    client.answer(1, bytes(60_000))
    client.answer(1, bytes(10_000))
    client.answers()
    assert client.gets(settings({peer.INITIAL_WINDOW_SIZE: 50_000})) == ["SETTINGS ACK"]
    assert client.gets(window_update(0, 2**20), window_update(1, 15_535)) == []
    assert client.gets(window_update(1, 1)) == ["DATA 1 1"]
    assert client.gets(settings({peer.INITIAL_WINDOW_SIZE: 50_100})) == ["SETTINGS ACK", "DATA 1 100"]


def test_settings_set_the_window_of_later_streams_too() -> None:
    client = Peer()
    client.send(settings({peer.INITIAL_WINDOW_SIZE: 0}), request(1))
    client.answers()
    client.answer(1, b"biscuits")
    assert client.gets(settings({peer.INITIAL_WINDOW_SIZE: 8})) == ["SETTINGS ACK", "DATA 1 8"]


def test_the_last_of_a_setting_counts() -> None:
    """Section 6.5.3."""
    client = gets_a_request()
    both = settings({peer.INITIAL_WINDOW_SIZE: 1})[9:] + settings({peer.INITIAL_WINDOW_SIZE: 5})[9:]
    client.send(frame("SETTINGS", 0, both))
    client.answer(1, bytes(9))
    assert client.answers() == ["SETTINGS ACK", "DATA 1 5"]


def test_a_frame_takes_what_waits_in_pieces() -> None:
    """Whatever the pieces were, frames are as large as windows and the peer let them be."""
    client = gets_a_request()
    client.send(settings({peer.INITIAL_WINDOW_SIZE: 10}))
    client.answers()
    pieces: list[Buffer] = [b"one", memoryview(b"two"), b"", b"three", b"four"]
    assert not client.answer(1, *pieces)
    client.send(window_update(1, 1))
    assert client.send(window_update(1, 100)) == [WindowOpened(1)]
    sent = list(peer.cut(client.connection.take()))
    assert [len(each) - 9 for each in sent] == [10, 1, 4]
    assert b"".join(each[9:] for each in sent) == b"".join(pieces)
    assert client.answer(1, b"five")


def test_frames_are_as_large_as_the_peer_takes_them() -> None:
    """Section 4.2."""
    client = gets_a_request()
    client.answer(1, bytes(20_000))
    assert client.answers() == ["DATA 1 16384", "DATA 1 3616"]
    client.send(settings({peer.MAX_FRAME_SIZE: 2**20}))
    client.answer(1, bytes(20_000))
    assert client.answers() == ["SETTINGS ACK", "DATA 1 20000"]


@pytest.mark.parametrize("increments", [[0], [2**31 - 2**16, 1]], ids=["by nothing", "over 2^31 - 1"])
def test_a_window_update_that_is_wrong_resets_its_stream(increments: list[int]) -> None:
    """Sections 6.9 and 6.9.1."""
    client = gets_a_request()
    code = "FLOW_CONTROL_ERROR" if any(increments) else "PROTOCOL_ERROR"
    assert client.gets(*(window_update(1, each) for each in increments)) == [f"RST_STREAM 1 {code}"]


def test_more_than_the_streams_window_resets_it() -> None:
    """Sections 5.2.1 and 6.9.1: padding counts."""
    client = gets_a_request(Limits(stream_window=65_535))
    for _ in range(3):
        assert len(client.send(data(1, bytes(16_384)))) == 1
    assert len(client.send(data(1, padded(bytes(16_000), 255), "PADDED"))) == 1
    assert client.gets(data(1, bytes(128))) == ["RST_STREAM 1 FLOW_CONTROL_ERROR"]


def test_a_streams_window_opens_as_its_data_is_dealt_with() -> None:
    """Section 5.2.2: in steps of half of it, and not once the request has ended."""
    client = gets_a_request(Limits(stream_window=70_000, connection_window=2**24))
    for _ in range(4):
        client.send(data(1, bytes(16_000)))
    assert client.answers() == []
    client.connection.acknowledge(1, 34_999)
    assert client.answers() == []
    client.connection.acknowledge(1, 1)
    assert client.answers() == ["WINDOW_UPDATE 1 +35000"]
    client.send(data(1, bytes(16_000), "END_STREAM"))
    client.connection.acknowledge(1, 45_000)
    assert client.answers() == []


def test_the_connections_window_opens_whoever_waits() -> None:
    """A stream whose DATA nobody takes does not hold up the others."""
    client = gets_a_request(Limits(stream_window=2**20, connection_window=65_536))
    assert client.gets(data(1, bytes(16_384))) == []
    assert client.gets(data(1, bytes(16_384))) == ["WINDOW_UPDATE 0 +32768"]
    client.connection.end(1, END)
    client.answers()
    assert client.gets(data(1, bytes(16_384)), data(1, bytes(16_384))) == ["WINDOW_UPDATE 0 +32768"]


def test_what_waits_can_be_discarded() -> None:
    """A response that fails ends at once."""
    client = gets_a_request(None, "END_STREAM")
    client.answer(1, bytes(2**20))
    client.answers()
    client.connection.discard(1)
    client.connection.end(1, END)
    assert client.answers() == [f"HEADERS 1 {len(END)} END_STREAM"]
    assert client.gets(window_update(0, 2**20)) == []
