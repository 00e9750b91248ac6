"""Transcripts of streamed requests that go well, as far as the client goes.

Invariant: what has opened goes on at once and in order, and an answer may come at any time.
"""

from __future__ import annotations

import pytest

from extproc.exchange.actions import CheckReplay, Forward, ForwardBody, Respond, RespondBody
from extproc.exchange.events import ReplayChecked, RequestTrailers, ResponseBody
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict
from extproc.link.streams import MAX_DATA
from extproc.message import Headers
from tests.exchange.link import (
    NOW_MS,
    PEER,
    SHOP,
    answering,
    counted,
    given,
    gone,
    inner,
    only_answer,
    outer,
    posted,
    problem_of,
    response,
    sealed_headers,
    sized,
    started,
    stream_headers,
    upload,
)


def test_the_reply_to_the_headers_waits_for_segment_0() -> None:
    request = posted(headers=[pb.Header(name="x-user-id", value=b"42")])
    sending = upload(request, user_agent="phone", accept="*/*")
    for byte in sending.head[:-1]:
        assert sending.send(bytes([byte])) == []
    assert counted(sending.exchange) == (True, False)

    assert sending.send(sending.head[-1:]) == [CheckReplay(bytes(16), NOW_MS, NOW_MS // 1000 - 60)]
    assert counted(sending.exchange) == (True, True)
    forward, first = sending.exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    assert first == ForwardBody(b"", end_of_stream=False)
    assert isinstance(forward, Forward)
    assert forward.streamed
    assert (forward.request.method, forward.request.authority) == ("POST", "shop.example.com")
    assert (forward.request.path, forward.request.body) == ("/orders?q=1", b"")
    assert set(forward.request.headers) == {
        ("x-user-id", b"42"),
        ("user-agent", b"phone"),
        ("x-request-id", b"r-1"),
        ("x-forwarded-for", PEER.encode()),
        ("x-forwarded-proto", b"https"),
        ("x-link-opened", b"1"),
    }
    assert gone(forward) == {"accept", "content-type"}
    assert forward.metadata["outcome"] == "opened"


def test_each_segment_goes_on_as_it_opens_and_an_empty_last_message_ends_it() -> None:
    sending = upload(posted())
    sending.begin()
    assert sending.send(sending.writer.write(b"one ")) == [ForwardBody(b"one ", end_of_stream=False)]
    assert sending.send(sending.writer.finish(b"pen")) == [ForwardBody(b"pen", end_of_stream=False)]
    assert sending.send(b"", end_of_stream=True) == [ForwardBody(b"", end_of_stream=True)]
    assert sending.exchange.is_stream


def test_half_a_segment_waits_for_its_other_half() -> None:
    sending = upload(posted())
    sending.begin()
    first, second = sending.writer.write(b"one"), sending.writer.finish(b"pen")
    assert sending.send(first + second[:7]) == [ForwardBody(b"one", end_of_stream=False)]
    assert sending.send(second[7:-1]) == []
    assert sending.send(second[-1:], end_of_stream=True) == [ForwardBody(b"pen", end_of_stream=True)]


def test_what_comes_with_segment_0_goes_on_with_the_headers() -> None:
    sending = upload(posted())
    forward, body = sending.send_fresh(sending.head + sending.writer.write(b"one "))
    assert isinstance(forward, Forward)
    assert body == ForwardBody(b"one ", end_of_stream=False)


def test_a_whole_stream_can_come_in_one_message() -> None:
    sending = upload(posted())
    data = bytes(range(256)) * (3 * MAX_DATA // 256) + b"!"
    forward, body = sending.send_fresh(sending.head + sending.writer.finish(data), end_of_stream=True)
    assert isinstance(forward, Forward)
    assert body == ForwardBody(data, end_of_stream=True)


def test_a_stream_without_data_ends_as_an_empty_body() -> None:
    sending = upload(inner())
    sending.begin()
    assert sending.send(sending.writer.finish(), end_of_stream=True) == [ForwardBody(b"", end_of_stream=True)]


def test_sealed_trailers_go_no_further() -> None:
    sending = upload(posted())
    sending.begin()
    final = sending.writer.finish(b"pen", [pb.Header(name="x-checksum", value=b"abc")])
    assert sending.send(final, end_of_stream=True) == [ForwardBody(b"pen", end_of_stream=True)]


def test_what_keeps_to_its_content_length_ends_well() -> None:
    sending = upload(sized(7))
    sending.begin()
    assert sending.send(sending.writer.write(b"one ")) == [ForwardBody(b"one ", end_of_stream=False)]
    # An upstream that counts would take the last byte for the end.
    assert sending.send(sending.writer.finish(b"pen")) == [ForwardBody(b"pe", end_of_stream=False)]
    assert sending.send(b"", end_of_stream=True) == [ForwardBody(b"n", end_of_stream=True)]


def test_a_content_length_of_zero_goes_no_further() -> None:
    forward = upload(sized(0)).begin()
    assert "content-length" not in forward.request.headers


# The upstream answers while the upload runs.


TOO_LARGE = response(413, ("content-length", b"9"))


def test_an_early_answer_is_sealed_whole_while_the_upload_goes_on() -> None:
    sending = answering(TOO_LARGE)
    assert sending.send(sending.writer.write(b"more ")) == [ForwardBody(b"more ", end_of_stream=False)]
    _, body = given(sending.exchange.receive(ResponseBody(b"too large", end_of_stream=True), NOW_MS))
    sealed = sending.opener.open(body)
    assert (sealed.status, sealed.body, sealed.fault) == (413, b"too large", "")
    assert not sending.exchange.is_open
    assert sending.send(sending.writer.finish(b"pen"), end_of_stream=True) == []


def test_an_early_answer_streams_while_the_upload_goes_on() -> None:
    sending = answering(response(200))
    reader = sending.opener.stream()
    _, begun = given(sending.exchange.receive(ResponseBody(b"ec", end_of_stream=False), NOW_MS))
    assert [chunk.data for chunk in reader.receive(begun)] == [b"ec"]

    ending = sending.send(sending.writer.finish(b"pen"), end_of_stream=True)
    assert ending == [ForwardBody(b"pen", end_of_stream=True)]
    (ended,) = sending.exchange.receive(ResponseBody(b"ho", end_of_stream=True), NOW_MS)
    assert isinstance(ended, RespondBody)
    assert [chunk.data for chunk in reader.receive(ended.data)] == [b"ho"]
    assert reader.is_complete


def test_an_early_answer_of_headers_alone_ends_the_exchange() -> None:
    sending = upload(posted())
    sending.begin()
    (respond,) = sending.exchange.receive(response(403, end_of_stream=True), NOW_MS)
    assert isinstance(respond, Respond)
    assert sending.opener.open(respond.response.body).status == 403
    assert sending.send(b"more", end_of_stream=False) == []


# Envoy answers by itself before anything has opened.


def test_envoys_own_answer_before_segment_0_is_a_plain_problem() -> None:
    sending = upload(posted())
    sending.send(sending.head[:-1])
    assert sending.exchange.receive(response(408), NOW_MS) == []
    assert sending.send(sending.head[-1:]) == []
    assert sending.exchange.receive(RequestTrailers(Headers()), NOW_MS) == []
    respond, body = given(sending.exchange.receive(ResponseBody(b"timeout", end_of_stream=True), NOW_MS))
    assert (respond.response.status, body) == (408, b'{"type":"about:blank"}')


def test_a_verdict_after_envoy_has_given_up_forwards_nothing() -> None:
    sending = upload(posted())
    sending.send(sending.head + sending.writer.finish(b"pen"), end_of_stream=True)
    sending.exchange.receive(response(504, end_of_stream=True), NOW_MS)
    assert sending.exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS) == []


# At the door.


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (stream_headers(content_type="application/privatelink"), "media-type"),
        (stream_headers(content_type="application/privatelink-streams"), "media-type"),
        (outer("POST", "/_link/stream"), "media-type"),
        (sealed_headers(content_type="application/privatelink-stream"), "media-type"),
        (outer("GET", "/_link/stream"), "method"),
        (stream_headers(origin="https://evil.example.com"), "origin"),
    ],
)
def test_what_is_refused_by_its_headers(headers: Headers, code: str) -> None:
    running, actions = started(headers)
    assert problem_of(actions) == code
    assert not running.is_open


def test_a_stream_without_a_body_is_a_bad_envelope() -> None:
    _, actions = started(stream_headers(), end_of_stream=True)
    assert problem_of(actions) == "bad-envelope"


def test_a_stream_may_be_longer_than_max_request() -> None:
    _, actions = started(stream_headers(content_length="10001"))
    assert actions == []


def test_a_preflight_of_the_stream_path_is_answered() -> None:
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}
    _, actions = started(outer("OPTIONS", "/_link/stream", origin=SHOP, **asked), end_of_stream=True)
    answer = only_answer(actions).response
    assert answer.status == 204
    assert answer.headers.get("access-control-allow-origin") == SHOP.encode()


def test_a_405_says_what_is_allowed() -> None:
    _, actions = started(outer("GET", "/_link/stream"))
    assert only_answer(actions).response.headers.get("allow") == b"OPTIONS, POST"
