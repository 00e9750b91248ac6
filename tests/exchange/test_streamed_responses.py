"""Transcripts of responses that leave as a stream.

Invariant: what the upstream has sent leaves at once, sealed, to who can read a stream; and the final segment
leaves only when the upstream's answer has ended.
"""

from __future__ import annotations

import pytest

from extproc.errors import LinkError
from extproc.exchange.actions import Action, Answer, DropResponseTrailers, Log, Respond, RespondBody
from extproc.exchange.events import ResponseBody, ResponseTrailers
from extproc.exchange.exchange import Exchange
from extproc.link.cookies import PREFIX
from extproc.link.envelope import ResponseOpener
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import MAX_DATA, Chunk
from extproc.message import Headers
from tests.exchange.link import NOW_MS, exchange, fault_of, given, gone, inner, is_reset, opened, response

LENGTH = "content-length"
TYPE = "content-type"
EVENTS = (TYPE, b"text/event-stream")


class Reading:
    """An exchange that streams its answer, and the client that reads it."""

    def __init__(self, running: Exchange, opener: ResponseOpener) -> None:
        self.exchange = running
        self.reader = opener.stream()

    def read(self, action: Action) -> list[Chunk]:
        assert isinstance(action, RespondBody)
        chunks = list(self.reader.receive(action.data))
        assert self.reader.is_complete is any(chunk.is_final for chunk in chunks)
        return chunks

    def pass_on(self, data: bytes, *, end_of_stream: bool = False) -> list[bytes]:
        """What the client reads when the upstream has sent some of the body."""
        (action,) = self.exchange.receive(ResponseBody(data, end_of_stream), NOW_MS)
        assert isinstance(action, RespondBody)
        assert action.end_of_stream is end_of_stream
        return [bytes(chunk.data) for chunk in self.read(action)]


def streaming(
    request: pb.InnerRequest, *headers: tuple[str, bytes], **changes: str
) -> tuple[Reading, Respond]:
    """An answer of which "first" has left."""
    running, opener = opened(request)
    assert running.receive(response(200, *headers), NOW_MS) == []
    assert running.is_stream
    respond, body = running.receive(ResponseBody(b"first", end_of_stream=False), NOW_MS)
    assert isinstance(respond, Respond)
    reading = Reading(running, opener)
    assert reading.read(body) == [Chunk(b"first", (), is_final=False)]
    return reading, respond


def asking(**fields: object) -> pb.InnerRequest:
    """A request of a client that can read a stream."""
    return inner(accept_stream=True, **fields)


def test_what_has_no_length_leaves_as_it_comes() -> None:
    reading, respond = streaming(asking(), (TYPE, b"text/plain"), ("x-secret", b"42"))
    assert not respond.alone
    assert respond.response.status == 200
    assert set(respond.response.headers) == {
        (TYPE, b"application/privatelink-stream"),
        ("cache-control", b"no-store"),
        ("vary", b"origin"),
        ("x-request-id", b"r-1"),
    }
    assert gone(respond) == {"x-secret"}
    head = reading.reader.head
    assert (head.status, head.fault, head.gateway_time_ms, head.directory_serial) == (200, "", NOW_MS, 7)
    assert [(h.name, h.value) for h in head.headers] == [(TYPE, b"text/plain"), ("x-secret", b"42")]

    assert reading.pass_on(b"second") == [b"second"]
    assert reading.exchange.is_stream
    assert reading.pass_on(b"third", end_of_stream=True) == [b"third"]
    assert not reading.exchange.is_open


def test_the_outcome_in_the_log_is_ok_only_when_all_has_left() -> None:
    reading, respond = streaming(asking())
    assert (respond.metadata["outcome"], respond.metadata["status"]) == ("streaming", "200")
    (more,) = reading.exchange.receive(ResponseBody(b"more", end_of_stream=False), NOW_MS)
    (last,) = reading.exchange.receive(ResponseBody(b"", end_of_stream=True), NOW_MS)
    assert isinstance(more, RespondBody)
    assert isinstance(last, RespondBody)
    assert not more.metadata
    assert (last.metadata["outcome"], last.metadata["status"]) == ("ok", "200")


def test_an_empty_last_message_ends_the_stream() -> None:
    reading, _ = streaming(asking())
    assert reading.pass_on(b"", end_of_stream=True) == [b""]
    assert reading.reader.is_complete


def test_a_body_that_is_empty_after_all_is_a_stream_that_ends_at_once() -> None:
    running, opener = opened(asking())
    running.receive(response(200), NOW_MS)
    respond, body = given(running.receive(ResponseBody(b"", end_of_stream=True), NOW_MS))
    assert respond.response.headers.get(TYPE) == b"application/privatelink-stream"
    reader = opener.stream()
    assert list(reader.receive(body)) == [Chunk(b"", (), is_final=True)]


def test_a_large_message_leaves_at_once_in_segments() -> None:
    reading, _ = streaming(asking())
    data = bytes(2 * MAX_DATA + 1)
    assert [len(piece) for piece in reading.pass_on(data)] == [MAX_DATA, MAX_DATA, 1]


def test_an_upstream_that_breaks_off_leaves_no_final_segment() -> None:
    reading, _ = streaming(asking())
    assert reading.exchange.is_open
    with pytest.raises(LinkError, match="truncated"):
        reading.reader.end()


def test_what_is_known_to_be_long_is_a_stream_up_to_any_length() -> None:
    reading, respond = streaming(asking(), (LENGTH, b"5001"))
    assert gone(respond) == {LENGTH}
    assert reading.pass_on(bytes(4996), end_of_stream=True) == [bytes(4996)]


# Which form it is.


@pytest.mark.parametrize(
    ("headers", "accepts", "streams"),
    [
        ([(LENGTH, b"1000")], True, False),
        ([(LENGTH, b"1001")], True, True),
        ([(LENGTH, b"1001")], False, False),
        ([], True, True),
        ([], False, False),
        ([EVENTS], False, False),
        ([(LENGTH, b"9"), EVENTS], True, True),
        ([(LENGTH, b"9"), (TYPE, b"Text/Event-Stream ; charset=utf-8")], True, True),
        ([(LENGTH, b"9"), (TYPE, b"text/event-streams")], True, False),
        ([(LENGTH, b"9"), (TYPE, b"text/plain; text/event-stream")], True, False),
    ],
)
def test_length_type_and_client_decide(
    headers: list[tuple[str, bytes]], accepts: bool, streams: bool
) -> None:
    running, opener = opened(inner(accept_stream=accepts))
    assert running.receive(response(200, *headers), NOW_MS) == []
    assert running.is_stream is streams
    actions = running.receive(ResponseBody(b"some", end_of_stream=False), NOW_MS)
    assert bool(actions) is streams
    actions += running.receive(ResponseBody(b"more", end_of_stream=True), NOW_MS)
    respond, body = given(actions)
    if streams:
        assert [chunk.data for chunk in opener.stream().receive(body)] == [b"some", b"more"]
    else:
        assert opener.open(body).body == b"somemore"
        assert respond.metadata["outcome"] == "ok"


def test_headers_alone_are_whole() -> None:
    running, opener = opened(asking(method="HEAD"))
    (respond,) = running.receive(response(200, (LENGTH, b"9999"), end_of_stream=True), NOW_MS)
    assert isinstance(respond, Respond)
    assert respond.alone
    assert opener.open(respond.response.body).status == 200


@pytest.mark.parametrize(
    ("headers", "whole"),
    [
        ([(LENGTH, b"5000")], True),
        ([], True),
        ([(LENGTH, b"5001")], False),
        ([("content-type", b"text/event-stream")], False),
    ],
)
def test_without_room_it_is_collected_unless_it_can_not_fit(
    headers: list[tuple[str, bytes]], whole: bool
) -> None:
    running, opener = opened(asking(), exchange(room=False))
    actions = running.receive(response(200, *headers), NOW_MS)
    assert not running.is_stream
    if whole:
        _, body = given(running.receive(ResponseBody(bytes(5000), end_of_stream=True), NOW_MS))
        assert opener.open(body).body == bytes(5000)
    else:
        assert fault_of(actions, opener) == ("unavailable", 503)


def test_who_reads_no_stream_needs_no_room() -> None:
    running, opener = opened(inner(), exchange(room=False))
    assert running.receive(response(200), NOW_MS) == []
    _, body = given(running.receive(ResponseBody(b"all", end_of_stream=True), NOW_MS))
    assert opener.open(body).body == b"all"


def test_a_refusal_of_what_never_opened_is_no_stream() -> None:
    running = exchange()
    running.receive(response(413), NOW_MS)
    assert not running.is_stream
    respond, _ = given(running.receive(ResponseBody(b"too large", end_of_stream=True), NOW_MS))
    assert respond.response.headers.get(TYPE) == b"application/problem+json"


# What goes inside, and what does not fit.


def test_headers_that_fit_into_no_segment_are_a_sealed_fault() -> None:
    running, opener = opened(asking())
    assert running.receive(response(200, ("x-large", bytes(66_000).replace(b"\0", b"x"))), NOW_MS) == []
    actions = running.receive(ResponseBody(b"first", end_of_stream=False), NOW_MS)
    assert fault_of(actions, opener) == ("response-too-large", 502)
    assert running.receive(ResponseBody(b"second", end_of_stream=True), NOW_MS) == []


TRAILERS = Headers(
    [("x-checksum", b"abc"), ("x-checksum", b"def"), ("set-cookie", b"a=1"), ("x-envoy-a", b"1")]
)


def test_trailers_travel_in_the_final_segment() -> None:
    reading, _ = streaming(asking())
    body, drop = reading.exchange.receive(ResponseTrailers(TRAILERS), NOW_MS)
    assert isinstance(body, RespondBody)
    assert not body.end_of_stream
    assert body.metadata["outcome"] == "ok"
    assert drop == DropResponseTrailers(TRAILERS)
    (final,) = reading.read(body)
    assert final.data == b""
    assert [(h.name, h.value) for h in final.trailers] == [("x-checksum", b"abc"), ("x-checksum", b"def")]
    assert not reading.exchange.is_open


def test_trailers_without_a_body_make_it_whole() -> None:
    running, opener = opened(asking())
    running.receive(response(200), NOW_MS)
    (answer,) = running.receive(ResponseTrailers(TRAILERS), NOW_MS)
    assert isinstance(answer, Answer)
    assert answer.metadata["outcome"] == "ok"
    sealed = opener.open(answer.response.body)
    assert [(h.name, h.value) for h in sealed.trailers] == [("x-checksum", b"abc"), ("x-checksum", b"def")]


def test_trailers_that_fit_into_no_segment_are_a_reset() -> None:
    reading, _ = streaming(asking())
    large = ResponseTrailers(Headers([("x-large", b"x" * 66_000)]))
    assert is_reset(reading.exchange.receive(large, NOW_MS))
    assert not reading.exchange.is_open


def test_cookies_leave_sealed_with_the_head() -> None:
    lines = [("set-cookie", b"sid=secret; Path=/orders; HttpOnly")]
    reading, respond = streaming(asking(cookie_binding=bytes(32)), *lines)
    (outside,) = respond.response.headers.get_all("set-cookie")
    assert outside.startswith(PREFIX.encode())
    assert b"secret" not in outside
    assert [(h.name, h.value) for h in reading.reader.head.headers] == lines


def test_a_cookie_that_can_not_be_set_is_logged_once() -> None:
    running, _ = opened(asking(cookie_binding=bytes(32)))
    running.receive(response(200, ("set-cookie", b"sid=" + b"x" * 4096)), NOW_MS)
    log, respond, _ = running.receive(ResponseBody(b"first", end_of_stream=False), NOW_MS)
    assert isinstance(log, Log)
    assert log.event == "cookie_not_set"
    assert isinstance(respond, Respond)
    assert not respond.response.headers.get_all("set-cookie")


def test_padding_hides_the_length_of_an_event() -> None:
    lengths = set()
    for event in (b"x" * 900, b"x" * 901):
        running, _ = opened(asking(), exchange(padding="padme"))
        running.receive(response(200, EVENTS), NOW_MS)
        running.receive(ResponseBody(b"first", end_of_stream=False), NOW_MS)
        (body,) = running.receive(ResponseBody(event, end_of_stream=False), NOW_MS)
        assert isinstance(body, RespondBody)
        lengths.add(len(body.data))
    assert len(lengths) == 1
