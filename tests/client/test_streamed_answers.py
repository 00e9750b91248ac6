"""Answers that come as streams.

Invariant: the caller gets what the upstream said, each piece of it when it has come.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extproc.client import LinkError
from extproc.link.envelope import MEDIA_STREAM, MEDIA_WHOLE
from extproc.link.pb import privatelink_pb2 as pb
from tests.client.conftest import Hearer, Opening
from tests.client.gateway import SHOP, START_MS, Clock, Gateway
from tests.client.menu import BODY, changed, menu


@pytest.fixture(autouse=True)
def upstream(gateway: Gateway) -> None:
    gateway.upstream, gateway.streams = menu, True


def test_it_is_the_upstreams(connect: Opening, gateway: Gateway) -> None:
    response = connect()("GET", SHOP)
    assert (response.status_code, response.headers.raw, response.content) == (203, [(b"x-n", b"1")], BODY)
    assert response.extensions["trailers"].raw == [(b"x-sum", b"9"), (b"x-sum", b"\xe9")]
    assert response.extensions["link"] == {
        "key_id": gateway.keys[0].key_id.hex(),
        "request_id": "r-1",
        "repeated": False,
        "elapsed": 0.0,
    }


def test_each_piece_is_there_when_it_has_come(gateway: Gateway, hear: Hearer) -> None:
    log: list[object] = []

    def coming(pieces: list[bytes]) -> Iterator[bytes]:
        for number, piece in enumerate(pieces):
            log.append(number)
            yield piece

    gateway.script.append(changed(gateway, coming))
    hear("GET", SHOP, heard=log.append)
    assert log == [0, b"", 1, b"tea, ", 2, b"coffe", 3, b"e, co", 4, b"coa", 5]


def test_trailers_come_with_the_end(gateway: Gateway, hear: Hearer) -> None:
    before = hear("GET", SHOP, most=4).response.extensions["trailers"]
    after = hear("GET", SHOP).response.extensions["trailers"]
    assert (list(before), list(after)) == ([], ["x-sum"])


def test_lines_of_an_event_stream(connect: Opening, gateway: Gateway) -> None:
    gateway.upstream = lambda _: pb.InnerResponse(status=200, body=b"data: tea\n\ndata: 2\n\n")
    assert list(connect()("GET", SHOP).iter_lines()) == ["data: tea", "", "data: 2", ""]


def test_codings_are_decoded_on_top(gateway: Gateway, hear: Hearer) -> None:
    coded = pb.Header(name="content-encoding", value=b"gzip")
    body = gzip.compress(b"tea" * 999)
    gateway.upstream = lambda _: pb.InnerResponse(status=200, headers=[coded], body=body)
    assert hear("GET", SHOP).body == b"tea" * 999


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
def test_an_answer_without_a_body(gateway: Gateway, hear: Hearer, method: str, status: int) -> None:
    gateway.upstream = lambda _: pb.InnerResponse(status=status)
    heard = hear(method, SHOP)
    assert (heard.response.status_code, heard.pieces, heard.error) == (status, [], None)


def test_it_may_be_longer_than_a_whole_one(
    gateway: Gateway, hear: Hearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extproc.client.exchange.MAX_RESPONSE", 1000)
    gateway.upstream = lambda _: pb.InnerResponse(status=200, body=b"tea" * 1000)
    assert hear("GET", SHOP).body == b"tea" * 1000


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_wire_may_cut_it_anywhere(gateway: Gateway, hear: Hearer, data: st.DataObject) -> None:
    def cut(pieces: list[bytes]) -> Iterator[bytes]:
        body = b"".join(pieces)
        cuts = sorted({0, len(body), *data.draw(st.lists(st.integers(0, len(body))))})
        yield from (body[start:end] for start, end in pairwise(cuts))

    gateway.script.append(changed(gateway, cut))
    heard = hear("POST", SHOP)
    assert (heard.body, heard.error) == (BODY, None)
    assert heard.response.extensions["trailers"].get_list("x-sum") == ["9", "é"]


def test_what_the_head_tells(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    """Cookies, the directory's serial, faults and the gateway's clock."""
    call = connect(directory=gateway.signed())
    gateway.now_ms = lambda: clock.ms + 60_000
    gateway.set_cookies, gateway.serial = ["a=1; Path=/; Secure"], 2
    gateway.script += [
        gateway.refusing("clock-skew", gateway_time_ms=clock.ms + 60_000),
        gateway.refusing("not-permitted"),
    ]
    with pytest.raises(LinkError) as raised:
        call("POST", SHOP)
    assert (raised.value.fault, raised.value.outcome_unknown) == ("not-permitted", True)
    clock.advance(5)
    call("GET", SHOP)
    assert [inner.sent_at_ms - START_MS for inner in gateway.opened] == [0, 60_000, 65_000]
    assert [outer.headers.get("cookie") for outer in gateway.posts] == [None, "a=1", "a=1"]
    assert len(gateway.fetches) == 1


def test_one_form_is_not_the_other(connect: Opening, gateway: Gateway) -> None:
    """Neither by its content type nor by its framing: the keys differ."""

    def as_whole(request: httpx.Request) -> httpx.Response:
        response = gateway.answer(request)
        response.headers["content-type"] = MEDIA_WHOLE
        return response

    def as_stream(request: httpx.Request) -> httpx.Response:
        gateway.streams = False
        sealed = pb.SealedResponse.FromString(gateway.answer(request).content)
        preamble = pb.SealedResponse(nonce=sealed.nonce).SerializeToString()
        segment = len(sealed.ciphertext).to_bytes(4, "big") + sealed.ciphertext
        return gateway.streamed([bytes([len(preamble)]) + preamble + segment])

    for other in (as_whole, as_stream):
        gateway.script.append(other)
        with pytest.raises(LinkError, match="bad-response"):
            connect()("GET", SHOP)


@pytest.mark.parametrize("status", [201, 400, 503])
def test_a_stream_under_another_status_is_hearsay(connect: Opening, gateway: Gateway, status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        response = gateway.answer(request)
        response.status_code = status
        return response

    gateway.script.append(answer)
    with pytest.raises(LinkError, match=f"gateway: answered {status}, with {MEDIA_STREAM}"):
        connect()("GET", SHOP)


@pytest.mark.parametrize(
    "inner",
    [pb.InnerResponse(status=99), pb.InnerResponse(status=200, headers=[pb.Header(name="X")])],
    ids=["status", "header"],
)
def test_a_malformed_head(connect: Opening, gateway: Gateway, inner: pb.InnerResponse) -> None:
    gateway.upstream = lambda _: inner
    with pytest.raises(LinkError, match="bad-response"):
        connect()("GET", SHOP)


@pytest.mark.parametrize("trailer", [pb.Header(name="X-Sum"), pb.Header(name="x-sum", value=b" 9")])
def test_trailers_that_are_none(gateway: Gateway, hear: Hearer, trailer: pb.Header) -> None:
    gateway.upstream = lambda _: pb.InnerResponse(status=200, body=BODY, trailers=[trailer])
    heard = hear("GET", SHOP)
    assert isinstance(heard.error, LinkError)
    assert (heard.body, heard.error.code) == (BODY, "bad-response")
    assert list(heard.response.extensions["trailers"]) == []
