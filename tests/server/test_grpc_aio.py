"""The gRPC transport, with the real service behind it and a real channel before it.

Invariant: a stream ends with OK only when no exchange is open, whatever Envoy, service or operator do.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from extproc.link.pb import privatelink_pb2 as pb
from extproc.message import Headers
from extproc.server.service import Stream
from tests.exchange import link
from tests.server import envoys
from tests.server.gateways import settings
from tests.server.served import Served

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def opened(channel: grpc.aio.Channel) -> tuple[Any, Any]:
    """A stream whose request has been forwarded, and what opens its answer."""
    body, opener = link.Client().seal(link.inner(exchange_id=os.urandom(16)))
    stream = envoys.process(channel)
    await stream.write(envoys.request_headers(link.sealed_headers()))
    assert (await stream.read()).HasField("request_headers")
    await stream.write(envoys.request_body(body))
    assert (await stream.read()).request_body.response.clear_route_cache
    return stream, opener


async def answered(stream: Any, opener: Any) -> pb.InnerResponse:
    """The inner response, after the upstream's `tea`."""
    await stream.write(envoys.response_headers(Headers([(":status", b"200")])))
    await stream.write(envoys.response_body(b"tea"))
    assert (await stream.read()).HasField("response_headers")
    sealed = (await stream.read()).response_body.response.body_mutation.streamed_response.body
    inner: pb.InnerResponse = opener.open(sealed)
    return inner


async def test_a_sealed_exchange(served: Served, channel: grpc.aio.Channel) -> None:
    stream, opener = await opened(channel)
    assert served.service.open_exchanges == 1
    inner = await answered(stream, opener)
    assert (inner.status, inner.body) == (200, b"tea")
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK
    assert served.service.open_exchanges == 0
    assert served.server.counts == {"exchanges": 1, "broke_protocol": 0, "bugs": 0}


async def test_a_stream_that_envoy_half_closes_too_early_is_not_ok(
    served: Served, channel: grpc.aio.Channel
) -> None:
    stream, _ = await opened(channel)
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert served.service.open_exchanges == 0
    assert served.events == ["stream.refused"]


async def test_a_message_out_of_place_ends_the_stream(served: Served, channel: grpc.aio.Channel) -> None:
    stream = envoys.process(channel)
    await stream.write(envoys.request_body(b"no headers came"))
    assert await stream.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "RequestBody while START" in await stream.details()
    assert served.server.counts == {"exchanges": 1, "broke_protocol": 1, "bugs": 0}


async def test_a_cancelled_stream_is_forgotten_quietly(served: Served, channel: grpc.aio.Channel) -> None:
    stream, _ = await opened(channel)
    stream.cancel()
    await asyncio.wait_for(served.server.drain(5), 1)
    await served.server.stop()
    assert served.events == []
    assert served.server.counts == {"exchanges": 1, "broke_protocol": 0, "bugs": 0}


async def test_envoy_gone_while_a_reply_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reply is more than flow control lets through, so its write fails; which is no bug of ours."""
    answered, abandoned = asyncio.Event(), asyncio.Event()
    _note(monkeypatch, "receive", answered)
    _note(monkeypatch, "abandon", abandoned)
    served = Served(settings(tmp_path), gateway=link.gateway(directory=bytes(8 * 2**20)))
    async with grpc.aio.insecure_channel(await served.server.start()) as channel:
        stream = envoys.process(channel)
        await stream.write(envoys.request_headers(link.outer("GET", "/_link/keys"), end_of_stream=True))
        await asyncio.wait_for(answered.wait(), 5)
    await asyncio.wait_for(abandoned.wait(), 5)
    await served.server.stop()
    assert served.events == []
    assert served.server.counts == {"exchanges": 1, "broke_protocol": 0, "bugs": 0}


def _note(monkeypatch: pytest.MonkeyPatch, method: str, called: asyncio.Event) -> None:
    """Have `called` set when a stream's method has returned."""
    real = getattr(Stream, method)

    def noting(*arguments: Any) -> Any:
        result = real(*arguments)
        called.set()
        return result

    monkeypatch.setattr(Stream, method, noting)


async def test_a_bug_is_logged_once_and_is_not_ok(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken_clock() -> int:
        raise ZeroDivisionError("with a secret in its text")

    served = Served(settings(tmp_path), now_ns=broken_clock)
    address = await served.server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        stream = envoys.process(channel)
        await stream.write(envoys.request_headers(link.sealed_headers()))
        assert await stream.code() is grpc.StatusCode.INTERNAL
        assert await stream.details() == "internal error"
    await served.server.stop()
    (entry,) = served.captured.entries
    assert (entry["event"], entry["exc_info"]) == ("stream.bug", True)
    assert served.server.counts["bugs"] == 1
    assert served.service.open_exchanges == 0
    assert caplog.messages == []  # and not once more by gRPC


async def test_messages_of_many_megabytes_pass(served: Served, channel: grpc.aio.Channel) -> None:
    """A streamed response body comes in pieces as large as what has piled up."""
    stream, opener = await opened(channel)
    await stream.write(envoys.response_headers(Headers([(":status", b"200")])))
    await stream.write(envoys.response_body(bytes(12 * 2**20)))
    sealed = (await stream.read()).immediate_response.body
    assert opener.open(sealed).fault == "response-too-large"


async def test_health_is_serving_until_the_drain(served: Served, channel: grpc.aio.Channel) -> None:
    assert await served.health(channel) == SERVING
    assert await served.health(channel, "") == SERVING
    stream, opener = await opened(channel)
    draining = asyncio.create_task(served.server.drain(5))
    async with asyncio.timeout(5):
        while await served.health(channel) != NOT_SERVING:  # noqa: ASYNC110 - heard by asking alone
            await asyncio.sleep(0.01)
    assert await served.health(channel, "") == NOT_SERVING
    assert not draining.done()
    assert (await answered(stream, opener)).body == b"tea"
    await draining
    assert await served.server.stop() == 0
    assert not served.path.exists()


async def test_a_drain_ends_in_time_and_cuts_what_is_left(served: Served, channel: grpc.aio.Channel) -> None:
    stream, _ = await opened(channel)
    await served.server.drain(0.1)
    assert await served.server.stop() == 1
    assert await stream.code() is not grpc.StatusCode.OK
    assert served.service.open_exchanges == 0


async def test_a_health_watcher_does_not_hold_up_the_drain(served: Served, channel: grpc.aio.Channel) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    async with asyncio.timeout(3):
        await served.server.drain(60)
        await served.server.stop()


async def test_pings_are_never_too_many(served: Served) -> None:
    """Raw HTTP/2 (RFC 9113, 6.7): as many PINGs as an impatient Envoy might send, and no GOAWAY (6.8)."""
    reader, writer = await asyncio.open_unix_connection(served.path)
    settings_frame = b"\0\0\0\4\0\0\0\0\0"
    ping = b"\0\0\x08\6\0\0\0\0\0" + b"pingpong"
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings_frame + 40 * ping)
    answers, kinds = 0, set[int]()
    async with asyncio.timeout(5):
        while answers < 40:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            kinds.add(head[3])
            answers += head[3] == 6
    assert 7 not in kinds
    writer.close()
    await writer.wait_closed()


async def test_only_this_user_reaches_the_socket(served: Served) -> None:
    assert served.mode(served.path) == 0o600
    assert served.mode(served.path.parent) == 0o700
