"""A worker's server on the wire transport: the same face as GrpcServer's."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from structlog.typing import FilteringBoundLogger

from extproc.config.assembly import largest_message
from extproc.config.settings import Settings
from extproc.server import sockets
from extproc.server.service import Service
from extproc.server.serving import CLOSING_S, MAX_STREAMS, SERVICE_NAME, Progress, Tally
from extproc.server.wire.calls import Calls
from extproc.server.wire.health import SERVING, Health
from extproc.server.wire.protocol import WireProtocol
from extproc.server.wire.state import Limits


class WireServer:
    """Serves `service` at the address of worker `index`: `start`, `drain` if there is time, `stop`."""

    def __init__(self, service: Service, settings: Settings, index: int, log: FilteringBoundLogger) -> None:
        tally = Tally(log)
        self.counts = tally.counts
        self._service = service
        self._settings = settings
        self._index = index
        self._progress = Progress()
        self._health = Health()
        self._calls = Calls(service, self._health, tally, largest_message(settings))
        self._limits = _limits(settings)
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
        await self._progress.until_quiet(self._service, self._health.asked_at, timeout_s)

    async def stop(self) -> int:
        """Stop listening, and cut off what is open: how many exchanges that was."""
        cut = self._service.open_exchanges
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.leave(final=True)
        if not cut:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_S):
                    await self._progress.until(
                        lambda: not any(each.open_streams for each in self._connections)
                    )
        for connection in list(self._connections):
            connection.close()
        sockets.release(self._settings, self._index)
        return cut

    def _connected(self) -> WireProtocol:
        connection = WireProtocol(self._calls, self._limits, self._progress.made, self._connections.discard)
        self._connections.add(connection)
        return connection


def _limits(settings: Settings) -> Limits:
    # A window opens again when all of a read, of up to 256 KiB, has been dealt with: with twice the buffer
    # Envoy goes on sending meanwhile, and with no more than the buffer the two would wait for each other.
    return Limits(max_streams=MAX_STREAMS, stream_window=2 * settings.link.stream_buffer)
