"""One exchange over the link, whole.

Invariant: all of the inner request goes inside the seal and none of it outside, and httpx's caller gets what
the upstream said.
"""

from __future__ import annotations

import gzip
import zlib

import httpx
import pytest

from extproc import __version__
from extproc.link.pb import privatelink_pb2 as pb
from tests.client.conftest import Opening
from tests.client.gateway import SHOP, Clock, Gateway


def fields(inner: pb.InnerRequest) -> list[tuple[str, bytes]]:
    return [(header.name, header.value) for header in inner.headers]


def test_the_inner_request_is_the_callers(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    call = connect(app="shop/2.1", install_id="i-7", tags={"channel": "beta"})
    call(
        "POST",
        f"{SHOP}:8443/a%20b/../orders?q=1&q=%C3%A4#top",
        json={"item": "tea"},
        headers={"X-Trace": "7"},
    )
    (inner,) = gateway.ran
    assert (inner.method, inner.scheme, inner.authority) == ("POST", "https", "shop.example.com:8443")
    assert inner.path == "/orders?q=1&q=%C3%A4"
    assert inner.body == b'{"item":"tea"}'
    assert ("x-trace", b"7") in fields(inner)
    assert ("content-length", b"14") in fields(inner)
    assert inner.sent_at_ms == clock.ms
    assert (len(inner.exchange_id), len(inner.cookie_binding)) == (16, 32)
    assert inner.accept_stream
    assert inner.client == pb.ClientInfo(
        sdk=f"python/{__version__}",
        platform="cpython",
        app="shop/2.1",
        install_id="i-7",
        tags={"channel": "beta"},
    )


def test_nothing_of_it_is_outside(connect: Opening, gateway: Gateway) -> None:
    headers = {
        "authorization": "Bearer s3cret",
        "referer": f"{SHOP}/cart",
        "origin": SHOP,
        "cookie": "sid=s3cret",
    }
    connect()("PUT", f"{SHOP}/s3cret", content=b"s3cret" * 9, headers=headers, timeout=7)
    (outer,) = gateway.posts
    assert str(outer.url) == "https://gw.example.com/_link"
    assert outer.headers.multi_items() == [
        ("host", "gw.example.com"),
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("user-agent", f"extproc-python/{__version__}"),
        ("content-type", "application/privatelink"),
        ("content-length", str(len(outer.content))),
    ]
    assert b"s3cret" not in outer.content
    assert outer.extensions["timeout"] == {"connect": 7, "read": 7, "write": 7, "pool": 7}


def test_fields_of_one_connection_stay_behind(connect: Opening, gateway: Gateway) -> None:
    connection = {
        "connection": "close, X-Hop",
        "x-hop": "1",
        "te": "trailers",
        "proxy-authorization": "Basic eA==",
    }
    connect()(
        "GET", SHOP, headers={**connection, "upgrade": "h2c", "host": "other.example.com", "x-end": " 1\t"}
    )
    (inner,) = gateway.ran
    assert inner.authority == "other.example.com"
    assert [name for name, _ in fields(inner)] == ["accept", "accept-encoding", "user-agent", "x-end"]
    assert ("x-end", b"1") in fields(inner)


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        ("gzip, deflate, br, zstd", b"gzip, deflate"),
        ("br;q=1.0, gzip;q=0.5, *;q=0.1", b"gzip;q=0.5"),
        ("br", b"identity"),
        ("identity", b"identity"),
    ],
)
def test_only_codings_that_can_be_decoded_are_offered(
    connect: Opening, gateway: Gateway, offered: str, sent: bytes
) -> None:
    connect()("GET", SHOP, headers={"accept-encoding": offered})
    assert ("accept-encoding", sent) in fields(gateway.ran[0])


def upstream(gateway: Gateway, status: int, *headers: tuple[str, bytes], body: bytes = b"") -> None:
    named = [pb.Header(name=name, value=value) for name, value in headers]
    trailers = [pb.Header(name="x-checksum", value=b"9")]
    gateway.upstream = lambda _: pb.InnerResponse(status=status, headers=named, body=body, trailers=trailers)


def test_the_response_is_the_upstreams(connect: Opening, gateway: Gateway) -> None:
    upstream(
        gateway, 418, ("link", b"</a>"), ("x-n", b"1"), ("link", b"</b>"), ("x-l", b"\xe9"), body=b"\0tea"
    )
    response = connect()("GET", SHOP)
    assert (response.status_code, response.content) == (418, b"\0tea")
    assert response.headers.get_list("link") == ["</a>", "</b>"]
    assert response.headers.raw[3] == (b"x-l", b"\xe9")
    assert response.extensions["trailers"] == httpx.Headers({"x-checksum": "9"})
    assert response.extensions["link"] == {
        "key_id": gateway.keys[0].key_id.hex(),
        "request_id": "r-1",
        "repeated": False,
        "elapsed": 0.0,
    }


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(b"tea" * 99, mtime=0)),  # a test's name is the same in every process
        (b"deflate", zlib.compress(b"tea" * 99)),
        (b"deflate", zlib.compress(b"tea" * 99, wbits=-15)),
    ],
)
def test_codings_are_decoded(connect: Opening, gateway: Gateway, coding: bytes, body: bytes) -> None:
    length = ("content-length", str(len(body)).encode())
    upstream(gateway, 200, ("content-encoding", coding), length, body=body)
    assert connect()("GET", SHOP).content == b"tea" * 99


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body(connect: Opening, gateway: Gateway, method: str, status: int) -> None:
    upstream(gateway, status, ("content-length", b"99"), ("content-encoding", b"gzip"))
    response = connect()(method, SHOP)
    assert (response.status_code, response.content) == (status, b"")
    assert response.headers["content-length"] == "99"


def test_inner_redirects_are_the_clients_to_follow(connect: Opening, gateway: Gateway) -> None:
    def redirect(inner: pb.InnerRequest) -> pb.InnerResponse:
        location = [pb.Header(name="location", value=b"/orders/7")]
        return pb.InnerResponse(status=200 if inner.path == "/orders/7" else 303, headers=location)

    gateway.upstream = redirect
    response = connect()("POST", f"{SHOP}/orders", content=b"tea", follow_redirects=True)
    assert [hop.status_code for hop in (*response.history, response)] == [303, 200]
    assert [(inner.method, inner.path) for inner in gateway.ran] == [
        ("POST", "/orders"),
        ("GET", "/orders/7"),
    ]


@pytest.mark.parametrize("padding", ["none", "padme"])
def test_padding_hides_lengths_only_when_told(connect: Opening, gateway: Gateway, padding: str) -> None:
    call = connect(padding=padding)
    for length in (1000, 1001):
        call("POST", SHOP, content=bytes(length))
    one, other = (len(outer.content) for outer in gateway.posts)
    assert (one == other) is (padding == "padme")


def test_each_sealing_is_its_own(connect: Opening, gateway: Gateway) -> None:
    """A fresh nonce and exchange id each time, one secret for many."""
    call = connect()
    for _ in range(3):
        call("GET", SHOP)
    sealed = [pb.SealedRequest.FromString(outer.content) for outer in gateway.posts]
    assert len({message.nonce for message in sealed}) == 3
    assert len({inner.exchange_id for inner in gateway.ran}) == 3
    assert len({message.encapsulation for message in sealed}) == 1
    assert len(gateway.fetches) == 1
