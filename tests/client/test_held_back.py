"""A man in the middle who keeps an envelope: to send it again, or later.

Invariant: whatever he makes the gateway answer, no failure says that a request has not run when its envelope
has, or still can; and no two sealings of a request run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from extproc.client import LinkError
from extproc.client.errors import may_have_run
from tests.client.conftest import Caller, Opening
from tests.client.gateway import SHOP, START, START_MS, Answering, Clock, Gateway

HOUR = 3600


def failure(call: Caller, method: str = "POST", content: object = b"tea") -> httpx.TransportError:
    with pytest.raises(httpx.TransportError) as raised:
        call(method, SHOP, content=content)
    return raised.value


def spent(connect: Opening) -> object:
    def chunks() -> Iterator[bytes]:
        yield b"tea"

    async def chunks_async() -> AsyncIterator[bytes]:
        yield b"tea"

    return chunks_async() if connect.is_async else chunks()


def sent_twice(gateway: Gateway, clock: Clock, seconds: float) -> Answering:
    """He lets it run, swallows the answer, waits, and sends the same bytes again."""

    def handle(request: httpx.Request) -> httpx.Response:
        gateway.answer(request)
        clock.advance(seconds)
        return gateway.answer(request)

    return handle


def code(error: httpx.TransportError) -> str:
    assert isinstance(error, LinkError)
    return error.code


@pytest.fixture
def slow(gateway: Gateway, clock: Clock, connect: Opening) -> Caller:
    """A device whose clock is 117 s slow: its envelopes have 3 s to run."""
    call = connect(directory=gateway.signed(issued_at=START - 86_400))
    gateway.now_ms = lambda: clock.ms + 117_000
    return call


def test_stale_the_second_time(connect: Opening, gateway: Gateway, clock: Clock, slow: Caller) -> None:
    gateway.script.append(sent_twice(gateway, clock, 4))
    error = failure(slow, content=spent(connect))
    assert (code(error), may_have_run(error)) == ("clock-skew", True)
    assert (len(gateway.ran), len(gateway.posts)) == (1, 1)


def test_stale_the_second_time_and_then_unreachable(gateway: Gateway, clock: Clock, slow: Caller) -> None:
    """A ConnectError would say that it has not run."""
    gateway.script += [sent_twice(gateway, clock, 4), httpx.ConnectError("refused")]
    error = failure(slow)
    assert (code(error), may_have_run(error)) == ("clock-skew", True)
    assert (len(gateway.ran), len(gateway.posts)) == (1, 2)


def test_stale_the_second_time_and_then_sealed_again(gateway: Gateway, clock: Clock, slow: Caller) -> None:
    gateway.script.append(sent_twice(gateway, clock, 4))
    error = failure(slow)
    assert (code(error), may_have_run(error)) == ("clock-skew", True)
    assert "replayed" in error.__notes__[0]
    assert (len(gateway.ran), len(gateway.posts)) == (1, 2)


@pytest.mark.parametrize(
    ("late_s", "way_s", "unknown"),
    [(126, 0, False), (124, 0, True), (136, 9, False), (136, 12, True), (-31, 0, True), (-HOUR, 0, True)],
)
def test_what_a_clock_skew_proves(
    connect: Opening, gateway: Gateway, clock: Clock, *, late_s: int, way_s: int, unknown: bool
) -> None:
    """That it can't have run: when it was stale by the clock of any gateway, however soon it arrived."""

    def refuse(request: httpx.Request) -> httpx.Response:
        clock.advance(way_s)
        return gateway.refusing("clock-skew", gateway_time_ms=START_MS + late_s * 1000)(request)

    gateway.script.append(refuse)
    error = failure(connect(), content=spent(connect))
    assert (code(error), may_have_run(error)) == ("clock-skew", unknown)


def test_a_clock_skew_without_the_time_proves_nothing(connect: Opening, gateway: Gateway) -> None:
    gateway.script.append(gateway.refusing("clock-skew", gateway_time_ms=1))
    assert may_have_run(failure(connect(), content=spent(connect)))


def test_a_wall_clock_set_back_proves_nothing(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        clock.ticks += 20
        clock.ms -= HOUR * 1000
        return gateway.refusing("clock-skew", gateway_time_ms=START_MS + 130_000)(request)

    gateway.script.append(refuse)
    assert may_have_run(failure(connect(), content=spent(connect)))


def test_ahead_and_kept_until_it_is_fresh(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    """It has not run when the client gives up; it does later."""
    call = connect(directory=gateway.signed())
    clock.advance(60)
    gateway.now_ms = lambda: clock.ms - 60_000
    error = failure(call, content=spent(connect))
    assert (code(error), may_have_run(error), len(gateway.ran)) == ("clock-skew", True, 0)
    clock.advance(60)
    gateway.answer(gateway.posts[0])
    assert len(gateway.ran) == 1


def test_unavailable_and_sent_once_more(connect: Opening, gateway: Gateway) -> None:
    """The id of what is refused so is not kept, and a store may be lost: it runs before, or after."""
    gateway.script.append(gateway.refusing("unavailable"))
    error = failure(connect(), content=spent(connect))
    assert (code(error), may_have_run(error)) == ("unavailable", True)
    gateway.answer(gateway.posts[0])
    assert len(gateway.ran) == 1


@pytest.fixture
def postdated(gateway: Gateway, clock: Clock, connect: Opening) -> Caller:
    """A device whose clock is an hour fast: its first envelope can run in an hour."""
    call = connect(directory=gateway.signed())
    clock.advance(HOUR)
    gateway.now_ms = lambda: clock.ms - HOUR * 1000
    return call


@pytest.mark.parametrize("marked", [False, True])
def test_postdated_beyond_the_stores_memory(gateway: Gateway, postdated: Caller, marked: bool) -> None:
    """Sealed again it would run, and the first once more when the store has forgotten. So it is not; but
    the clock is corrected for the next."""
    with pytest.raises(LinkError, match="clock-skew") as raised:
        postdated("POST", SHOP, content=b"tea", extensions={"link": {"repeatable": marked}})
    assert raised.value.outcome_unknown
    assert (len(gateway.posts), len(gateway.ran)) == (1, 0)
    assert postdated("POST", SHOP, content=b"tea").content == b"tea"


def test_postdated_and_safe(gateway: Gateway, postdated: Caller) -> None:
    assert postdated("GET", SHOP).extensions["link"]["repeated"]
    assert len(gateway.ran) == 1


@pytest.mark.parametrize("ahead_s", [31, 150])
def test_postdated_within_the_stores_memory(
    connect: Opening, gateway: Gateway, clock: Clock, ahead_s: int
) -> None:
    """The first envelope is stale before the id of the second is forgotten."""
    call = connect(directory=gateway.signed())
    clock.advance(ahead_s)
    gateway.now_ms = lambda: clock.ms - ahead_s * 1000
    assert call("POST", SHOP).extensions["link"]["repeated"]
    for _ in range(0, ahead_s + 130, 5):
        clock.advance(5)
        gateway.answer(gateway.posts[0])
    assert len(gateway.ran) == 1
