"""docs/errors.md, streams that are cut short. Invariant: a real gateway logs what the table says."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.docs.pages import code, page, rows, section
from tests.e2e.arrival import CutError
from tests.e2e.by_hand import ByHand
from tests.e2e.stack import Stack, configuration, running
from tests.e2e.streaming import Upload, by_hand, upload
from tests.e2e.test_failures import serves_again, worker_pid
from tests.e2e.upstream import Upstream

FLAGS = {
    code(row[0]).rstrip("…"): row[1] for row in rows(section(page("errors.md"), "Streams that are cut short"))
}
HASTY = "hasty.example.com"  # has an idle time-out of 400 ms


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Stack]:
    config = configuration(upstream, workers=1, drain="100ms")
    with running(tmp_path_factory.mktemp("streams"), upstream, config) as stack:
        yield stack


@asynccontextmanager
async def both_ways(gateway: Stack, host: str) -> AsyncIterator[tuple[Upload, ByHand]]:
    """An answer has begun, and the upload still runs."""
    path = by_hand()
    async with upload(gateway, authority=host, path=path) as exchange:
        await exchange.send(b"up")
        server = await gateway.upstream.by_hand(path)
        assert await server.read() == b"up"
        await server.respond()
        await server.send(b"down")
        await exchange.answer()
        assert await exchange.read() == b"down"
        yield exchange, server


async def leave(_: Stack, exchange: Upload, server: ByHand) -> None:
    exchange.wire.leave()
    await server.closed()


async def die(_: Stack, __: Upload, server: ByHand) -> None:
    await server.hang_up()


async def say_nothing(_: Stack, __: Upload, ___: ByHand) -> None:
    pass


async def spoil(_: Stack, exchange: Upload, __: ByHand) -> None:
    await exchange.wire.send(exchange.writer.write(b"more")[:-1] + b"?")


async def kill(gateway: Stack, _: Upload, __: ByHand) -> None:
    os.kill(worker_pid(gateway), signal.SIGKILL)


async def stop(gateway: Stack, _: Upload, __: ByHand) -> None:
    os.kill(worker_pid(gateway), signal.SIGTERM)


Act = Callable[[Stack, Upload, ByHand], Awaitable[None]]
CASES: list[tuple[str, Act, str]] = [
    ("shop.example.com", leave, "downstream_remote_disconnect"),
    ("shop.example.com", die, "upstream_reset_after_response_started{"),
    (HASTY, say_nothing, "stream_idle_timeout"),
    ("shop.example.com", spoil, "ext_proc_error_gRPC_error_10{"),
    ("shop.example.com", stop, "ext_proc_error_gRPC_error_14{"),
    ("shop.example.com", kill, "ext_proc_error_gRPC_error_13{"),
]


@pytest.mark.parametrize(("host", "act", "details"), CASES)
async def test_it_is_logged_as_the_page_says(gateway: Stack, host: str, act: Act, details: str) -> None:
    async with both_ways(gateway, host) as (exchange, server):
        await act(gateway, exchange, server)
        if act is not leave:
            with pytest.raises(CutError):
                await exchange.read()
            await server.closed()
        assert not server.seen.is_whole
    assert serves_again(gateway)
    line = gateway.access_log(exchange.outer["x-request-id"])
    assert line["details"].startswith(details)
    assert (line["status"], line["inner_status"], line["outcome"]) == (200, "200", "streaming")
    assert line["flags"] in FLAGS[details] if FLAGS[details] else line["flags"] == "-"


def test_every_row_is_tried() -> None:
    assert {details for _, _, details in CASES} == set(FLAGS)
