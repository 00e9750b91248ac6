"""The calls of the two services: messages in, replies out. No I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest

from extproc.envoy_api import Reply
from extproc.server.service import Service, Stream
from extproc.server.serving import SERVICE_NAME, Status, Tally
from extproc.server.wire.grpc import CallError
from extproc.server.wire.health import Health

_PROCESS: Final = f"/{SERVICE_NAME}/Process".encode()
Send = Callable[[Sequence[Reply]], None]


class Call(ABC):
    """One call. `receive` and `end` raise CallError, which ends it. `limit`: octets of a message."""

    limit: int

    @abstractmethod
    def receive(self, message: bytes) -> Sequence[Reply]:
        """The replies to a message."""

    @abstractmethod
    def end(self) -> bool:
        """The peer has sent all. Whether the call is over with that, and well."""

    @abstractmethod
    def abandon(self) -> None:
        """It is over, in whatever way."""


class ProcessCall(Stream, Call):
    """A stream of the service, as a call."""

    def __init__(self, service: Service, limit: int) -> None:
        super().__init__(service)
        self.limit = limit

    def end(self) -> bool:
        self.close()
        return True


class _HealthCall(Call):
    """One HealthCheckRequest, and then the end."""

    limit = 4096  # of what is but a name

    def __init__(self, health: Health) -> None:
        self._health = health
        self._is_asked = False

    def receive(self, message: bytes) -> Sequence[Reply]:
        if self._is_asked:
            raise CallError(Status.INTERNAL, "expected one HealthCheckRequest")
        self._is_asked = True
        return [(self._answer(HealthCheckRequest.FromString(message).service),)]

    def end(self) -> bool:
        if not self._is_asked:
            raise CallError(Status.INTERNAL, "expected a HealthCheckRequest")
        return True

    @abstractmethod
    def _answer(self, service: str) -> bytes: ...


class CheckCall(_HealthCall):
    def __init__(self, health: Health, now: float) -> None:
        super().__init__(health)
        self._now = now

    def abandon(self) -> None:
        """There is nothing to give back."""

    def _answer(self, service: str) -> bytes:
        response = self._health.check(service, self._now)
        if response is None:
            raise CallError(Status.NOT_FOUND, "unknown service")
        return response


class WatchCall(_HealthCall):
    def __init__(self, health: Health, send: Send) -> None:
        super().__init__(health)
        self._send = send

    def end(self) -> bool:
        return not super().end()  # it goes on until the peer has enough

    def abandon(self) -> None:
        self._health.unwatch(self._tell)

    def _answer(self, service: str) -> bytes:
        self._health.watch(service, self._tell)
        return self._health.response(service)

    def _tell(self, response: bytes) -> None:
        self._send([(response,)])


class Calls:
    """Makes calls, and says how one that fails ends. `limit`: octets of a message from Envoy."""

    def __init__(self, service: Service, health: Health, tally: Tally, limit: int) -> None:
        self._service = service
        self._health = health
        self._tally = tally
        self._limit = limit
        self.broken = tally.broken

    def call(self, path: bytes, send: Send, now: float) -> Call:
        """The call that is asked for; `send` is for what comes without being asked. Raises CallError."""
        if path == _PROCESS:
            self._tally.begin()
            return ProcessCall(self._service, self._limit)
        if path == b"/grpc.health.v1.Health/Check":
            return CheckCall(self._health, now)
        if path == b"/grpc.health.v1.Health/Watch":
            return WatchCall(self._health, send)
        raise CallError(Status.UNIMPLEMENTED, "no such method")

    def failure(self, error: Exception) -> CallError:
        """The status that a call ends with, of `error`, which is being caught."""
        if isinstance(error, CallError):
            return error
        if isinstance(error, DecodeError):
            return CallError(Status.INTERNAL, "a message that does not parse")
        return CallError(*self._tally.failure(error))
