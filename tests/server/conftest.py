"""A worker's gRPC server, on either transport and either event loop, and a channel to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final

import grpc
import pytest

from extproc.server.grpc_aio import GrpcServer
from extproc.server.wire.server import WireServer
from tests.server.gateways import settings
from tests.server.loops import LOOPS
from tests.server.served import Served

SERVING: Final = {"test_grpc_aio.py", "test_grpc_streams.py", "test_sockets.py"}  # in their own process


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return LOOPS if item.path.name in SERVING else {"asyncio": asyncio.new_event_loop}


@pytest.fixture(params=[GrpcServer, WireServer])
async def served(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    served = Served(settings(tmp_path), request.param)
    served.address = await served.server.start()
    yield served
    await served.server.stop()


@pytest.fixture
async def channel(served: Served) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(served.address) as channel:
        yield channel
