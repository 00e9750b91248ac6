"""A worker's gRPC server, and a channel to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from extproc.server.grpc_aio import GrpcServer
from extproc.server.wire.server import WireServer
from tests.server.gateways import settings
from tests.server.served import Served


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
