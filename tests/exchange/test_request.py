"""Transcripts of the request half: event, expected actions, event, expected actions."""

from __future__ import annotations

from typing import Any

import pytest

from extproc.exchange.actions import Action, AwaitBody, CheckReplay, DropRequestTrailers, Forward
from extproc.exchange.events import (
    ReplayChecked,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
)
from extproc.exchange.exchange import Exchange
from extproc.exchange.gateway import RoutePolicy
from extproc.link.envelope import ResponseOpener
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict
from extproc.message import Headers, Request
from extproc.policy.cookies import CookiePolicy
from tests.exchange import link
from tests.exchange.link import (
    KEY,
    NOW_MS,
    PEER,
    SHOP,
    Client,
    fault_of,
    gone,
    inner,
    only_answer,
    problem_of,
    response,
    sealed_headers,
    started,
)


def asked(request: pb.InnerRequest, **fields: str) -> tuple[Exchange, ResponseOpener, list[Action]]:
    """An exchange whose body has come."""
    exchange, _ = started(sealed_headers(**fields))
    body, opener = Client().seal(request)
    return exchange, opener, exchange.receive(RequestBody(body, end_of_stream=True), NOW_MS)


def test_a_sealed_request_takes_the_place_of_the_outer_one() -> None:
    exchange, actions = started(sealed_headers(cookie="a=1", accept="*/*", user_agent="phone"))
    assert actions == [AwaitBody()]
    assert exchange.is_open

    request = inner(method="PUT", body=b"one pen", headers=[pb.Header(name="x-user-id", value=b"42")])
    body, _ = Client().seal(request)
    actions = exchange.receive(RequestBody(body, end_of_stream=True), NOW_MS)
    assert actions == [CheckReplay(bytes(16), NOW_MS, NOW_MS // 1000 - 60)]

    (forward,) = exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    assert isinstance(forward, Forward)
    assert (forward.request.method, forward.request.authority) == ("PUT", "shop.example.com")
    assert (forward.request.path, forward.request.body) == ("/orders?q=1", b"one pen")
    assert set(forward.request.headers) == {
        ("x-user-id", b"42"),
        ("user-agent", b"phone"),
        ("x-request-id", b"r-1"),
        ("x-forwarded-for", PEER.encode()),
        ("x-forwarded-proto", b"https"),
        ("content-length", b"7"),
        ("x-link-opened", b"1"),
    }
    assert gone(forward) == {"cookie", "accept", "content-type"}
    assert forward.metadata["outcome"] == "opened"
    assert forward.metadata["key_id"] == KEY.key_id.hex()
    assert exchange.is_open


def test_an_inner_get_has_a_length_of_zero_and_no_transfer_encoding() -> None:
    exchange, _, _ = asked(inner(), transfer_encoding="chunked")
    (forward,) = exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    assert isinstance(forward, Forward)
    assert forward.request.headers.get("content-length") == b"0"
    assert {"transfer-encoding", "content-type"} <= gone(forward)


def test_the_clients_trailers_go_no_further() -> None:
    exchange, _ = started(sealed_headers())
    body, _ = Client().seal(inner())
    exchange.receive(RequestBody(body, end_of_stream=False), NOW_MS)
    exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    trailers = Headers([("x-note", b"1"), ("x-note", b"2"), ("x-link-opened", b"1")])
    assert exchange.receive(RequestTrailers(trailers), NOW_MS) == [DropRequestTrailers(trailers)]


def test_trailers_without_a_body_are_a_bad_envelope() -> None:
    exchange, _ = started(sealed_headers())
    assert (
        problem_of(exchange.receive(RequestTrailers(Headers([("x-note", b"1")])), NOW_MS)) == "bad-envelope"
    )


def test_trailers_after_an_answer_are_not_replied_to() -> None:
    exchange, _ = started(sealed_headers())
    exchange.receive(RequestBody(b"\xff", end_of_stream=False), NOW_MS)
    assert exchange.receive(RequestTrailers(Headers()), NOW_MS) == []


def test_every_failure_to_open_has_the_same_bytes() -> None:
    body, _ = Client().seal(inner())
    broken = [b"", b"\xff" * 40, body[:-1], body + b"\x00", body[:-1] + bytes([body[-1] ^ 1])]
    answers = []
    for envelope in broken:
        exchange, _ = started(sealed_headers())
        actions = exchange.receive(RequestBody(envelope, end_of_stream=True), NOW_MS)
        assert problem_of(actions) == "bad-envelope"
        answers.append(only_answer(actions).response)
    assert all(answer == answers[0] for answer in answers)


def test_an_unknown_key_is_told() -> None:
    exchange, _ = started(sealed_headers())
    body, _ = Client().seal(inner())
    sealed = pb.SealedRequest.FromString(body)
    sealed.key_id = bytes(8)
    actions = exchange.receive(RequestBody(sealed.SerializeToString(), end_of_stream=True), NOW_MS)
    assert problem_of(actions) == "unknown-key"


def test_a_body_over_the_limit_is_too_large() -> None:
    exchange, _ = started(sealed_headers())
    assert problem_of(exchange.receive(RequestBody(bytes(10_001), end_of_stream=True), NOW_MS)) == "too-large"


@pytest.mark.parametrize(("shift", "fault"), [(-120_001, "clock-skew"), (30_001, "clock-skew")])
def test_a_stale_request_is_told_the_time_inside_the_seal(shift: int, fault: str) -> None:
    _, opener, actions = asked(inner(sent_at_ms=NOW_MS + shift))
    assert fault_of(actions, opener) == (fault, 400)


@pytest.mark.parametrize("shift", [-120_000, 30_000])
def test_the_bounds_of_freshness_are_inside(shift: int) -> None:
    _, _, actions = asked(inner(sent_at_ms=NOW_MS + shift))
    assert isinstance(actions[0], CheckReplay)


@pytest.mark.parametrize(
    ("verdict", "fault"), [(Verdict.SEEN, ("replayed", 409)), (Verdict.UNAVAILABLE, ("unavailable", 503))]
)
def test_the_replay_store_decides(verdict: Verdict, fault: tuple[str, int]) -> None:
    exchange, opener, _ = asked(inner())
    actions = exchange.receive(ReplayChecked(verdict), NOW_MS)
    assert fault_of(actions, opener) == fault
    assert only_answer(actions).metadata["fault"] == fault[0]
    assert not exchange.is_open


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/a/%2e%2e/b"},
        {"path": "/_link"},
        {"method": "CONNECT"},
        {"authority": ""},
        {"headers": [pb.Header(name="transfer-encoding", value=b"chunked")]},
        {"headers": [pb.Header(name="x-link-opened", value=b"1")]},
        {"headers": [pb.Header(name="host", value=b"other.example.com")]},
    ],
)
def test_an_inner_request_that_smuggles_is_refused_inside_the_seal(fields: dict[str, Any]) -> None:
    exchange, opener, _ = asked(inner(**fields))
    actions = exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    assert fault_of(actions, opener) == ("bad-request", 400)


def test_cookies_that_would_not_fit_are_refused_inside_the_seal() -> None:
    cookie = [pb.Header(name="cookie", value=b"a=" + b"x" * 60_000)]
    policy = CookiePolicy(mode="plain", keys=(), link_path="/_link")
    exchange = link.exchange(cookies=policy, max_request=200_000)
    body, opener = Client().seal(inner(headers=cookie))
    exchange.receive(
        RequestHeaders(sealed_headers(cookie="b=" + "y" * 40_000), PEER, end_of_stream=False), NOW_MS
    )
    exchange.receive(RequestBody(body, end_of_stream=True), NOW_MS)
    actions = exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    assert fault_of(actions, opener) == ("bad-request", 400)


def test_an_exchange_id_of_another_length_never_reaches_the_store() -> None:
    _, opener, actions = asked(inner(exchange_id=bytes(15)))
    assert fault_of(actions, opener) == ("bad-request", 400)


@pytest.mark.parametrize(
    ("host", "outer_origin", "inner_origin", "permitted"),
    [
        ("shop.example.com", SHOP, None, True),
        ("shop.example.com", SHOP, SHOP, True),
        ("shop.example.com", None, SHOP, True),
        ("shop.example.com", SHOP, "https://admin.example.org", False),
        ("shop.example.com", None, "https://evil.example.com", False),
        ("admin.example.com", "https://admin.example.org", None, True),
        ("admin.example.com", SHOP, None, False),
        ("admin.example.com", None, None, True),
    ],
)
def test_a_route_decides_which_origins_it_serves(
    host: str, outer_origin: str | None, inner_origin: str | None, permitted: bool
) -> None:
    fields = {} if outer_origin is None else {"origin": outer_origin}
    headers = [] if inner_origin is None else [pb.Header(name="origin", value=inner_origin.encode())]
    exchange, opener, _ = asked(inner(authority=host, headers=headers), **fields)
    actions = exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    if permitted:
        assert isinstance(actions[-1], Forward)
    else:
        assert fault_of(actions, opener) == ("not-permitted", 403)


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("shop.example.com", "shop.example.com:443", True),
        ("shop.example.com", "SHOP.example.com", True),
        ("shop.example.com", "a.shop.example.com", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*", "[::1]:80", True),
    ],
)
def test_a_route_covers_the_hosts_that_envoy_gives_it(pattern: str, host: str, matches: bool) -> None:
    assert RoutePolicy(pattern, "/a", None).matches(Request("GET", "https", host, "/a/b")) is matches


def test_forged_addresses_inside_and_outside_are_overwritten() -> None:
    forged = [
        pb.Header(name=name, value=b"6.6.6.6") for name in ("x-forwarded-for", "forwarded", "x-real-ip")
    ]
    exchange, _, _ = asked(inner(headers=forged), x_forwarded_for="9.9.9.9", x_envoy_peer="x")
    (forward,) = exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)
    assert isinstance(forward, Forward)
    assert forward.request.headers.get_all("x-forwarded-for") == [PEER.encode()]
    assert not {"forwarded", "x-real-ip", "x-envoy-peer"} & {name for name, _ in forward.request.headers}
    assert "x-envoy-peer" in gone(forward)


def test_a_verdict_after_envoy_has_given_up_forwards_nothing() -> None:
    exchange, _, _ = asked(inner())
    exchange.receive(response(504, end_of_stream=True), NOW_MS)
    assert exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS) == []
