"""Transcripts of what is decided by the request headers alone."""

from __future__ import annotations

import pytest

from extproc.exchange.actions import AwaitBody, CheckStore
from extproc.exchange.events import (
    RequestBody,
    ResponseBody,
    StoreChecked,
)
from extproc.exchange.machine import ProtocolError
from extproc.message import Headers
from tests.exchange import link
from tests.exchange.link import (
    NOW_MS,
    SHOP,
    only_answer,
    outer,
    problem_of,
    sealed_headers,
    started,
)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (outer("GET"), "method"),
        (outer("DELETE", "/_link/keys"), "method"),
        (outer("POST", "/_link/health"), "method"),
        (outer(content_type="application/json"), "media-type"),
        (outer(), "media-type"),
        (outer(content_type="application/privatelink-stream"), "media-type"),
        (outer(content_type="text/plain; application/privatelink"), "media-type"),
        (sealed_headers(content_length="10001"), "too-large"),
        (sealed_headers(origin="https://evil.example.com"), "origin"),
        (sealed_headers(origin="null"), "origin"),
        (outer("GET", "/_link/keys", origin="https://evil.example.com"), "origin"),
    ],
)
def test_what_is_refused_by_its_headers(headers: Headers, code: str) -> None:
    exchange, actions = started(headers)
    assert problem_of(actions) == code
    assert not exchange.is_open


def test_a_405_says_what_is_allowed() -> None:
    _, actions = started(outer("GET"))
    assert only_answer(actions).response.headers.get("allow") == b"OPTIONS, POST"


def test_a_post_without_a_body_is_a_bad_envelope() -> None:
    _, actions = started(sealed_headers(), end_of_stream=True)
    assert problem_of(actions) == "bad-envelope"


def test_parameters_of_the_media_type_do_not_matter() -> None:
    _, actions = started(outer(content_type="application/privatelink; v=1"))
    assert actions == [AwaitBody()]


@pytest.mark.parametrize(
    ("headers", "status", "allowed_origin"),
    [
        (outer("OPTIONS", origin=SHOP, access_control_request_method="POST"), 204, SHOP.encode()),
        (outer("OPTIONS", origin="https://evil.example", access_control_request_method="POST"), 204, None),
        (outer("OPTIONS"), 204, None),
        (outer("OPTIONS", "/_link/keys"), 204, None),
        (outer("GET", "/_link/keys?x=1", origin=SHOP), 200, SHOP.encode()),
    ],
)
def test_what_is_answered_at_once(headers: Headers, status: int, allowed_origin: bytes | None) -> None:
    exchange, actions = started(headers, end_of_stream=True)
    answer = only_answer(actions).response
    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == allowed_origin
    assert not exchange.is_open


def test_the_directory_is_cacheable_for_an_hour_at_most() -> None:
    _, actions = started(outer("GET", "/_link/keys"))
    answer = only_answer(actions).response
    assert answer.body == b"a signed directory"
    assert answer.headers.get("content-type") == b"application/privatelink-keys"
    assert answer.headers.get("cache-control") == b"public, max-age=3600"


@pytest.mark.parametrize(
    ("can_tell", "late_s", "status"),
    [(True, 0, 204), (False, 0, 503), (True, 3600, 503), (False, 3600, 503)],
)
def test_health_needs_a_key_that_opens_and_a_store_that_can_tell(
    can_tell: bool, late_s: int, status: int
) -> None:
    exchange, actions = started(outer("GET", "/_link/health", origin=SHOP), end_of_stream=True)
    assert actions == [CheckStore()]
    assert exchange.is_open
    answer = only_answer(exchange.receive(StoreChecked(can_tell), NOW_MS + 1000 * late_s)).response
    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == SHOP.encode()
    assert not exchange.is_open


def test_a_refusal_can_be_read_by_the_page_that_caused_it() -> None:
    _, actions = started(outer(content_type="text/plain", origin=SHOP))
    headers = only_answer(actions).response.headers
    assert headers.get("access-control-allow-origin") == SHOP.encode()


def test_a_path_that_is_not_the_links_ends_the_stream() -> None:
    with pytest.raises(ProtocolError, match="mend Envoy's routes"):
        started(outer("GET", "/prices"))


def test_an_event_out_of_place_is_a_protocol_error() -> None:
    exchange = link.exchange()
    with pytest.raises(ProtocolError, match="RequestBody while START"):
        exchange.receive(RequestBody(b"", end_of_stream=True), NOW_MS)
    with pytest.raises(ProtocolError, match="ResponseBody while START"):
        exchange.receive(ResponseBody(b"", end_of_stream=True), NOW_MS)
