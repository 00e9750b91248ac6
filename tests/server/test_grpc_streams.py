"""Streamed exchanges over a real gRPC connection.

Invariant: what can't be passed on whole ends its stream with an error; who does not read is not read from.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest

from extproc.link.streams import StreamWriter
from extproc.message import Headers
from tests.exchange import link
from tests.server import envoys
from tests.server.served import Served

OK = Headers([(":status", b"200")])
PIECE = bytes(2**16)
PIECES = 512  # 32 MiB, ...
MOST_HELD = 256  # ... of which less than half fits into what HTTP/2's windows and the socket hold, both ways

Sender = Callable[[], ProcessingRequest]


async def uploading(channel: grpc.aio.Channel) -> tuple[Any, StreamWriter]:
    """A stream whose request has been forwarded, and the writer of its rest."""
    stream = envoys.process(channel)
    head, writer, _ = link.Client().stream(link.posted(exchange_id=os.urandom(16)))
    await stream.write(envoys.request_headers(link.stream_headers()))
    await stream.write(envoys.request_body(head, end_of_stream=False))
    assert (await stream.read()).HasField("request_headers")
    assert envoys.streamed(await stream.read()) == (b"", False)
    return stream, writer


async def answering(stream: Any) -> None:
    """The answer begins."""
    await stream.write(envoys.response_headers(OK))
    await stream.write(envoys.response_body(b"first", end_of_stream=False))
    assert (await stream.read()).HasField("response_headers")
    assert envoys.streamed(await stream.read())[0]


async def test_a_reset_ends_the_stream_with_an_error(served: Served, channel: grpc.aio.Channel) -> None:
    stream, writer = await uploading(channel)
    await answering(stream)
    assert (served.service.open_exchanges, served.service.open_streams) == (1, 1)
    await stream.write(envoys.request_body(writer.write(b"not the end"), end_of_stream=True))
    assert await stream.code() is grpc.StatusCode.ABORTED
    assert "truncated" in await stream.details()
    assert (served.service.open_exchanges, served.service.open_streams) == (0, 0)
    assert served.server.counts == {"exchanges": 1, "broke_protocol": 0, "bugs": 0}


async def test_what_left_before_a_reset_has_arrived(served: Served, channel: grpc.aio.Channel) -> None:
    stream, writer = await uploading(channel)
    await answering(stream)
    await stream.write(envoys.request_body(writer.write(PIECE), end_of_stream=False))
    await stream.write(envoys.request_body(b"\xff" * 4, end_of_stream=False))
    assert envoys.streamed(await stream.read()) == (PIECE, False)
    assert await stream.code() is grpc.StatusCode.ABORTED


async def test_a_peer_that_has_gone_leaves_no_stream(served: Served, channel: grpc.aio.Channel) -> None:
    stream, _ = await uploading(channel)
    assert served.service.open_streams == 1
    stream.cancel()
    await asyncio.wait_for(served.server.drain(5), 1)
    assert served.service.open_streams == 0
    assert served.server.counts == {"exchanges": 1, "broke_protocol": 0, "bugs": 0}


async def test_an_upstream_that_breaks_off_is_never_ok(served: Served, channel: grpc.aio.Channel) -> None:
    stream, _ = await uploading(channel)
    await answering(stream)
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert served.service.open_streams == 0


async def upload(channel: grpc.aio.Channel) -> tuple[Any, Sender]:
    stream, writer = await uploading(channel)
    return stream, lambda: envoys.request_body(writer.write(PIECE), end_of_stream=False)


async def download(channel: grpc.aio.Channel) -> tuple[Any, Sender]:
    stream, _ = await uploading(channel)
    await answering(stream)
    return stream, lambda: envoys.response_body(PIECE, end_of_stream=False)


@pytest.mark.parametrize("begin", [upload, download])
async def test_who_does_not_read_is_not_read_from(
    channel: grpc.aio.Channel, begin: Callable[[grpc.aio.Channel], Awaitable[tuple[Any, Sender]]]
) -> None:
    stream, piece = await begin(channel)
    sent = 0

    async def send() -> None:
        nonlocal sent
        for _ in range(PIECES):
            await stream.write(piece())
            sent += 1

    sending = asyncio.create_task(send())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(sending), 1)
    assert sent < MOST_HELD

    received = 0
    while received < PIECES * len(PIECE):
        received += len(envoys.streamed(await stream.read())[0])
    await sending
    stream.cancel()
