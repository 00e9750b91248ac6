"""What a peer could make us hold or do (RFC 9113, section 10.5), as transcripts.

Invariant: a frame that costs us more than the peer is counted, and what is held for a peer has a bound.
"""

from __future__ import annotations

import pytest

from extproc.server.wire.connection import Limits
from tests.wire import peer
from tests.wire.peer import REQUEST, Peer, block, data, frame, padded, request, settings

LIMITS = Limits(max_cheap=10, cheap_within_s=10.0)
BLOCK = block(*REQUEST)
CALM = ["GOAWAY 1 ENHANCE_YOUR_CALM"]

CHEAP = {
    "CVE-2019-9512: PING": frame("PING", 0, bytes(8)),
    "CVE-2019-9515: SETTINGS": settings(),
    "CVE-2019-9518: DATA of nothing": data(1, b""),
    "CVE-2019-9518: DATA of padding": data(1, padded(b"", 3), "PADDED"),
}


@pytest.mark.parametrize("cheap", CHEAP.values(), ids=CHEAP)
def test_what_is_cheap_to_send_can_be_sent_too_often(cheap: bytes) -> None:
    client = Peer(LIMITS)  # whose SETTINGS are the first
    client.send(request(1), cheap * 9)
    assert not client.connection.is_ended
    client.answers()
    assert client.gets(cheap)[-1:] == CALM


def test_a_rate_is_counted_anew_after_its_time() -> None:
    client = Peer(LIMITS)
    client.send(request(1), frame("PING", 0, bytes(8)) * 9)
    client.now = 10.1
    client.send(frame("PING", 0, bytes(8)) * 10)
    assert not client.connection.is_ended
    client.answers()
    assert client.gets(frame("PING", 0, bytes(8))) == CALM


def test_streams_that_are_reset_as_soon_as_they_open_are_counted() -> None:
    """CVE-2023-44487."""
    client = Peer(LIMITS)
    for stream_id in range(1, 19, 2):
        client.send(request(stream_id), peer.rst_stream(stream_id, "CANCEL"))
    assert not client.connection.is_ended
    assert client.gets(request(19), peer.rst_stream(19, "CANCEL")) == ["GOAWAY 19 ENHANCE_YOUR_CALM"]


def test_streams_that_we_are_made_to_reset_are_counted_too() -> None:
    """CVE-2025-8671."""
    client = Peer(LIMITS)
    for stream_id in range(1, 19, 2):
        client.send(request(stream_id), peer.window_update(stream_id, 0))
    client.answers()
    assert client.gets(request(19), peer.window_update(19, 0)) == ["GOAWAY 19 ENHANCE_YOUR_CALM"]


def test_streams_that_are_reset_while_their_answer_waits_are_counted() -> None:
    """Or a peer that reads nothing could have all it likes made for it."""
    client = Peer(LIMITS)
    client.send(settings({peer.INITIAL_WINDOW_SIZE: 0}))
    for stream_id in range(1, 19, 2):
        assert not client.connection.is_ended
        answered_and_reset(client, stream_id)
    assert client.answers()[-1] == "GOAWAY 17 ENHANCE_YOUR_CALM"


def test_streams_that_are_reset_when_they_have_been_answered_are_not_counted() -> None:
    """Envoy ends each exchange so."""
    client = Peer(LIMITS)
    for stream_id in range(1, 2001, 2):
        answered_and_reset(client, stream_id)
    assert not client.connection.is_ended


def answered_and_reset(client: Peer, stream_id: int) -> None:
    client.send(request(stream_id))
    client.connection.send_headers(stream_id, b"head")
    client.answer(stream_id, b"tea")
    client.send(peer.rst_stream(stream_id, "INTERNAL_ERROR"))


def test_streams_that_end_well_are_not_counted() -> None:
    client = Peer(LIMITS)
    for stream_id in range(1, 2001, 2):
        client.send(request(stream_id, "END_STREAM"))
        client.connection.end(stream_id, b"")
    assert not client.connection.is_ended


def test_a_field_block_has_32_continuations_at_most() -> None:
    """VU#421644."""
    client = Peer()
    client.send(frame("HEADERS", 1, BLOCK), frame("CONTINUATION", 1, b"") * 32)
    assert client.gets(frame("CONTINUATION", 1, b"", "END_HEADERS")) == ["GOAWAY 0 ENHANCE_YOUR_CALM"]


def test_a_field_block_has_64_kib_at_most() -> None:
    client = Peer()
    client.send(frame("HEADERS", 1, bytes(16_384)), frame("CONTINUATION", 1, bytes(16_384)) * 3)
    assert not client.connection.is_ended
    assert client.gets(frame("CONTINUATION", 1, b"!")) == ["GOAWAY 0 ENHANCE_YOUR_CALM"]


def test_what_is_remembered_of_reset_streams_has_a_bound() -> None:
    """Of 1,024: what comes on an older one can't have been on its way any longer."""
    client = Peer()
    for stream_id in range(1, 2053, 2):
        client.send(request(stream_id))
        client.connection.end(stream_id, b"")
    client.answers()
    assert client.gets(data(5, b"late")) == []
    assert client.gets(data(3, b"late")) == ["GOAWAY 2051 STREAM_CLOSED"]
