"""Transcripts of streamed requests that are refused, or break off.

Invariant: the upstream never sees an end of what did not end well; nor, once the answer has begun, does the
client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.exchange.actions import ForwardBody
from extproc.exchange.events import ReplayChecked, RequestTrailers, ResponseBody, ResponseHeaders
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict
from extproc.link.streams import StreamWriter
from extproc.message import Headers
from tests.exchange.link import (
    NOW_MS,
    SHOP,
    Client,
    answering,
    exchange,
    fault_of,
    is_reset,
    only_answer,
    posted,
    problem_of,
    response,
    sized,
    upload,
)

Segments = Callable[[StreamWriter], bytes]
TRAILERS = RequestTrailers(Headers([("x-note", b"1")]))


# Before anything has been forwarded.


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_head_that_is_truncated_is_a_bad_envelope(cut: int) -> None:
    sending = upload(posted())
    assert problem_of(sending.send(sending.head[:cut], end_of_stream=True)) == "bad-envelope"
    assert not sending.exchange.is_open
    assert sending.send(sending.head) == []


def test_a_stream_that_ends_after_its_head_spends_no_id() -> None:
    sending = upload(posted())
    assert problem_of(sending.send(sending.head, end_of_stream=True)) == "bad-envelope"


def test_a_bad_segment_beside_segment_0_spends_no_id() -> None:
    sending = upload(posted())
    segments = sending.writer.write(b"one ") + spoiled(sending.writer.finish(b"pen"))
    assert problem_of(sending.send(sending.head + segments, end_of_stream=True)) == "bad-envelope"


def test_every_failure_to_open_has_the_same_bytes() -> None:
    head = upload(posted()).head
    whole, _ = Client().seal(posted())
    broken = [b"\xff" * 40, bytes(40), spoiled(head), whole, head[:1] + bytes(len(head) - 1)]
    answers = [only_answer(upload(posted()).send(body, end_of_stream=True)).response for body in broken]
    assert all(answer == answers[0] for answer in answers)


def test_an_unknown_key_is_told_by_the_preamble() -> None:
    sealed = pb.SealedRequest(key_id=bytes(8), encapsulation=bytes(80), nonce=bytes(16)).SerializeToString()
    assert problem_of(upload(posted()).send(bytes([len(sealed)]) + sealed)) == "unknown-key"


def test_trailers_before_segment_0_are_a_bad_envelope() -> None:
    sending = upload(posted())
    sending.send(sending.head[:-1])
    assert problem_of(sending.exchange.receive(TRAILERS, NOW_MS)) == "bad-envelope"


@pytest.mark.parametrize("shift", [-120_001, 30_001])
def test_a_stale_request_is_told_the_time_inside_the_seal(shift: int) -> None:
    sending = upload(posted(sent_at_ms=NOW_MS + shift))
    actions = sending.send(sending.head + sending.writer.write(b"one "))
    assert fault_of(actions, sending.opener) == ("clock-skew", 400)
    assert sending.send(sending.writer.finish(), end_of_stream=True) == []


@pytest.mark.parametrize(
    ("verdict", "fault"), [(Verdict.SEEN, ("replayed", 409)), (Verdict.UNAVAILABLE, ("unavailable", 503))]
)
def test_the_replay_store_decides(verdict: Verdict, fault: tuple[str, int]) -> None:
    sending = upload(posted())
    sending.send(sending.head + sending.writer.write(b"one "))
    actions = sending.exchange.receive(ReplayChecked(verdict), NOW_MS)
    assert fault_of(actions, sending.opener) == fault
    assert not sending.exchange.is_stream


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/_link/stream"},
        {"path": "/a/%2e%2e/b"},
        {"headers": [pb.Header(name="transfer-encoding", value=b"chunked")]},
        {"headers": [pb.Header(name="content-length", value=b"-1")]},
        {"headers": [pb.Header(name="content-length", value=b"1")] * 2},
    ],
)
def test_an_inner_request_that_smuggles_is_refused_inside_the_seal(fields: dict[str, Any]) -> None:
    sending = upload(posted(**fields))
    assert fault_of(sending.send_fresh(sending.head), sending.opener) == ("bad-request", 400)


def test_an_exchange_id_of_another_length_never_reaches_the_store() -> None:
    sending = upload(posted(exchange_id=bytes(17)))
    assert fault_of(sending.send(sending.head), sending.opener) == ("bad-request", 400)


def test_a_route_decides_which_origins_it_serves() -> None:
    sending = upload(posted(authority="admin.example.com"), origin=SHOP)
    assert fault_of(sending.send_fresh(sending.head), sending.opener) == ("not-permitted", 403)


def test_without_room_it_is_unavailable_and_spends_no_id() -> None:
    sending = upload(posted(), exchange(room=False))
    assert fault_of(sending.send(sending.head), sending.opener) == ("unavailable", 503)


# After it has been forwarded.


def spoiled(segment: bytes) -> bytes:
    return segment[:-1] + bytes([segment[-1] ^ 1])


def swapped(writer: StreamWriter) -> bytes:
    first, second = writer.write(b"one "), writer.write(b"more ")
    return second + first


BROKEN: dict[str, Segments] = {
    "spoiled": lambda writer: spoiled(writer.write(b"one ")),
    "spoiled at the end": lambda writer: writer.write(b"one ") + spoiled(writer.finish(b"pen")),
    "doubled": lambda writer: writer.write(b"one ") * 2,
    "swapped": swapped,
    "after the end": lambda writer: writer.finish(b"pen") + b"\x00",
    "too short": lambda _: b"\x00\x00\x00\x0f" + bytes(15),
    "too long": lambda _: b"\x00\x01\x01\xd1",
}
TRUNCATED: dict[str, Segments] = {
    "nothing": lambda _: b"",
    "not final": lambda writer: writer.write(b"one "),
    "half": lambda writer: writer.finish(b"pen")[:-1],
}


@pytest.mark.parametrize("segments", BROKEN.values(), ids=BROKEN)
def test_a_bad_segment_ends_the_exchange_before_the_upstream_sees_an_end(segments: Segments) -> None:
    sending = upload(posted())
    sending.begin()
    assert problem_of(sending.send(segments(sending.writer))) == "bad-envelope"
    assert not sending.exchange.is_open
    assert sending.send(b"", end_of_stream=True) == []


@pytest.mark.parametrize("segments", TRUNCATED.values(), ids=TRUNCATED)
def test_a_truncated_stream_ends_the_exchange_before_the_upstream_sees_an_end(segments: Segments) -> None:
    sending = upload(posted())
    sending.begin()
    assert problem_of(sending.send(segments(sending.writer), end_of_stream=True)) == "bad-envelope"


@pytest.mark.parametrize(
    ("length", "pieces"),
    [(6, [b"one ", b"pen"]), (0, [b"o"]), (8, [b"one ", b"pen"]), (1, [b""])],
    ids=["over at the end", "over at once", "short", "short of all"],
)
def test_what_breaks_its_content_length_has_no_end(length: int, pieces: list[bytes]) -> None:
    sending = upload(sized(length))
    sending.begin()
    *begin, last = pieces
    for piece in begin:
        assert sending.send(sending.writer.write(piece)) == [ForwardBody(piece, end_of_stream=False)]
    actions = sending.send(sending.writer.finish(last), end_of_stream=True)
    assert fault_of(actions, sending.opener) == ("bad-request", 400)


@given(st.lists(st.binary(max_size=4)), st.integers(1, 20))
def test_without_an_end_the_upstream_never_gets_all_of_its_content_length(
    pieces: list[bytes], length: int
) -> None:
    sending = upload(sized(length))
    sending.begin()
    passed = 0
    for piece in [*pieces, bytes(length)]:
        actions = sending.send(sending.writer.write(piece))
        if not all(isinstance(action, ForwardBody) for action in actions):
            break  # it was more than that
        passed += sum(len(action.data) for action in actions if isinstance(action, ForwardBody))
        assert passed < length


def test_a_segment_that_trickles_for_two_minutes_ends_the_exchange() -> None:
    """Whole segments may take as long as they take together."""
    sending = upload(posted())
    sending.begin()
    minute = 60_000
    for late in range(1, 6):
        assert sending.send(sending.writer.write(b"one "), now_ms=NOW_MS + late * minute)
    rest = sending.writer.finish(b"pen")
    assert sending.send(rest[:1], now_ms=NOW_MS + 6 * minute) == []
    assert sending.send(rest[1:2], now_ms=NOW_MS + 7 * minute) == []
    assert problem_of(sending.send(rest[2:3], now_ms=NOW_MS + 7 * minute + 1)) == "bad-envelope"


def test_what_is_over_its_content_length_does_not_go_on() -> None:
    sending = upload(sized(3))
    sending.begin()
    actions = sending.send(sending.writer.write(b"four"))
    assert fault_of(actions, sending.opener) == ("bad-request", 400)


def test_what_breaks_its_content_length_within_one_message_is_refused_too() -> None:
    sending = upload(sized(8))
    actions = sending.send_fresh(sending.head + sending.writer.finish(b"one pen"), end_of_stream=True)
    assert fault_of(actions, sending.opener) == ("bad-request", 400)


@pytest.mark.parametrize(("name", "value"), [("x_note", b"1"), ("x-note", b"1\r\n"), ("te", b"1")])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_trailer_that_could_be_no_header_is_a_bad_request(name: str, value: bytes, at_once: bool) -> None:
    sending = upload(posted())
    final = sending.writer.finish(b"pen", [pb.Header(name=name, value=value)])
    if at_once:
        actions = sending.send_fresh(sending.head + final, end_of_stream=True)
    else:
        sending.begin()
        actions = sending.send(final, end_of_stream=True)
    assert fault_of(actions, sending.opener) == ("bad-request", 400)


@pytest.mark.parametrize("whole", [True, False])
def test_outer_trailers_never_end_a_stream(whole: bool) -> None:
    """Envoy would send the body twice on the way to their end: envoyproxy/envoy#45470."""
    sending = upload(posted())
    sending.begin()
    sending.send(sending.writer.finish(b"pen") if whole else sending.writer.write(b"pen"))
    assert problem_of(sending.exchange.receive(TRAILERS, NOW_MS)) == "bad-envelope"
    assert not sending.exchange.is_open


@pytest.mark.parametrize("headers", [response(413, ("content-length", b"9")), response(200)])
def test_until_the_answer_has_begun_a_bad_segment_is_told(headers: ResponseHeaders) -> None:
    sending = answering(headers)
    assert problem_of(sending.send(spoiled(sending.writer.write(b"more ")))) == "bad-envelope"
    assert sending.exchange.receive(ResponseBody(b"late", end_of_stream=True), NOW_MS) == []


@pytest.mark.parametrize("segments", [*BROKEN.values(), *TRUNCATED.values()], ids=[*BROKEN, *TRUNCATED])
def test_once_the_answer_has_begun_what_does_not_end_well_is_a_reset(segments: Segments) -> None:
    sending = answering(response(200))
    sending.exchange.receive(ResponseBody(b"echo", end_of_stream=False), NOW_MS)
    assert is_reset(sending.send(segments(sending.writer), end_of_stream=True))
    assert not sending.exchange.is_open
    assert sending.exchange.receive(ResponseBody(b"late", end_of_stream=True), NOW_MS) == []


def test_once_the_answer_has_begun_a_broken_content_length_is_a_reset() -> None:
    sending = answering(response(200), sized(5))
    sending.exchange.receive(ResponseBody(b"echo", end_of_stream=False), NOW_MS)
    assert is_reset(sending.send(sending.writer.write(b"more")))
