"""Through a real Envoy: the stream path and who may use it; and what Envoy itself says to a streamed request.

Invariant: nothing but what was sealed for it passes the stream path, whatever the processor does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse as Reply

from extproc.link.envelope import MEDIA_STREAM
from extproc.link.pb import privatelink_pb2 as pb
from tests.e2e.arrival import CutError
from tests.e2e.replies import passing, piece
from tests.e2e.stack import SHOP, Stack
from tests.e2e.streaming import STREAM, by_hand, post, upload
from tests.e2e.throwaway import Processor, gateway
from tests.e2e.upstream import Upstream
from tests.e2e.wire import HTTP

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 405),
        ("PUT", {"content-type": MEDIA_STREAM}, 405),
        ("POST", {}, 415),
        ("POST", {"x-link-opened": "1"}, 415),
        ("POST", {"content-type": "application/json"}, 415),
        ("POST", {"content-type": MEDIA_STREAM}, 400),
        ("GET", {"connection": "upgrade", "upgrade": "websocket"}, 403),
        ("POST", {"content-type": MEDIA_STREAM, "origin": "https://evil.example"}, 403),
    ],
)
def test_a_plain_request_goes_nowhere(
    stack: Stack, method: str, headers: dict[str, str], status: int
) -> None:
    before = len(stack.upstream.begun)
    for host in ("gw.localhost", "shop.example.com", "open.example.com"):
        answer = stack.http.request(method, STREAM, content=b"plain", headers={**headers, "host": host})
        assert answer.status_code == status
    assert len(stack.upstream.begun) == before


@pytest.mark.parametrize(("origin", "allowed"), [(SHOP, True), ("https://evil.example", False)])
def test_a_preflight_is_answered_at_once(stack: Stack, origin: str, allowed: bool) -> None:
    asks = {"origin": origin, "access-control-request-method": "POST"}
    answer = stack.http.options(STREAM, headers=asks)
    assert answer.status_code == 204
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


async def test_a_stream_tells_the_page_that_it_may_read_it(stack: Stack) -> None:
    path = by_hand()
    async with post(stack, "HTTP/2", STREAM, MEDIA_STREAM, origin=SHOP) as wire:
        head, writer, _ = stack.sealer.stream(method="POST", path=path)
        await wire.send(head + writer.finish())
        await wire.end()
        server = await stack.upstream.by_hand(path)
        await server.answer(200, bytes(100_000))
        outer = await wire.head()
    assert outer["access-control-allow-origin"] == SHOP
    assert outer["access-control-allow-credentials"] == "true"
    assert outer["cache-control"] == "no-store"


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize(
    ("host", "ends", "status"),
    [
        ("nowhere.example.com", False, 403),
        ("nowhere.example.com", True, 403),
        ("dead.example.com", False, 503),
        ("dead.example.com", True, 503),
        ("hasty.example.com", False, 408),  # the client is the one that is awaited
        ("hasty.example.com", True, 504),
    ],
)
async def test_envoys_own_answers_are_sealed(
    stack: Stack, http: str, host: str, ends: bool, status: int
) -> None:
    """No route, nobody there, and silence."""
    async with upload(stack, http, authority=host, path=by_hand()) as exchange:
        if ends:
            await exchange.finish(b"order")
        inner = await exchange.answer()
        assert (inner.fault, inner.status, inner.body) == ("", status, b"")


async def test_a_rate_limit_counts_streams_too(stack: Stack) -> None:
    async def status() -> int:
        user = pb.Header(name="x-user-id", value=b"streamer")
        async with upload(stack, authority="limited.example.com", path="/", headers=[user]) as exchange:
            await exchange.finish(b"order")
            return (await exchange.answer()).status

    assert [await status() for _ in range(3)] == [200, 200, 429]


OK = grpc.StatusCode.OK
MISDEEDS: dict[str, dict[str, Any]] = {
    "an end with OK": {"request_headers": OK},
    "an end with OK, later": {"request_headers": passing("request_headers"), "request_body": OK},
    "a reply with nothing in it": {"request_headers": [Reply()]},
    "a reply to what was not asked": {"request_headers": passing("response_headers")},
    "a body without a head": {"request_headers": [piece(b"plain", end=True, phase="request_body")]},
    "a body that nobody opened": {
        "request_headers": [
            *passing("request_headers"),
            piece(b"plain", end=True, phase="request_body"),
        ]
    },
    "an answer before the request": {"request_headers": [piece(b"plain", end=True)]},
}


def script(replies: Any) -> Callable[[Any], Any]:
    return lambda _phase: replies


async def test_a_processor_that_misbehaves_sends_nothing_on(tmp_path: Path, upstream: Upstream) -> None:
    processor, before = Processor(), len(upstream.begun)
    async with gateway(tmp_path, upstream, processor) as running:
        for misdeed, phases in MISDEEDS.items():
            processor.play(**{phase: script(replies) for phase, replies in phases.items()})
            answer = await running.http.post(
                STREAM, content=bytes(1000), headers={"content-type": MEDIA_STREAM}
            )
            assert answer.status_code in {500, 503}, misdeed
            assert len(upstream.begun) == before, misdeed


async def test_the_log_tells_what_became_of_an_exchange(stack: Stack) -> None:
    path, order, receipt = by_hand(), bytes(300_000), bytes(200_000)
    async with upload(stack, path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(exchange.finish(order))
            assert await server.read_all() == order
        await server.answer(201, receipt)
        assert (await exchange.answer()).status == 201
        assert await exchange.read_all() == receipt
    line = stack.access_log(exchange.outer["x-request-id"])
    assert (line["outcome"], line["status"], line["inner_status"]) == ("ok", 200, "201")
    assert (line["method"], line["host"], line["path"]) == ("POST", "shop.example.com", path)
    for length, counted in [(order, "bytes_in"), (receipt, "bytes_out")]:
        assert len(length) < line[counted] < 1.02 * len(length) + 2000  # with what sealing adds


async def test_the_log_tells_of_an_exchange_that_was_cut(stack: Stack) -> None:
    path = by_hand()
    async with upload(stack, "HTTP/2", path=path) as exchange:
        server = await stack.upstream.by_hand(path)
        await server.respond()
        await server.send(bytes(100_000))
        await exchange.answer()
        await exchange.wire.send(bytes(1000))  # no segment
        with pytest.raises(CutError):
            await exchange.read_all()
    line = stack.access_log(exchange.outer["x-request-id"])
    assert (line["outcome"], line["inner_status"]) == ("streaming", "200")


async def test_the_log_tells_of_an_exchange_that_was_refused(stack: Stack) -> None:
    async with upload(stack, sent_at_ms=1) as exchange:
        assert (await exchange.answer()).fault == "clock-skew"
    line = stack.access_log(exchange.outer["x-request-id"])
    assert (line["outcome"], line["fault"], line["route"]) == ("fault", "clock-skew", "link_stream")
