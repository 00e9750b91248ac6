"""The upstream of the benches, as a process. Invariant: what it says of a body is true of that body."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import pytest_asyncio

from bench import content
from bench.processes import running


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with running("bench.origin") as origin:
        url = f"http://127.0.0.1:{await origin.line()}"
        async with httpx.AsyncClient(base_url=url, timeout=5) as client:
            yield client


async def active(client: httpx.AsyncClient) -> int:
    found: int = (await client.get("/status")).json()["active"]
    return found


async def test_it_sends_what_was_asked_for(client: httpx.AsyncClient) -> None:
    for size in (0, 1, 200_000):
        answer = await client.post(f"/bytes?n={size}", content=b"body")
        assert answer.content == b"".join(content.pieces(size))


async def test_it_tells_the_content_from_anything_else(client: httpx.AsyncClient) -> None:
    right = b"".join(content.pieces(100_000))
    wrong = b"x" + right[1:]
    told = [(await client.post("/sink?n=100000", content=body)).json() for body in (right, wrong, right[:-1])]
    assert told == [
        {"received": 100_000, "is_right": True},
        {"received": 100_000, "is_right": False},
        {"received": 99_999, "is_right": False},
    ]
    assert (await client.post("/sink", content=wrong)).json() == {"received": 100_000}
    assert (await client.get("/status")).json() == {"active": 0, "wrong": 2, "asked": 4}


async def test_it_counts_the_visits_of_a_cookie(client: httpx.AsyncClient) -> None:
    for visit in (1, 2, 3):
        answer = await client.post("/visits?n=5", content=b"body")
        assert (answer.cookies["visits"], len(answer.content)) == (str(visit), 5)


async def test_events_carry_the_clock_and_are_sent_at_once(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/events?n=3&every=0.1") as response:
        seen = [(line, time.monotonic_ns()) async for line in response.aiter_lines() if line]
    sent = [int(line.removeprefix("data: ")) for line, _ in seen]
    assert all(0 < at - own < 50_000_000 for own, (_, at) in zip(sent, seen, strict=True))
    assert all(later - own >= 100_000_000 for own, later in pairwise(sent))


async def test_a_request_counts_until_its_client_has_gone(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", f"/bytes?n={2**30}&rate=10000000"):
        assert await active(client) == 1
    deadline = time.monotonic() + 5
    while await active(client) and time.monotonic() < deadline:
        pass
    assert await active(client) == 0


async def test_a_slow_reader_takes_its_time(client: httpx.AsyncClient) -> None:
    began = time.monotonic()
    await client.post("/sink?rate=1000000", content=bytes(300_000))
    assert 0.25 < time.monotonic() - began < 2
