"""What is the same on either transport: names, times, how streams that fail end, when a worker is quiet."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from structlog.typing import FilteringBoundLogger

from extproc.server.service import Service, StreamError, StreamResetError

SERVICE_NAME: Final = "envoy.service.ext_proc.v3.ExternalProcessor"
MAX_STREAMS: Final = 1024  # at once, on a connection: Envoy's default limit of requests to a cluster
CANCELLATION_S: Final = 0.1  # Envoy may end its half of a stream that it is about to reset
CLOSING_S: Final = 1.0  # for Envoy to end streams whose exchange is over
_CHECKED_WITHIN_S: Final = 1.25  # Envoy asks for the health of a worker every second, at least


class Status(IntEnum):
    """Those of gRPC's statuses that are used here (github.com/grpc/grpc, doc/statuscodes.md)."""

    OK = 0
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class Tally:
    """Counts a worker's exchanges, and says how one that fails ends."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.counts = Counter(exchanges=0, broke_protocol=0, bugs=0)
        self._log = log

    def begin(self) -> None:
        """One more exchange."""
        self.counts["exchanges"] += 1

    def failure(self, error: Exception) -> tuple[Status, str]:
        """The status and message of a stream that `error`, which is being caught, ends. Never OK: after that
        Envoy goes on with the request as it is."""
        match error:
            case StreamResetError():  # which has been logged
                return Status.ABORTED, str(error)
            case StreamError():
                self.counts["broke_protocol"] += 1
                self._log.warning("stream.refused", reason=str(error))
                return Status.FAILED_PRECONDITION, str(error)
        self.counts["bugs"] += 1
        self._log.exception("stream.bug")
        return Status.INTERNAL, "internal error"

    def broken(self, reason: str) -> None:
        """A connection has ended, by what Envoy did wrong."""
        self._log.warning("connection.broken", reason=reason)


class Progress:
    """`made` whenever something has happened, for whoever waits `until` something is so."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.made = self._event.set

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._event.clear()
            await self._event.wait()

    async def until_quiet(self, service: Service, asked_at: float, timeout_s: float) -> None:
        """Until no exchange is open, or for `timeout_s`; Envoy asked for our health at `asked_at`.

        If it does so all the time it has to hear of the drain, since until then it sends new exchanges.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if asyncio.get_running_loop().time() - asked_at < _CHECKED_WITHIN_S:
                    await asyncio.sleep(_CHECKED_WITHIN_S)
                await self.until(lambda: not service.open_exchanges)
