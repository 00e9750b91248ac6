"""Requests that leave as streams.

Invariant: what is small leaves whole; of anything else each piece is sealed and sent as it comes, and less
than all of the caller's body never ends like all of it.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from extproc import __version__, errors
from extproc.client import LinkError
from extproc.client.errors import may_have_run
from extproc.link import base64url
from extproc.link.envelope import MEDIA_STREAM, MEDIA_WHOLE
from extproc.link.framing import MAX_SEGMENT
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem
from tests.client.conftest import Caller, Opening, generated
from tests.client.gateway import SHOP, Gateway, answering, problem
from tests.client.pieces import Wire

LIMIT = 65_536  # the double's max_request_bytes
MARKED = {"link": {"repeatable": True}}


def fields(inner: pb.InnerRequest) -> dict[str, bytes]:
    return {header.name: header.value for header in inner.headers}


def form(outer: httpx.Request) -> str:
    assert outer.url.path == ("/_link" if outer.headers["content-type"] == MEDIA_WHOLE else "/_link/stream")
    return outer.headers["content-type"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", MEDIA_WHOLE),
        (b"tea", MEDIA_WHOLE),
        (bytes(LIMIT), MEDIA_STREAM),
        (os.urandom(300_000), MEDIA_STREAM),
    ],
    ids=lambda value: len(value) if isinstance(value, bytes) else value,
)
def test_bytes(connect: Opening, gateway: Gateway, body: bytes, expected: str) -> None:
    response = connect()("PUT", f"{SHOP}/cart", content=body)
    assert (response.content, form(gateway.posts[0])) == (body, expected)
    (inner,) = gateway.ran
    assert (inner.method, inner.path, inner.accept_stream) == ("PUT", "/cart", True)
    assert fields(inner)["content-length"] == b"%d" % len(body)


@pytest.mark.parametrize("padding", ["none", "padme"])
def test_it_is_the_sealed_size_that_counts(connect: Opening, gateway: Gateway, padding: str) -> None:
    call = connect(padding=padding)
    forms = []
    for length in range(LIMIT - 5000, LIMIT, 250):
        assert len(call("POST", SHOP, content=bytes(length)).content) == length
        forms.append(form(gateway.posts[-1]))
        assert forms[-1] == MEDIA_STREAM or len(gateway.posts[-1].content) <= LIMIT
    assert forms == sorted(forms), "whole up to a length, then streamed"
    assert set(forms) == {MEDIA_WHOLE, MEDIA_STREAM}


@pytest.mark.parametrize(("length", "expected"), [(9, MEDIA_WHOLE), (300_000, MEDIA_STREAM)])
def test_a_form_with_a_file(connect: Opening, gateway: Gateway, length: int, expected: str) -> None:
    """Its length is known."""
    connect()("POST", SHOP, files={"photo": io.BytesIO(bytes(length))}, data={"name": "tea"})
    (inner,) = gateway.ran
    assert form(gateway.posts[0]) == expected
    assert int(fields(inner)["content-length"]) == len(inner.body) > length


def test_a_generator(connect: Opening, gateway: Gateway) -> None:
    pieces = [b"tea", b"", b"coffee" * 20_000]
    call = connect()
    assert call("POST", SHOP, content=generated(connect, pieces)).content == b"".join(pieces)
    assert form(gateway.posts[0]) == MEDIA_STREAM
    assert not {"content-length", "transfer-encoding"} & set(fields(gateway.ran[0]))
    assert call("POST", SHOP, content=generated(connect, [])).content == b""


def test_a_generator_of_a_declared_length(connect: Opening, gateway: Gateway) -> None:
    for length, expected in ((3, MEDIA_WHOLE), (99_999, MEDIA_STREAM)):
        body = generated(connect, [bytes(length)])
        connect()("POST", SHOP, content=body, headers={"content-length": str(length)})
        assert form(gateway.posts[-1]) == expected
        assert fields(gateway.ran[-1])["content-length"] == b"%d" % length


def test_nothing_of_it_is_outside(connect: Opening, gateway: Gateway) -> None:
    headers = {"authorization": "Bearer s3cret", "cookie": "sid=s3cret"}
    body = generated(connect, [b"s3cret" * 9])
    connect()("PUT", f"{SHOP}/s3cret", content=body, headers=headers, timeout=7)
    (outer,) = gateway.posts
    assert str(outer.url) == "https://gw.example.com/_link/stream"
    assert outer.headers.multi_items() == [
        ("host", "gw.example.com"),
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("user-agent", f"extproc-python/{__version__}"),
        ("content-type", "application/privatelink-stream"),
        ("transfer-encoding", "chunked"),
    ]
    assert b"s3cret" not in outer.content
    assert outer.extensions["timeout"] == {"connect": 7, "read": 7, "write": 7, "pool": 7}


def wired(connect: Opening, gateway: Gateway, sent: Callable[[bytes], object], **options: Any) -> Caller:
    return connect(transport=Wire(gateway.handle, sent), **options)


def test_each_piece_leaves_when_it_has_come(connect: Opening, gateway: Gateway) -> None:
    log: list[str] = []

    def coming() -> Iterator[bytes]:
        for piece in ("tea", "coffee"):
            log.append(piece)
            yield piece.encode()
        log.append("end")

    gateway.script.append(gateway.answer)
    call = wired(connect, gateway, lambda piece: log.append(f"{len(piece)} bytes"))
    call("GET", SHOP)  # and the directory is there
    log.clear()
    call("POST", SHOP, content=generated(connect, coming()))
    head, *rest = log
    assert head.endswith("bytes")
    assert rest == ["tea", "25 bytes", "coffee", "28 bytes", "end", "20 bytes"]


def test_a_long_piece_leaves_in_short_ones(connect: Opening, gateway: Gateway) -> None:
    """So that not all of it is in memory twice."""
    lengths: list[int] = []
    body = os.urandom(1_000_000)
    call = wired(connect, gateway, lambda piece: lengths.append(len(piece)))
    assert call("POST", SHOP, content=body).content == body
    assert max(lengths) <= MAX_SEGMENT + 4


def test_padding_hides_lengths_of_pieces(connect: Opening, gateway: Gateway) -> None:
    lengths: list[int] = []
    call = wired(connect, gateway, lambda piece: lengths.append(len(piece)), padding="padme")
    for length in (1000, 1001):
        call("POST", SHOP, content=generated(connect, [bytes(length)]))
    assert lengths[-2] == lengths[-5]


class SpilledError(Exception):
    """A trouble of the caller's own."""


def assert_cut_short(gateway: Gateway, sent: list[bytes]) -> None:
    """What has left opens, but does not end."""
    outer = httpx.Request(
        "POST",
        "https://gw.example.com/_link/stream",
        headers={"content-type": MEDIA_STREAM},
        content=b"".join(sent),
    )
    with pytest.raises(errors.LinkError, match="truncated"):
        gateway.open(outer)


@pytest.mark.parametrize("trouble", [SpilledError("oh"), httpx.ReadError("of another client")])
def test_a_generator_that_raises(connect: Opening, gateway: Gateway, trouble: Exception) -> None:
    def spilling() -> Iterator[bytes]:
        yield b"tea"
        raise trouble

    sent: list[bytes] = []
    call = wired(connect, gateway, sent.append)
    with pytest.raises(type(trouble)) as raised:
        call("POST", SHOP, content=generated(connect, spilling()), extensions=MARKED)
    assert raised.value is trouble
    assert gateway.posts == []
    assert_cut_short(gateway, sent)


@pytest.mark.parametrize(("declared", "text"), [(99_999, "Too much"), (100_001, "Too little")])
def test_a_body_of_another_length(connect: Opening, gateway: Gateway, declared: int, text: str) -> None:
    sent: list[bytes] = []
    call = wired(connect, gateway, sent.append)
    for body in (generated(connect, [bytes(50_000)] * 2), bytes(100_000)):
        sent.clear()
        with pytest.raises(httpx.LocalProtocolError, match=f"{text} data for declared Content-Length"):
            call("POST", SHOP, content=body, headers={"content-length": str(declared)})
        assert_cut_short(gateway, sent)
    assert gateway.posts == []


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (f"{SHOP}//a", {}),
        (SHOP, {"content-length": "many"}),
        (SHOP, {"content-length": "9" * 5000}),
        (SHOP, {"x_risk": "1"}),
    ],
)
def test_what_the_gateway_would_refuse_is_not_begun(
    connect: Opening, gateway: Gateway, url: str, headers: dict[str, str]
) -> None:
    begun: list[bool] = []

    def body() -> Iterator[bytes]:
        begun.append(True)
        yield b"tea"

    with pytest.raises(LinkError, match="bad-request"):
        connect()("POST", url, content=generated(connect, body()), headers=headers)
    assert (gateway.posts, begun) == ([], [])


def test_headers_that_no_segment_can_hold(connect: Opening, gateway: Gateway) -> None:
    headers = {f"x-{number}": "x" * 400 for number in range(160)}
    with pytest.raises(LinkError, match="too-large: all but the body") as raised:
        connect()("POST", SHOP, content=generated(connect, [b"tea"]), headers=headers)
    assert not may_have_run(raised.value)
    assert gateway.posts == []


def test_a_generator_of_the_other_kind_is_httpxs_to_refuse(connect: Opening, gateway: Gateway) -> None:
    async def pieces_async() -> AsyncIterator[bytes]:
        yield b"tea"

    body = iter([b"tea"]) if connect.is_async else pieces_async()
    with pytest.raises(RuntimeError, match="Attempted to send an"):
        connect()("POST", SHOP, content=body)
    assert gateway.posts == []


@pytest.mark.parametrize("streams", [False, True])
def test_bytes_in_hand_are_sent_again(connect: Opening, gateway: Gateway, streams: bool) -> None:
    """The same exchange under a fresh nonce, from its first byte."""
    body = os.urandom(200_000)
    call = connect()
    gateway.streams = streams
    for trouble in (httpx.ReadError("reset"), gateway.refusing("unavailable")):
        gateway.script.append(trouble)
        response = call("POST", SHOP, content=body, extensions=MARKED)
        assert response.content == body
        assert response.extensions["link"]["repeated"]
    assert len({inner.exchange_id for inner in gateway.opened}) == 2
    assert len({outer.content[:1000] for outer in gateway.posts}) == len(gateway.posts) == 4


def test_a_gateway_that_takes_no_streams(connect: Opening, gateway: Gateway) -> None:
    """A generator is read to its end first; it is spent all the same."""
    gateway.stream_path = ""
    call = connect()
    gateway.script.append(httpx.ReadError("reset"))
    with pytest.raises(httpx.ReadError):
        call("POST", SHOP, content=generated(connect, [b"tea"]), extensions=MARKED)
    assert call("POST", SHOP, content=generated(connect, [b"t", b"ea"])).content == b"tea"
    with pytest.raises(LinkError, match="too-large"):
        call("POST", SHOP, content=generated(connect, [bytes(LIMIT)]))
    assert [form(outer) for outer in gateway.posts] == [MEDIA_WHOLE] * 2


def test_a_gateway_that_takes_no_streams_any_more(connect: Opening, gateway: Gateway) -> None:
    """`unknown-key` has brought another directory, and the second sealing would go by that one."""
    call = connect()
    call("GET", SHOP)
    gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], 2
    gateway.script.append(answering(problem("unknown-key")))
    gateway.stream_path = ""
    with pytest.raises(LinkError, match="too-large") as raised:
        call("POST", SHOP, content=bytes(LIMIT))
    assert may_have_run(raised.value)
    assert len(gateway.posts) == 2


def test_with_pinned_keys_it_goes_below_the_links_path(connect: Opening, gateway: Gateway) -> None:
    pin = "x25519:" + base64url.encode(gateway.keys[0].public.raw)
    assert connect(keys=[pin])("POST", SHOP, content=generated(connect, [b"tea"])).content == b"tea"
    assert form(gateway.posts[0]) == MEDIA_STREAM
