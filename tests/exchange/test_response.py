"""Transcripts of the response half."""

from __future__ import annotations

import json

import pytest

from extproc.exchange.actions import Answer, DropResponseTrailers, Log, Respond, RespondBody
from extproc.exchange.events import (
    RequestHeaders,
    ResponseBody,
    ResponseTrailers,
)
from extproc.link.cookies import PREFIX
from extproc.link.pb import privatelink_pb2 as pb
from extproc.message import Headers
from tests.exchange import link
from tests.exchange.link import (
    NOW_MS,
    PEER,
    SHOP,
    counted,
    forwarded,
    given,
    gone,
    inner,
    opened,
    response,
    sealed_headers,
)


def test_the_whole_answer_goes_inside_and_nothing_of_it_outside() -> None:
    exchange, opener = opened(inner())
    headers = [("content-type", b"text/plain"), ("etag", b'"x"'), ("x-envoy-upstream-service-time", b"3")]
    assert exchange.receive(response(201, *headers), NOW_MS) == []
    assert exchange.receive(ResponseBody(b"made ", end_of_stream=False), NOW_MS) == []
    assert counted(exchange) == (True, False)

    actions = exchange.receive(ResponseBody(b"it", end_of_stream=True), NOW_MS)
    respond, body = given(actions)
    assert actions == [respond, RespondBody(body, end_of_stream=True)]
    assert respond.response.status == 200
    assert set(respond.response.headers) == {
        ("content-type", b"application/privatelink"),
        ("cache-control", b"no-store"),
        ("vary", b"origin"),
        ("x-request-id", b"r-1"),
    }
    assert gone(respond) == {"etag", "x-envoy-upstream-service-time"}
    assert counted(exchange) == (False, False)

    sealed = opener.open(body)
    assert (sealed.status, sealed.body, sealed.fault) == (201, b"made it", "")
    assert [(h.name, h.value) for h in sealed.headers] == headers[:2]
    assert (sealed.gateway_time_ms, sealed.directory_serial) == (NOW_MS, 7)


@pytest.mark.parametrize("status", [204, 304, 200])
def test_a_response_of_headers_alone_is_given_a_sealed_body(status: int) -> None:
    exchange, opener = opened(inner(method="HEAD"))
    (respond,) = exchange.receive(response(status, ("content-length", b"99"), end_of_stream=True), NOW_MS)
    assert isinstance(respond, Respond)
    assert respond.alone
    sealed = opener.open(respond.response.body)
    assert sealed.status == status
    assert [(h.name, h.value) for h in sealed.headers] == [("content-length", b"99")]


def test_an_empty_last_message_ends_the_body() -> None:
    exchange, opener = opened(inner())
    exchange.receive(response(200), NOW_MS)
    exchange.receive(ResponseBody(b"all", end_of_stream=False), NOW_MS)
    _, body = given(exchange.receive(ResponseBody(b"", end_of_stream=True), NOW_MS))
    assert opener.open(body).body == b"all"


def test_trailers_travel_inside_the_seal() -> None:
    exchange, opener = opened(inner())
    exchange.receive(response(200), NOW_MS)
    exchange.receive(ResponseBody(b"data", end_of_stream=False), NOW_MS)
    trailers = Headers([("x-checksum", b"abc"), ("x-checksum", b"def")])
    actions = exchange.receive(ResponseTrailers(trailers), NOW_MS)
    respond, body = given(actions)
    ending = [RespondBody(body, end_of_stream=False), DropResponseTrailers(trailers)]
    assert actions == [respond, *ending]
    sealed = opener.open(body)
    assert [(h.name, h.value) for h in sealed.trailers] == list(trailers)


def test_trailers_without_a_body_travel_inside_too() -> None:
    exchange, opener = opened(inner())
    exchange.receive(response(200, ("grpc-status", b"0")), NOW_MS)
    (answer,) = exchange.receive(ResponseTrailers(Headers([("x-checksum", b"abc")])), NOW_MS)
    assert isinstance(answer, Answer)
    sealed = opener.open(answer.response.body)
    assert (sealed.status, sealed.body) == (200, b"")
    assert [(h.name, h.value) for h in sealed.trailers] == [("x-checksum", b"abc")]


def test_a_refusal_of_envoys_before_the_request_is_a_plain_problem() -> None:
    exchange = link.exchange()
    (respond,) = exchange.receive(response(403, end_of_stream=True), NOW_MS)
    assert isinstance(respond, Respond)
    assert (respond.response.status, respond.response.body) == (403, b'{"type":"about:blank"}')


def test_a_response_over_the_limit_is_a_sealed_fault_and_the_rest_of_it_is_ignored() -> None:
    exchange, opener = opened(inner())
    exchange.receive(response(200), NOW_MS)
    exchange.receive(ResponseBody(bytes(5_000), end_of_stream=False), NOW_MS)
    log, answer = exchange.receive(ResponseBody(b"x", end_of_stream=False), NOW_MS)
    assert isinstance(log, Log)
    assert isinstance(answer, Answer)
    sealed = opener.open(answer.response.body)
    assert (sealed.fault, sealed.status, sealed.body) == ("response-too-large", 502, b"")
    assert exchange.receive(ResponseBody(b"more", end_of_stream=True), NOW_MS) == []


def test_a_length_over_the_limit_is_refused_before_the_body() -> None:
    exchange, opener = opened(inner())
    _, answer = exchange.receive(response(200, ("content-length", b"5001")), NOW_MS)
    assert isinstance(answer, Answer)
    assert opener.open(answer.response.body).fault == "response-too-large"


def test_envoys_own_answers_are_sealed_like_any_other() -> None:
    exchange, opener = opened(inner())
    exchange.receive(response(429, ("content-type", b"text/plain")), NOW_MS)
    _, body = given(exchange.receive(ResponseBody(b"local_rate_limited", end_of_stream=True), NOW_MS))
    sealed = opener.open(body)
    assert (sealed.status, sealed.fault) == (429, "")


@pytest.mark.parametrize(
    ("status", "kind"), [(413, "urn:privatelink:problem:too-large"), (408, "about:blank")]
)
def test_a_response_before_the_body_has_opened_is_a_plain_problem(status: int, kind: str) -> None:
    exchange = link.exchange()
    exchange.receive(RequestHeaders(sealed_headers(origin=SHOP), PEER, end_of_stream=False), NOW_MS)
    assert exchange.receive(response(status, ("content-type", b"text/plain")), NOW_MS) == []
    respond, body = given(exchange.receive(ResponseBody(b"Payload Too Large", end_of_stream=True), NOW_MS))
    assert respond.response.status == status
    assert json.loads(body) == {"type": kind}
    assert respond.response.headers.get("access-control-allow-origin") == SHOP.encode()
    assert not exchange.is_open


def test_cookies_leave_sealed_and_come_back_to_their_own_path_only() -> None:
    binding = bytes(32)
    exchange, _ = opened(inner(cookie_binding=binding))
    lines = [("set-cookie", b"sid=secret; Path=/orders"), ("set-cookie", b"theme=dark; Path=/")]
    (respond,) = exchange.receive(response(200, *lines, end_of_stream=True), NOW_MS)
    assert isinstance(respond, Respond)
    outside = [value.decode() for value in respond.response.headers.get_all("set-cookie")]
    assert all(line.startswith(PREFIX) and "secret" not in line for line in outside)
    jar = "; ".join(line.partition(";")[0] for line in outside)

    def cookie_at(path: str, binding: bytes) -> str | None:
        forward = forwarded(inner(path=path, cookie_binding=binding), cookie=jar)
        return forward.request.headers.text("cookie")

    assert cookie_at("/orders/1", binding) == "sid=secret; theme=dark"
    assert cookie_at("/prices", binding) == "theme=dark"
    assert cookie_at("/orders/1", b"another client's binding, stolen"[:32]) is None


def test_an_answer_can_be_given_once_only() -> None:
    exchange, _ = opened(inner())
    exchange.receive(response(200, end_of_stream=True), NOW_MS)
    assert exchange.receive(ResponseBody(b"late", end_of_stream=True), NOW_MS) == []


def test_the_clients_claims_reach_the_log_made_printable() -> None:
    exchange, _ = opened(inner(client=pb.ClientInfo(sdk="python/1.0\n", app="x" * 99)))
    (respond,) = exchange.receive(response(200, end_of_stream=True), NOW_MS)
    assert isinstance(respond, Respond)
    assert respond.metadata["sdk"] == "python/1.0?"
    assert len(respond.metadata["app"]) == 64
    assert respond.metadata["outcome"] == "ok"
    assert respond.metadata["status"] == "200"


def test_envoys_own_refusal_after_ours_is_not_replied_to() -> None:
    exchange = link.exchange()
    too_long = RequestHeaders(sealed_headers(content_length="10001"), PEER, end_of_stream=False)
    assert isinstance(exchange.receive(too_long, NOW_MS)[-1], Answer)
    assert exchange.receive(response(413), NOW_MS) == []
    assert exchange.receive(ResponseBody(b"Payload Too Large", end_of_stream=True), NOW_MS) == []
