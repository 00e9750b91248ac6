"""A server as a worker runs it, on a Unix socket, on either transport."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import LogCapture

from extproc.config.settings import Settings
from extproc.exchange.gateway import Gateway
from extproc.server.grpc_aio import GrpcServer
from extproc.server.service import Service
from extproc.server.serving import SERVICE_NAME
from extproc.server.stores import MemoryStore
from extproc.server.wire.server import WireServer
from tests.exchange import link

GATEWAY = link.gateway()


class Served:
    """A server on a Unix socket, and what it has logged."""

    def __init__(
        self,
        config: Settings,
        transport: type[GrpcServer | WireServer] = GrpcServer,
        gateway: Gateway = GATEWAY,
        now_ns: Callable[[], int] = link.now_ns,
    ) -> None:
        self.settings = config
        self.captured = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.captured])
        store = MemoryStore(100, link.NOW_MS - 60_000)
        self.service = Service(gateway, store, max_streams=2, now_ns=now_ns)
        self.server = transport(self.service, config, 0, log.bind())
        self.address = ""

    @property
    def path(self) -> Path:
        return Path(self.address.removeprefix("unix:"))

    @staticmethod
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    @property
    def events(self) -> list[str]:
        return [entry["event"] for entry in self.captured.entries]

    async def health(self, channel: grpc.aio.Channel, name: str = SERVICE_NAME) -> int:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
        status: int = answer.status
        return status
