"""The transport on grpcio: a worker's server, with Envoy's ExternalProcessor and gRPC's health service.

It carries messages and decides nothing. What counts is how a stream ends: with OK only when the service says
that no exchange is open, since after an OK Envoy goes on with the request as it is.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from structlog.typing import FilteringBoundLogger

from extproc.config.assembly import largest_message
from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.server import sockets
from extproc.server.service import Service, Stream, StreamError
from extproc.server.serving import (
    CANCELLATION_S,
    CLOSING_S,
    MAX_STREAMS,
    SERVICE_NAME,
    Progress,
    Tally,
)

_Context = grpc.aio.ServicerContext[bytes, bytes]


class _Health(health.aio.HealthServicer):  # type: ignore[misc, name-defined]  # missing from its stubs
    """Remembers when it was last asked: whoever asks has to hear of a drain before the socket goes."""

    asked_at = -math.inf  # by the loop's clock

    async def Check(self, request: Any, context: _Context) -> Any:  # noqa: N802  # the method's gRPC name
        self.asked_at = asyncio.get_running_loop().time()
        return await super().Check(request, context)


class GrpcServer:
    """Serves `service` at the address of worker `index`: `start`, `drain` if there is time, `stop`."""

    def __init__(self, service: Service, settings: Settings, index: int, log: FilteringBoundLogger) -> None:
        self._tally = Tally(log)
        self.counts = self._tally.counts
        self._service = service
        self._settings = settings
        self._index = index
        self._progress = Progress()
        self._health = _Health()
        self._server = grpc.aio.server(options=_options(settings))
        process = grpc.stream_stream_rpc_method_handler(self._process)  # serialized, both ways
        handler = grpc.method_handlers_generic_handler(SERVICE_NAME, {"Process": process})
        self._server.add_generic_rpc_handlers((handler,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> str:
        """Listen, and report SERVING from here on. The address; UserError when it can't be had."""
        try:
            address = sockets.bind(self._server, self._settings, self._index)
        except UserError:
            await self._server.stop(None)
            raise
        await self._server.start()
        await self._health.set(SERVICE_NAME, health_pb2.HealthCheckResponse.SERVING)
        return address

    async def drain(self, timeout_s: float) -> None:
        """Report NOT_SERVING, and wait until no exchange is open, or for `timeout_s`.

        New exchanges are served until Envoy has heard of it: the socket must not go before.
        """
        await self._health.enter_graceful_shutdown()
        await self._progress.until_quiet(self._service, self._health.asked_at, timeout_s)

    async def stop(self) -> int:
        """Stop listening, and cut off what is open: how many exchanges that was."""
        cut = self._service.open_exchanges
        await self._server.stop(None if cut else CLOSING_S)
        sockets.release(self._settings, self._index)
        return cut

    async def _process(self, messages: AsyncIterator[bytes], context: _Context) -> None:
        self._tally.begin()
        try:
            await self._carry(self._service.stream(), messages, context)
        except grpc.aio.InternalError:  # a reply could not be written: Envoy has gone
            await context.abort(grpc.StatusCode.CANCELLED)
        except Exception as error:
            status, reason = self._tally.failure(error)
            await context.abort(grpc.StatusCode[status.name], reason)

    async def _carry(self, stream: Stream, messages: AsyncIterator[bytes], context: _Context) -> None:
        """Returns when Envoy has closed its half and nothing is open: only then is the status OK."""
        try:
            async for message in messages:
                for reply in stream.receive(message):
                    await context.write(b"".join(reply))
                self._progress.made()
            await _close(stream)
        finally:
            stream.abandon()  # nothing, after `close`; else the stream was refused or cancelled
            self._progress.made()


async def _close(stream: Stream) -> None:
    """Raises StreamError when Envoy has closed its half too early, CancelledError when it has gone."""
    try:
        stream.close()
    except StreamError:
        await asyncio.sleep(CANCELLATION_S)  # gRPC shows a cancellation as an end of messages first
        raise


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", largest_message(settings)),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        # The window of a stream, and that it does not grow by itself: it is what slows Envoy down.
        ("grpc.http2.lookahead_bytes", settings.link.stream_buffer),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, not a share of the exchanges
        # Envoy may ping as often as it likes: gRPC would hang up on it with "too_many_pings".
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_ping_strikes", 0),
    ]
