"""The repeats of docs/protocol.md, section 8, and no others.

Invariant: a request is sealed again at most once, with the same exchange id under a fresh nonce, within 60 s
of the first sealing, for one of four reasons; it never runs twice; and no failure denies what may have run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from extproc.client import LinkError
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem
from tests.client.conftest import Caller, Opening
from tests.client.gateway import SHOP, START, START_MS, Clock, Gateway, answering, problem

MARKED = {"link": {"repeatable": True}}
TRANSPORT_FAILURES = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("late"),
    httpx.ReadTimeout("late"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("disconnected"),
]


def failing(call: Caller, *args: str, **options: Any) -> LinkError:
    with pytest.raises(LinkError) as raised:
        call(*args, **options)
    return raised.value


def assert_sealed_again(gateway: Gateway) -> None:
    first, second = (pb.SealedRequest.FromString(outer.content) for outer in gateway.posts)
    assert first.nonce != second.nonce


@pytest.mark.parametrize("skew", [-3 * 86_400, -121, 31, 150])
def test_a_clock_that_is_wrong_is_corrected_once(
    connect: Opening, gateway: Gateway, clock: Clock, skew: int
) -> None:
    call = connect(directory=gateway.signed(issued_at=START - 3 * 86_400))
    clock.ms, gateway.now_ms = START_MS + skew * 1000, lambda: START_MS
    response = call("POST", f"{SHOP}/orders", content=b"tea")
    assert (response.content, response.extensions["link"]["repeated"]) == (b"tea", True)
    first, second = gateway.opened
    assert first.exchange_id == second.exchange_id
    assert (first.sent_at_ms, second.sent_at_ms) == (clock.ms, START_MS)
    call("POST", SHOP)
    assert len(gateway.posts) == 3, "the offset was forgotten"
    assert clock.slept == []


def test_a_clock_that_stays_wrong_is_an_error(connect: Opening, gateway: Gateway) -> None:
    gateway.script += [
        gateway.refusing("clock-skew", gateway_time_ms=START_MS + n) for n in (200_000, 900_000)
    ]
    error = failing(connect(), "GET", SHOP)
    assert (error.code, error.fault, error.outcome_unknown) == ("clock-skew", "clock-skew", False)
    assert len(gateway.posts) == 2


def test_a_skew_that_teaches_nothing_is_not_repeated(
    connect: Opening, gateway: Gateway, clock: Clock
) -> None:
    gateway.script.append(gateway.refusing("clock-skew", gateway_time_ms=clock.ms))
    assert failing(connect(), "GET", SHOP).code == "clock-skew"
    assert len(gateway.posts) == 1


def test_unavailable_is_tried_again_after_a_second_or_so(
    connect: Opening, gateway: Gateway, clock: Clock
) -> None:
    gateway.script.append(gateway.refusing("unavailable"))
    assert connect()("POST", SHOP, content=b"tea").content == b"tea"
    assert clock.slept == [pytest.approx(1.25)]
    assert len({inner.exchange_id for inner in gateway.opened}) == 1
    assert_sealed_again(gateway)


def test_unavailable_twice_is_an_error(connect: Opening, gateway: Gateway) -> None:
    gateway.script += [gateway.refusing("unavailable")] * 2
    error = failing(connect(), "GET", SHOP)
    assert (error.fault, error.outcome_unknown) == ("unavailable", True)
    assert len(gateway.posts) == 2


def test_an_upstream_that_says_503_is_an_answer(connect: Opening, gateway: Gateway) -> None:
    gateway.upstream = lambda _: pb.InnerResponse(status=503)
    assert connect()("GET", SHOP).status_code == 503
    assert len(gateway.posts) == 1


def test_unknown_key_leads_to_the_directorys_new_key(
    connect: Opening, gateway: Gateway, clock: Clock
) -> None:
    call = connect()
    call("GET", SHOP)
    gateway.keys, gateway.serial = [PrivateKey.generate(Kem.XWING)], 2
    response = call("POST", SHOP, content=b"tea")
    assert (response.content, response.extensions["link"]["repeated"]) == (b"tea", True)
    assert response.extensions["link"]["key_id"] == gateway.keys[0].key_id.hex()
    assert [fetch.headers.get("cache-control") for fetch in gateway.fetches] == [None, "no-cache"]
    assert clock.slept == [pytest.approx(0.5, abs=0.01)]  # jitter, since every client asks now


def test_unknown_key_without_a_new_one_is_an_error(connect: Opening, gateway: Gateway) -> None:
    gateway.script += [answering(problem("unknown-key"))] * 3
    error = failing(connect(), "GET", SHOP)
    assert (error.code, error.fault, error.outcome_unknown) == ("unknown-key", None, True)
    assert (len(gateway.posts), len(gateway.fetches)) == (1, 2)


def test_a_less_preferred_key_is_no_remedy(connect: Opening, gateway: Gateway) -> None:
    """Who answers `unknown-key` in the gateway's place does not get the client off its best key."""
    gateway.keys = [PrivateKey.generate(Kem.XWING), PrivateKey.generate(Kem.X25519)]
    call = connect()
    call("GET", SHOP)
    gateway.keys.append(PrivateKey.generate(Kem.X25519))
    gateway.serial = 2
    gateway.script.append(answering(problem("unknown-key")))
    failing(call, "GET", SHOP)
    assert {pb.SealedRequest.FromString(outer.content).key_id for outer in gateway.posts} == {
        gateway.keys[0].key_id
    }


@pytest.mark.parametrize("failure", TRANSPORT_FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_are_sent_again(
    connect: Opening, gateway: Gateway, failure: httpx.TransportError, method: str
) -> None:
    gateway.script.append(failure)
    assert connect()(method, SHOP).extensions["link"]["repeated"]
    assert_sealed_again(gateway)


@pytest.mark.parametrize("failure", TRANSPORT_FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_others_only_when_marked(
    connect: Opening, gateway: Gateway, failure: httpx.TransportError, method: str
) -> None:
    call = connect()
    gateway.script.append(failure)
    with pytest.raises(type(failure)) as raised:
        call(method, SHOP)
    assert raised.value.request.url == SHOP, "the inner request, not the outer one"
    gateway.script.append(failure)
    assert call(method, SHOP, content=b"tea", extensions=MARKED).content == b"tea"
    assert (len(gateway.posts), len(gateway.ran)) == (3, 1)


@pytest.mark.parametrize("failure", [httpx.PoolTimeout("full"), httpx.LocalProtocolError("own fault")])
def test_trouble_of_ones_own_is_not_repeated(
    connect: Opening, gateway: Gateway, failure: httpx.TransportError
) -> None:
    gateway.script.append(failure)
    with pytest.raises(type(failure)):
        connect()("GET", SHOP)
    assert len(gateway.posts) == 1


def test_what_ran_does_not_run_again(connect: Opening, gateway: Gateway) -> None:
    """The repeat can then only be `replayed`. What the caller is told is why there was one."""
    gateway.script.append(gateway.running(then=httpx.ReadTimeout("late")))
    with pytest.raises(httpx.ReadTimeout, match="late") as raised:
        connect()("POST", SHOP, content=b"tea", extensions=MARKED)
    (note,) = raised.value.__notes__
    assert "replayed" in note
    assert (len(gateway.posts), len(gateway.ran)) == (2, 1)


@pytest.mark.parametrize(
    "fault", ["bad-request", "not-permitted", "response-too-large", "replayed", "no-such-fault"]
)
def test_other_faults_stand(connect: Opening, gateway: Gateway, fault: str) -> None:
    gateway.script.append(gateway.refusing(fault))
    error = failing(connect(), "GET", SHOP)
    assert error.fault == fault
    assert error.code == ("bad-response" if fault == "no-such-fault" else fault)
    assert error.outcome_unknown is (fault not in {"bad-request", "not-permitted"})
    assert len(gateway.posts) == 1


@pytest.mark.parametrize(
    "code", ["bad-envelope", "too-large", "media-type", "method", "origin", "clock-skew", "unavailable"]
)
def test_problems_stand(connect: Opening, gateway: Gateway, code: str) -> None:
    """Faults count when sealed: said outside, `clock-skew` and `unavailable` are nothing but noise."""
    gateway.script.append(answering(problem(code)))
    error = failing(connect(), "GET", SHOP)
    assert error.code == (code if code not in {"clock-skew", "unavailable"} else "gateway")
    assert (error.fault, error.outcome_unknown) == (None, True)
    assert len(gateway.posts) == 1


@pytest.mark.parametrize("seconds", [59, 61])
def test_not_after_a_minute(connect: Opening, gateway: Gateway, clock: Clock, seconds: int) -> None:
    def slowly(_: httpx.Request) -> httpx.Response:
        clock.advance(seconds)
        clock.ms = START_MS  # set back meanwhile: this is not the clock that counts
        raise httpx.ReadTimeout("late")

    gateway.script.append(slowly)
    call = connect()
    if seconds < 60:
        call("GET", SHOP)
    else:
        with pytest.raises(httpx.ReadTimeout):
            call("GET", SHOP)
    assert len(gateway.posts) == (2 if seconds < 60 else 1)


def test_not_when_the_remedy_took_too_long(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    def slowly(_: httpx.Request) -> httpx.Response:
        clock.advance(61)
        gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], 2
        return gateway.keys_answer(gateway.signed())

    call = connect()
    call("GET", SHOP)
    gateway.script.append(answering(problem("unknown-key")))
    gateway.directories.append(slowly)
    failing(call, "GET", SHOP)
    assert len(gateway.posts) == 2


def test_a_spent_body_is_not_sent_again(connect: Opening, gateway: Gateway) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b"t", b"ea")

    async def chunks_async() -> AsyncIterator[bytes]:
        for chunk in chunks():
            yield chunk

    call = connect()
    spent = chunks_async if connect.is_async else chunks
    assert call("POST", SHOP, content=spent()).content == b"tea"
    for script in (httpx.ReadError("reset"), gateway.refusing("unavailable")):
        gateway.script.append(script)
        with pytest.raises(httpx.TransportError):
            call("POST", SHOP, content=spent(), extensions=MARKED)
    assert len(gateway.posts) == 3
