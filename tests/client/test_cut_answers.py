"""Streamed answers that are cut short, altered, or left alone.

Invariant: what has opened is passed on, no end but the final segment's is shown as the end, and whatever
happens, the outer response is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extproc.client import AsyncLinkTransport, LinkError
from extproc.link.envelope import MEDIA_STREAM
from tests.client.conftest import Hearer, Opening
from tests.client.gateway import LINK, SHOP, Clock, Gateway
from tests.client.menu import BODY, Change, at, at_once, changed, menu, spoiled
from tests.client.pieces import Pieces

BREAKS = [httpx.ReadError("reset"), httpx.RemoteProtocolError("closed"), httpx.CloseError("")]


@pytest.fixture(autouse=True)
def upstream(gateway: Gateway) -> None:
    gateway.upstream, gateway.streams = menu, True


def failure(hear: Hearer, **options: Any) -> LinkError:
    """Of a request that may not even get a head."""
    try:
        error = hear("POST", SHOP, **options).error
    except LinkError as raised:
        return raised
    assert isinstance(error, LinkError)
    return error


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_end_before_the_end(gateway: Gateway, hear: Hearer, data: st.DataObject) -> None:
    """However well the outer body ends, what has opened is passed on, and that it is not all is said."""

    def cut(pieces: list[bytes]) -> Iterator[bytes]:
        body = b"".join(pieces)
        yield body[: data.draw(st.integers(0, len(body) - 1))]

    gateway.script.append(changed(gateway, cut))
    pieces: list[bytes] = []
    error = failure(hear, heard=pieces.append)
    assert (error.code, error.fault, error.outcome_unknown) == ("truncated", None, True)
    assert BODY.startswith(b"".join(pieces))


@pytest.mark.parametrize("failure", BREAKS, ids=lambda failure: type(failure).__name__)
def test_a_connection_that_breaks_before_the_head(
    connect: Opening, gateway: Gateway, failure: Exception
) -> None:
    """Not sealed again: a gateway that answers has run it."""
    gateway.script.append(changed(gateway, at(0, failure)))
    reason = str(failure) or "CloseError"
    with pytest.raises(LinkError, match=f"^truncated: the connection broke: {reason}$") as raised:
        connect()("GET", SHOP)
    assert (raised.value.outcome_unknown, len(gateway.posts)) == (True, 1)


@pytest.mark.parametrize("index", range(1, 6))
@pytest.mark.parametrize("failure", BREAKS, ids=lambda failure: type(failure).__name__)
def test_a_connection_that_breaks(gateway: Gateway, hear: Hearer, index: int, failure: Exception) -> None:
    gateway.script.append(changed(gateway, at(index, failure)))
    heard = hear("GET", SHOP)
    assert isinstance(heard.error, LinkError)
    assert (heard.error.code, heard.error.outcome_unknown) == ("truncated", True)
    assert heard.error.__cause__ is failure
    assert heard.error.request.url == SHOP
    assert (heard.body, len(gateway.posts)) == (BODY[: 5 * (index - 1)], 1)


@pytest.mark.parametrize("failure", [*BREAKS, httpx.ReadTimeout("late")])
def test_it_is_whole_when_its_final_segment_is_there(
    gateway: Gateway, hear: Hearer, failure: Exception
) -> None:
    gateway.script.append(changed(gateway, at(6, failure)))
    heard = hear("GET", SHOP)
    assert (heard.body, heard.error) == (BODY, None)


def test_silence_is_a_timeout(gateway: Gateway, hear: Hearer) -> None:
    late = httpx.ReadTimeout("late")
    gateway.script.append(changed(gateway, at(3, late)))
    heard = hear("GET", SHOP)
    assert (heard.body, heard.error) == (BODY[:10], late)


def test_silence_before_the_head(connect: Opening, gateway: Gateway) -> None:
    """A time-out of the exchange, with what section 8 says of those."""
    gateway.script += [changed(gateway, at(0, httpx.ReadTimeout("late")))] * 2
    with pytest.raises(httpx.ReadTimeout):
        connect()("POST", SHOP)
    assert connect()("GET", SHOP).extensions["link"]["repeated"]


@pytest.mark.parametrize("index", range(1, 6))
def test_a_bad_segment(gateway: Gateway, hear: Hearer, index: int) -> None:
    """What has opened before it comes first, also when all comes at once."""
    for change in (spoiled(index), at_once(spoiled(index))):
        gateway.script.append(changed(gateway, change))
        heard = hear("GET", SHOP)
        assert isinstance(heard.error, LinkError)
        assert (heard.error.code, heard.error.outcome_unknown) == ("bad-response", True)
        assert heard.body == BODY[: 5 * (index - 1)]
        assert list(heard.response.extensions["trailers"]) == []


@pytest.mark.parametrize(
    "change",
    [
        spoiled(0),
        at(0, b"\xff\xff\xff"),
        lambda pieces: pieces[1:],
        at(1, b"\0\0\0\x0f"),
    ],
    ids=["altered", "a preamble without end", "missing", "a segment too short"],
)
def test_a_bad_start(gateway: Gateway, hear: Hearer, change: Change) -> None:
    gateway.script.append(changed(gateway, change))
    error = failure(hear)
    assert (error.code, error.outcome_unknown) == ("bad-response", True)


def test_bytes_after_the_end(gateway: Gateway, hear: Hearer) -> None:
    gateway.script.append(changed(gateway, lambda pieces: [*pieces, b"\0"]))
    heard = hear("GET", SHOP)
    assert isinstance(heard.error, LinkError)
    assert (heard.body, heard.error.code) == (BODY, "bad-response")


ENDS: dict[str, tuple[Change, int]] = {
    "read": (list, 99),
    "left unread": (list, 0),
    "left half-read": (list, 2),
    "a bad segment": (spoiled(2), 99),
    "a bad head": (spoiled(0), 99),
    "no head": (at(0, b""), 99),
    "a lost connection": (at(3, httpx.ReadError("reset")), 99),
    "a lost connection, no head": (at(0, httpx.ReadError("reset")), 99),
}


@pytest.mark.parametrize("end", ENDS)
def test_it_is_closed(gateway: Gateway, hear: Hearer, end: str) -> None:
    change, most = ENDS[end]
    bodies: list[Pieces] = []
    gateway.script.append(changed(gateway, change, bodies))
    try:
        hear("POST", SHOP, most=most)
    except httpx.TransportError:
        assert "head" in end
    assert bodies[0].closed


def test_a_refusal_is_closed(connect: Opening, gateway: Gateway) -> None:
    bodies: list[Pieces] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        response = gateway.refusing("not-permitted")(request)
        assert isinstance(response.stream, Pieces)
        bodies.append(response.stream)
        return response

    gateway.script.append(refuse)
    with pytest.raises(LinkError, match="not-permitted"):
        connect()("GET", SHOP)
    assert bodies[0].closed


class Held(httpx.AsyncByteStream):
    """The start of an outer body, and then nothing."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self.waiting, self.closed = asyncio.Event(), False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._start
        self.waiting.set()
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("length", [10, None], ids=["before the head", "after it"])
async def test_a_task_that_is_canceled_closes_it(gateway: Gateway, clock: Clock, length: int | None) -> None:
    bodies: asyncio.Queue[Held] = asyncio.Queue()

    def hold(request: httpx.Request) -> httpx.Response:
        opened = gateway.open(request)
        held = Held(next(gateway.pieces(opened, menu(opened.inner)))[:length])
        bodies.put_nowait(held)
        return httpx.Response(200, headers={"content-type": MEDIA_STREAM}, stream=held)

    gateway.script.append(hold)
    roots, wire = [str(gateway.root.public)], httpx.MockTransport(gateway.handle)
    transport = AsyncLinkTransport(LINK, roots=roots, transport=wire, world=clock.world)
    async with httpx.AsyncClient(transport=transport) as client:
        task = asyncio.create_task(client.post(SHOP))
        body = await bodies.get()
        await body.waiting.wait()
        assert not body.closed
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert body.closed
