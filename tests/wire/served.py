"""A worker's server on the wire transport, with the real service behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from structlog.testing import LogCapture

from extproc.exchange.gateway import Gateway
from extproc.server.service import Service
from extproc.server.stores import MemoryStore
from extproc.server.wire.server import WireServer
from tests.e2e.stack import free_port
from tests.exchange import link
from tests.server.gateways import settings


class Served:
    """`server` while it is `running`, at `address`, as gRPC writes it; `events`: what it has logged."""

    def __init__(self, folder: Path, gateway: Gateway | None = None, *, tcp: bool = False) -> None:
        changes: dict[str, Any] = {"processor": {"listen": f"127.0.0.1:{free_port()}"}} if tcp else {}
        self.captured = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.captured]).bind()
        store = MemoryStore(100_000, link.NOW_MS - 60_000)
        self.service = Service(gateway or link.gateway(), store, now_ns=link.now_ns, log=log)
        self.server = WireServer(self.service, settings(folder, **changes), 0, log)
        self.address = ""

    @property
    def path(self) -> str:
        """Of its Unix socket."""
        return self.address.removeprefix("unix:")

    @property
    def events(self) -> list[str]:
        return [entry["event"] for entry in self.captured.entries]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Served]:
        self.address = await self.server.start()
        yield self
        await self.server.stop()
