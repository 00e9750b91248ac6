"""A processor that misbehaves on purpose, in the place of a worker: a double, since ours never would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import grpc
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


class Rogue:
    """Ends each stream with OK: at once, after the request headers, or after the request body."""

    def __init__(self, socket: Path, after: str) -> None:
        self._socket = socket
        self._after = after
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _start(self) -> None:
        self._server = grpc.aio.server()
        ext_proc_grpc.add_ExternalProcessorServicer_to_server(
            SimpleNamespace(Process=self._process), self._server
        )
        health = SimpleNamespace(Check=self._check, Watch=self._check, List=self._check)
        health_pb2_grpc.add_HealthServicer_to_server(health, self._server)
        self._socket.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{self._socket}")
        await self._server.start()

    async def _check(self, _request: Any, _context: Any) -> health_pb2.HealthCheckResponse:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def _process(self, messages: AsyncIterator[Any], _context: Any) -> AsyncIterator[Any]:
        if self._after == "nothing":
            return
        async for message in messages:
            phase = message.WhichOneof("request")
            if self._after == phase:
                return
            if phase == "request_headers":
                yield ext_proc.ProcessingResponse(request_headers=ext_proc.HeadersResponse())
