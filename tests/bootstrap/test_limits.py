"""Limits of time and memory in a running Envoy.

Invariant: nobody holds an envelope's place for ever, a plain upload may take its time, and an Envoy that runs
out of memory refuses before it dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from extproc.bootstrap import limits
from tests.bootstrap.running import gateway


async def slowly(parts: int) -> AsyncIterator[bytes]:
    for _ in range(parts):
        yield b"x"
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(("mib", "minutes"), [(0.1, 1), (1, 1), (1.5, 2), (4, 4)])
def test_an_envelope_has_a_minute_for_each_mib(mib: float, minutes: int) -> None:
    assert limits.opening(int(mib * 2**20)) == timedelta(minutes=minutes)


@pytest.mark.parametrize("path", ["/_link", "/_link/stream"])
async def test_an_envelope_that_trickles_in_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(limits, "opening", lambda _: timedelta(seconds=1))
    async with gateway(tmp_path) as running:
        reader, writer = await asyncio.open_connection(*running.envoy.address)
        head = f"POST {path} HTTP/1.1\r\nhost: gw.example.com\r\ncontent-length: 99\r\n\r\n{{"
        writer.write(head.encode())
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert b"\r\nx-inner-status: 408\r\n" in answer  # the processor hears of it
        assert running.seen() == []


async def test_what_has_a_business_route_takes_as_long_as_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "opening", lambda _: timedelta(seconds=1))
    async with gateway(tmp_path) as running:
        plain = await running.http.post("/echo", content=slowly(10), headers={"host": "open.example.com"})
        assert plain.status_code == 200
        streamed = await running.stream("/echo", slowly(10))
        assert (streamed.headers["x-inner-status"], streamed.json()["body"]) == ("200", "x" * 10)
        assert await running.inner_status("/sleep?s=2") == 200


async def test_an_envoy_short_of_memory_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = "overload.envoy.overload_actions.stop_accepting_requests.active"
    for heap, active in [(limits.HEAP, 0), (2**20, 1)]:
        monkeypatch.setattr(limits, "HEAP", heap)
        folder = tmp_path / str(heap)
        folder.mkdir()
        async with gateway(folder) as running:
            await asyncio.sleep(1.5)  # it looks once a second
            assert await running.envoy.admin.counter(refusing) == active
