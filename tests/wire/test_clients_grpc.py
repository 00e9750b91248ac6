"""grpcio as the client, on a Unix socket and on loopback TCP.

Invariant: it sees of our server what it would see of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from extproc.message import Headers
from tests.exchange import link
from tests.server import envoys
from tests.wire.served import Served

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
KEYS = link.outer("GET", "/_link/keys")


@pytest.fixture(params=["unix", "tcp"])
async def channel(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    async with (
        Served(tmp_path, tcp=request.param == "tcp").running() as served,
        grpc.aio.insecure_channel(served.address) as channel,
    ):
        yield channel


async def check(channel: grpc.aio.Channel, service: str = "", timeout_s: float | None = 5) -> Any:
    stub = health_pb2_grpc.HealthStub(channel)
    return await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)


async def keys(channel: grpc.aio.Channel) -> bytes:
    """The directory, by a stream of one message."""
    stream = envoys.process(channel)
    await stream.write(envoys.request_headers(KEYS, end_of_stream=True))
    reply = await stream.read()
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK
    return bytes(reply.immediate_response.body)


async def test_a_unary_call(channel: grpc.aio.Channel) -> None:
    assert (await check(channel)).status == SERVING


async def test_an_error_of_a_unary_call(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await check(channel, "nowhere")
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.NOT_FOUND, "unknown service")


async def test_a_method_that_is_not_there(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await channel.unary_unary("/no.such/Method", bytes, bytes)(b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_compressed_call_is_unimplemented(channel: grpc.aio.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Check(health_pb2.HealthCheckRequest(), compression=grpc.Compression.Gzip)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_watch(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        await served.server.drain(0)
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()


async def test_many_calls_at_once(channel: grpc.aio.Channel) -> None:
    """More than SETTINGS_MAX_CONCURRENT_STREAMS: the client lets the others wait."""
    answers = await asyncio.gather(*(keys(channel) for _ in range(1_100)))
    assert set(answers) == {b"a signed directory"}


async def test_a_deadline_passes(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        call = channel.stream_stream(
            "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
            ext_proc.ProcessingRequest.SerializeToString,
            ext_proc.ProcessingResponse.FromString,
        )(None, timeout=0.2)
        await call.write(envoys.request_headers(link.sealed_headers()))
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await served.server.drain(5)
        assert served.service.open_exchanges == 0


async def test_a_call_is_cancelled(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        stream = envoys.process(channel)
        await stream.write(envoys.request_headers(link.sealed_headers()))
        assert (await stream.read()).HasField("request_headers")
        assert served.service.open_exchanges == 1
        stream.cancel()
        await asyncio.wait_for(served.server.drain(5), 3)
        assert served.service.open_exchanges == 0
        assert served.events == []


async def test_a_client_that_vanishes(served: Served) -> None:
    channel = grpc.aio.insecure_channel(served.address)
    stream = envoys.process(channel)
    await stream.write(envoys.request_headers(link.sealed_headers()))
    assert (await stream.read()).HasField("request_headers")
    await channel.close(None)
    await asyncio.wait_for(served.server.drain(5), 3)
    assert served.service.open_exchanges == 0


async def test_a_large_reply_to_a_reader_that_takes_its_time(tmp_path: Path) -> None:
    """64 MiB in all, of which neither side holds more than its windows."""
    directory = bytes(range(256)) * 2**15
    async with (
        Served(tmp_path, link.gateway(directory=directory)).running() as served,
        grpc.aio.insecure_channel(
            served.address, [("grpc.max_receive_message_length", -1), ("grpc.http2.bdp_probe", 0)]
        ) as channel,
    ):
        streams = [envoys.process(channel) for _ in range(8)]
        for stream in streams:
            await stream.write(envoys.request_headers(KEYS, end_of_stream=True))
            await stream.done_writing()
        for stream in streams:
            assert (await stream.read()).immediate_response.body == directory
            assert await stream.code() is grpc.StatusCode.OK


async def test_large_messages_of_the_client(channel: grpc.aio.Channel) -> None:
    """12 MiB, each a dozen windows of the stream."""
    body, opener = link.Client().seal(link.inner())
    stream = envoys.process(channel)
    await stream.write(envoys.request_headers(link.sealed_headers()))
    await stream.read()
    await stream.write(envoys.request_body(body))
    await stream.read()
    await stream.write(envoys.response_headers(Headers([(":status", b"200")])))
    await stream.write(envoys.response_body(bytes(12 * 2**20)))
    sealed = (await stream.read()).immediate_response.body
    assert opener.open(sealed).fault == "response-too-large"


async def test_a_stream_whose_exchange_is_over_may_still_end(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        stream = envoys.process(channel)
        await stream.write(envoys.request_headers(KEYS, end_of_stream=True))
        assert (await stream.read()).HasField("immediate_response")
        stopping = asyncio.create_task(served.server.stop())
        await asyncio.sleep(0)
        await stream.done_writing()
        assert await stream.code() is grpc.StatusCode.OK
        assert await stopping == 0


async def test_a_server_that_stops_is_unavailable(tmp_path: Path) -> None:
    """GOAWAY: what is open is cut off, and the client finds nobody."""
    served = Served(tmp_path)
    async with served.running(), grpc.aio.insecure_channel(served.address) as channel:
        stream = envoys.process(channel)
        await stream.write(envoys.request_headers(link.sealed_headers()))
        assert (await stream.read()).HasField("request_headers")
        assert await served.server.stop() == 1
        assert await stream.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError):
            await check(channel)
