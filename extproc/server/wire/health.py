"""grpc.health.v1 (github.com/grpc/grpc, doc/health-checking.md): Check and Watch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from grpc_health.v1.health_pb2 import HealthCheckResponse

SERVING: Final = HealthCheckResponse.SERVING
NOT_SERVING: Final = HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN: Final = HealthCheckResponse.SERVICE_UNKNOWN

Watcher = Callable[[bytes], None]  # takes a serialized HealthCheckResponse


class Health:
    """What the server says of itself, by service; "" is all of it."""

    def __init__(self) -> None:
        self.asked_at = -math.inf  # by the caller's clock
        self._statuses: dict[str, int] = {}
        self._watchers: dict[Watcher, str] = {}

    def set(self, service: str, status: int) -> None:
        """Whoever watches hears of it."""
        self._statuses[service] = status
        for watcher in [watcher for watcher, watched in self._watchers.items() if watched == service]:
            watcher(self.response(service))

    def stop(self) -> None:
        """Nothing is served any longer."""
        for service in self._statuses:
            self.set(service, NOT_SERVING)

    def check(self, service: str, now: float) -> bytes | None:
        """A serialized HealthCheckResponse, or None for a service that is not known."""
        self.asked_at = now
        return self.response(service) if service in self._statuses else None

    def response(self, service: str) -> bytes:
        response = HealthCheckResponse(status=self._statuses.get(service, SERVICE_UNKNOWN))
        return bytes(response.SerializeToString())

    def watch(self, service: str, watcher: Watcher) -> None:
        self._watchers[watcher] = service

    def unwatch(self, watcher: Watcher) -> None:
        self._watchers.pop(watcher, None)
