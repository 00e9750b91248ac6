"""How a stream of octets is cut into reads.

Invariant: whatever the cuts, the events are the same, and so is what goes out.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire import peer, scripts
from tests.wire.oracle import Step
from tests.wire.peer import PREFACE, data, frame, headers, padded, received, request

TRANSCRIPT = b"".join(
    (
        PREFACE,
        peer.settings({peer.INITIAL_WINDOW_SIZE: 100}),
        request(1),
        frame("HEADERS", 3, peer.block(*peer.REQUEST)[:7], "END_STREAM"),
        frame("CONTINUATION", 3, peer.block(*peer.REQUEST)[7:], "END_HEADERS"),
        data(1, padded(b"some tea", 5), "PADDED"),
        frame("PING", 0, b"8 octets"),
        data(1, b"", "END_STREAM"),
        request(5),
        peer.window_update(5, 0),
        headers(7, b"\xff", "END_STREAM"),
    )
)


WHOLE = received([TRANSCRIPT])


@pytest.mark.parametrize("at", range(len(TRANSCRIPT) + 1))
def test_a_transcript_cut_at_any_point(at: int) -> None:
    assert received([TRANSCRIPT[:at], TRANSCRIPT[at:]]) == WHOLE


def test_a_transcript_octet_by_octet() -> None:
    assert received(TRANSCRIPT[at : at + 1] for at in range(len(TRANSCRIPT))) == WHOLE


def test_the_transcript_is_worth_cutting() -> None:
    events, sent = WHOLE
    assert [type(event).__name__ for event in events] == [
        *("RequestReceived", "RequestReceived", "tuple", "tuple"),
        *("RequestReceived", "StreamReset", "ConnectionEnded"),
    ]
    assert peer.shown(sent)[2:] == [
        *("SETTINGS ACK", "PING ACK", "RST_STREAM 5 PROTOCOL_ERROR", "GOAWAY 5 COMPRESSION_ERROR")
    ]


@given(st.one_of(scripts.valid(), scripts.mutated()), st.data())
@settings(max_examples=300)
def test_a_script_cut_anywhere(script: list[Step], draw: st.DataObject) -> None:
    octets = b"".join(step for step in script if isinstance(step, bytes))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(octets)), max_size=20)))
    pieces = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert received(pieces) == received([octets])


@given(st.binary(max_size=200), st.integers(0, 200))
def test_noise_is_refused_alike(noise: bytes, at: int) -> None:
    octets = PREFACE + peer.settings() + noise
    at += len(PREFACE)
    assert received([octets[:at], octets[at:]]) == received([octets])
