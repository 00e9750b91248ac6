"""A worker's server on the wire transport: the same face as GrpcServer's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from extproc.config.assembly import largest_message
from extproc.config.settings import Settings
from extproc.server import sockets
from extproc.server.service import Service
from extproc.server.wire.calls import Calls
from extproc.server.wire.health import SERVING, Health
from extproc.server.wire.protocol import WireProtocol
from extproc.server.wire.state import Limits

SERVICE_NAME: Final = "envoy.service.ext_proc.v3.ExternalProcessor"
_CLOSING_S: Final = 1.0  # for Envoy to end streams whose exchange is over
_CHECKED_WITHIN_S: Final = 1.25  # Envoy asks for the health of a worker every second


class WireServer:
    """Serves `service` at the address of worker `index`: `start`, `drain` if there is time, `stop`."""

    def __init__(self, service: Service, settings: Settings, index: int, log: FilteringBoundLogger) -> None:
        self.counts = Counter(exchanges=0, broke_protocol=0, bugs=0)
        self._service = service
        self._settings = settings
        self._index = index
        self._progress = asyncio.Event()
        self._health = Health()
        self._calls = Calls(service, self._health, self.counts, log, largest_message(settings))
        self._limits = Limits(stream_window=2 * settings.link.stream_buffer)
        self._connections: set[WireProtocol] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen, and report SERVING from here on. The address; UserError when it can't be had."""
        address, listening = sockets.listen(self._settings, self._index)
        loop = asyncio.get_running_loop()
        serve = loop.create_unix_server if listening.family == socket.AF_UNIX else loop.create_server
        self._server = await serve(self._connected, sock=listening)
        self._health.set("", SERVING)
        self._health.set(SERVICE_NAME, SERVING)
        return address

    async def drain(self, timeout_s: float) -> None:
        """Report NOT_SERVING, and wait until no exchange is open, or for `timeout_s`.

        New exchanges are served until Envoy has heard of it: the socket must not go before.
        """
        self._health.stop()
        for connection in self._connections:
            connection.leave(final=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if asyncio.get_running_loop().time() - self._health.asked_at < _CHECKED_WITHIN_S:
                    await asyncio.sleep(_CHECKED_WITHIN_S)
                await self._until(lambda: not self._service.open_exchanges)

    async def stop(self) -> int:
        """Stop listening, and cut off what is open: how many exchanges that was."""
        cut = self._service.open_exchanges
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.leave(final=True)
        if not cut:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_S):
                    await self._until(lambda: not any(each.open_streams for each in self._connections))
        for connection in list(self._connections):
            connection.close()
        sockets.release(self._settings, self._index)
        return cut

    def _connected(self) -> WireProtocol:
        connection = WireProtocol(self._calls, self._limits, self._progress.set, self._connections.discard)
        self._connections.add(connection)
        return connection

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._progress.clear()
            await self._progress.wait()
