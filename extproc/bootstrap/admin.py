"""Envoy's admin interface, as far as running an Envoy needs it."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import Any, Final

_TIMEOUT_S: Final = 5.0


class Admin:
    """The interface at `address`. Methods raise OSError or http.client.HTTPException when nobody answers."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    async def is_ready(self) -> bool:
        """Whether Envoy has its first configuration, and listens."""
        status, _ = await self._ask("GET", "/ready")
        return status == http.HTTPStatus.OK

    async def listener(self, name: str) -> tuple[str, int]:
        """Where the listener of that name listens, its port as the kernel gave it."""
        _, body = await self._ask("GET", "/listeners?format=json")
        statuses: list[dict[str, Any]] = json.loads(body)["listener_statuses"]
        found = next(status for status in statuses if status["name"] == name)
        socket = found["local_address"]["socket_address"]
        return socket["address"], socket["port_value"]

    async def counter(self, name: str) -> int:
        """A counter or gauge by its full name; 0 for one that nothing has touched yet."""
        _, body = await self._ask("GET", f"/stats?format=json&filter=^{name}$")
        stats: list[dict[str, Any]] = json.loads(body)["stats"]
        return next((int(stat["value"]) for stat in stats if stat.get("name") == name), 0)

    async def post(self, path: str) -> None:
        await self._ask("POST", path)

    async def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(self._exchange, method, path)

    def _exchange(self, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
