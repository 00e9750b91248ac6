"""Header fields across the seal.

Invariant: a field crosses in a direction only when design and protocol name it for that direction. Outside
stands nothing of the upstream's; upstream stands nothing of the envelope's.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.errors import Code, LinkError
from extproc.message import Headers
from extproc.policy.cors import CorsPolicy, answer_headers
from extproc.policy.headers import (
    carry_over,
    from_browser,
    outer_response,
    to_inner_response,
    to_inner_trailers,
    to_upstream,
)

# An outer request as it stands in Envoy when the processor sees it.
OUTER = Headers(
    [
        (":method", b"POST"),
        (":scheme", b"https"),
        (":authority", b"gw.example.com"),
        (":path", b"/_link"),
        ("content-type", b"application/privatelink"),
        ("content-length", b"512"),
        ("transfer-encoding", b"chunked"),
        ("accept", b"*/*"),
        ("accept-language", b"tr"),
        ("authorization", b"Bearer outer"),
        ("cookie", b"theirs=1"),
        ("user-agent", b"Browser/1"),
        ("origin", b"https://shop.example.com"),
        ("referer", b"https://shop.example.com/cart"),
        ("sec-fetch-site", b"same-site"),
        ("traceparent", b"00-outer"),
        ("tracestate", b"outer=1"),
        ("x-forwarded-for", b"198.51.100.1"),
        ("x-forwarded-proto", b"https"),
        ("x-envoy-external-address", b"198.51.100.1"),
        ("x-request-id", b"11111111-envoy"),
        ("x-link-opened", b"1"),
    ]
)
INNER = Headers([("accept", b"application/json"), ("authorization", b"Bearer inner"), ("x-app", b"1")])
CAME = "203.0.113.7", "https"
SAID = [("x-forwarded-for", b"203.0.113.7"), ("x-forwarded-proto", b"https")]
CROSSING = {"x-request-id", "traceparent", "user-agent", "origin"}


def test_an_inner_request_takes_only_what_it_lacks_from_outside() -> None:
    assert list(carry_over(OUTER, INNER)) == [
        ("accept", b"application/json"),
        ("authorization", b"Bearer inner"),
        ("x-app", b"1"),
        ("x-request-id", b"11111111-envoy"),
        ("traceparent", b"00-outer"),
        ("user-agent", b"Browser/1"),
        ("origin", b"https://shop.example.com"),
    ]


def test_the_sealed_value_wins_but_for_the_request_id() -> None:
    inner = Headers(
        [
            ("x-request-id", b"mine"),
            ("traceparent", b"00-inner"),
            ("user-agent", b"App/2"),
            ("origin", b"https://shop.example.com"),
        ]
    )
    assert carry_over(OUTER, inner) == inner.setting("x-request-id", b"11111111-envoy")


def test_a_native_clients_request_is_left_as_it_is() -> None:
    assert carry_over(Headers([(":method", b"POST"), ("accept", b"*/*")]), INNER) == INNER


@pytest.mark.parametrize("inner_origin", [b"https://evil.com", b"null", b"https://shop.example.com/", b""])
def test_origins_that_differ_are_not_permitted(inner_origin: bytes) -> None:
    with pytest.raises(LinkError) as caught:
        carry_over(OUTER, Headers([("origin", inner_origin)]))
    assert caught.value.code is Code.NOT_PERMITTED


def test_two_outer_origins_are_not_permitted() -> None:
    with pytest.raises(LinkError):
        carry_over(OUTER.adding(("origin", b"https://evil.com")), INNER)


def test_the_upstream_gets_the_inner_request_and_the_truth_about_the_peer() -> None:
    assert to_upstream(carry_over(OUTER, INNER), *CAME) == [
        ("accept", b"application/json"),
        ("authorization", b"Bearer inner"),
        ("x-app", b"1"),
        ("x-request-id", b"11111111-envoy"),
        ("traceparent", b"00-outer"),
        ("user-agent", b"Browser/1"),
        ("origin", b"https://shop.example.com"),
        *SAID,
    ]


def test_what_belongs_to_the_envelope_or_the_hop_never_reaches_the_upstream() -> None:
    inner = Headers(
        [
            (":path", b"/admin"),
            ("Host", b"shop.example.com"),
            ("content-length", b"3"),
            ("content-type", b"text/plain"),
            ("connection", b"close, X-Hop"),
            ("connection", b" x-other-hop "),
            ("x-hop", b"1"),
            ("x-other-hop", b"1"),
            ("te", b"trailers"),
            ("trailer", b"x"),
            ("transfer-encoding", b"chunked"),
            ("upgrade", b"websocket"),
            ("keep-alive", b"timeout=5"),
            ("expect", b"100-continue"),
            ("proxy-authorization", b"Basic eA=="),
            ("X-Link-Opened", b"1"),
            ("x-linked", b"kept"),
        ]
    )
    assert to_upstream(inner, *CAME) == [("content-type", b"text/plain"), ("x-linked", b"kept"), *SAID]


UPSTREAM = Headers(
    [
        (":status", b"200"),
        ("content-type", b"application/json"),
        ("content-length", b"17"),
        ("date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        ("server", b"shop"),
        ("set-cookie", b"sid=1; HttpOnly"),
        ("set-cookie", b"lang=tr"),
        ("access-control-allow-origin", b"*"),
        ("location", b"https://shop.example.com/orders/7"),
        ("x-request-id", b"the upstream's"),
        ("connection", b"X-Hop"),
        ("x-hop", b"1"),
        ("proxy-authenticate", b"Basic"),
        ("transfer-encoding", b"chunked"),
        ("x-envoy-upstream-service-time", b"3"),
        ("x-link-opened", b"1"),
        ("x_under", b"score"),
        ("x-padded", b"\t padded "),
        ("x-broken", b"a\r\nb: c"),
        ("x-nul", b"a\x00"),
    ]
)


def test_the_inner_response_is_the_upstreams_end_to_end() -> None:
    assert to_inner_response(UPSTREAM) == [
        ("content-type", b"application/json"),
        ("content-length", b"17"),
        ("date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        ("server", b"shop"),
        ("set-cookie", b"sid=1; HttpOnly"),
        ("set-cookie", b"lang=tr"),
        ("access-control-allow-origin", b"*"),
        ("location", b"https://shop.example.com/orders/7"),
        ("x-request-id", b"the upstream's"),
        ("x-padded", b"padded"),
    ]


def test_a_trailer_sets_no_cookie() -> None:
    trailers = Headers([("grpc-status", b"0"), ("set-cookie", b"sid=1; HttpOnly"), ("x-envoy-a", b"1")])
    assert to_inner_trailers(trailers) == [("grpc-status", b"0")]


def test_the_outer_response_is_the_gateways_own() -> None:
    cors = Headers([("vary", b"origin"), ("access-control-allow-origin", b"https://shop.example.com")])
    headers = outer_response(
        "application/privatelink", cors=cors, cookies=(b"a=1; Path=/_link", b"b=2"), request_id=b"11111111"
    )
    assert list(headers) == [
        ("content-type", b"application/privatelink"),
        ("cache-control", b"no-store"),
        ("vary", b"origin"),
        ("access-control-allow-origin", b"https://shop.example.com"),
        ("set-cookie", b"a=1; Path=/_link"),
        ("set-cookie", b"b=2"),
        ("x-request-id", b"11111111"),
    ]


def test_a_browser_is_known_by_what_scripts_cannot_leave_out() -> None:
    assert from_browser(Headers([("origin", b"null")]))
    assert from_browser(Headers([("sec-fetch-site", b"none")]))
    assert not from_browser(Headers([("user-agent", b"Mozilla/5.0")]))


names = st.sampled_from(sorted({name for name, _ in [*OUTER, *UPSTREAM]} | {"te", "upgrade", "keep-alive"}))
field_lists = st.lists(st.tuples(names, st.binary(max_size=12)), max_size=12).map(Headers)
FORBIDDEN_OUTSIDE_THE_HOP = re.compile(
    r":.*|proxy-.*|x-link-.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade"
)


@given(outer=field_lists, inner=field_lists)
def test_nothing_of_the_outer_request_reaches_the_upstream_but_what_may(
    outer: Headers, inner: Headers
) -> None:
    try:
        final = to_upstream(carry_over(outer, inner), *CAME)
    except LinkError:
        assert len({*outer.get_all("origin"), *inner.get_all("origin")}) > 1
        return
    assert final[-2:] == SAID
    for name, value in final[:-2]:
        assert not FORBIDDEN_OUTSIDE_THE_HOP.fullmatch(name)
        assert name not in {"host", "content-length"}
        assert (name, value) in list(inner) or (name in CROSSING and (name, value) in list(outer))


@given(field_lists)
def test_no_response_puts_a_field_of_its_own_outside(response: Headers) -> None:
    policy = CorsPolicy(origins=("https://shop.example.com",), credentials=True)
    cors = answer_headers(policy, response.text("origin"))
    outer = outer_response("application/privatelink", cors=cors, request_id=b"1")
    assert {name for name, _ in outer} == {"content-type", "cache-control", "vary", "x-request-id"}


@given(field_lists)
def test_whatever_goes_inside_is_a_field_that_clients_accept(response: Headers) -> None:
    for name, value in to_inner_response(response):
        assert not FORBIDDEN_OUTSIDE_THE_HOP.fullmatch(name)
        assert "_" not in name
        assert value == value.strip(b" \t")
        assert not set(value) & {0, 10, 13}
        assert any(own == name and value in theirs for own, theirs in response)
