"""The calls of the two services: messages in, framed replies out. No I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence

from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest
from structlog.typing import FilteringBoundLogger

from extproc.message import Buffer
from extproc.server.service import Service, Stream, StreamError, StreamResetError
from extproc.server.wire import grpc
from extproc.server.wire.grpc import CallError, Status
from extproc.server.wire.health import Health

Send = Callable[[Sequence[Buffer]], None]  # takes framed messages, in pieces


class Call(ABC):
    """One call. `receive` and `end` raise CallError, which ends it. `limit`: octets of a message."""

    limit: int

    @abstractmethod
    def receive(self, message: bytes) -> Sequence[Buffer]:
        """Framed replies to a message, in pieces."""

    @abstractmethod
    def end(self) -> bool:
        """The peer has sent all. Whether the call is over with that, and well."""

    @abstractmethod
    def abandon(self) -> None:
        """It is over, in whatever way."""


class ProcessCall(Call):
    def __init__(self, stream: Stream, limit: int) -> None:
        self.limit = limit
        self._stream = stream

    def receive(self, message: bytes) -> Sequence[Buffer]:
        return [piece for reply in self._stream.receive(message) for piece in grpc.message(*reply)]

    def end(self) -> bool:
        self._stream.close()
        return True

    def abandon(self) -> None:
        self._stream.abandon()


class _HealthCall(Call):
    """One HealthCheckRequest, and then the end."""

    limit = 4096  # of what is but a name

    def __init__(self, health: Health) -> None:
        self._health = health
        self._is_asked = False

    def receive(self, message: bytes) -> Sequence[Buffer]:
        if self._is_asked:
            raise CallError(Status.INTERNAL, "expected one HealthCheckRequest")
        self._is_asked = True
        return grpc.message(self._answer(HealthCheckRequest.FromString(message).service))

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
        self._send(grpc.message(response))


class Calls:
    """Makes calls, and says how one that fails ends. `limit`: octets of a message from Envoy."""

    def __init__(
        self, service: Service, health: Health, counts: Counter[str], log: FilteringBoundLogger, limit: int
    ) -> None:
        self._service = service
        self._health = health
        self._counts = counts
        self._log = log
        self._limit = limit

    def call(self, request: grpc.Request, send: Send, now: float) -> Call:
        """The call that is asked for; `send` is for what comes without being asked. Raises CallError."""
        if request.get(b"grpc-encoding", b"identity") != b"identity":
            raise CallError(Status.UNIMPLEMENTED, "no grpc-encoding but identity")
        match request[b":path"]:
            case b"/envoy.service.ext_proc.v3.ExternalProcessor/Process":
                self._counts["exchanges"] += 1
                return ProcessCall(self._service.stream(), self._limit)
            case b"/grpc.health.v1.Health/Check":
                return CheckCall(self._health, now)
            case b"/grpc.health.v1.Health/Watch":
                return WatchCall(self._health, send)
        raise CallError(Status.UNIMPLEMENTED, "no such method")

    def failure(self, error: Exception) -> CallError:
        """The status that a call ends with. Never OK: after that Envoy goes on with the request as it is."""
        match error:
            case CallError():
                return error
            case StreamResetError():  # which has been logged
                return CallError(Status.ABORTED, str(error))
            case StreamError():
                self._counts["broke_protocol"] += 1
                self._log.warning("stream.refused", reason=str(error))
                return CallError(Status.FAILED_PRECONDITION, str(error))
            case DecodeError():
                return CallError(Status.INTERNAL, "a message that does not parse")
        self._counts["bugs"] += 1
        self._log.exception("stream.bug")  # which is being caught
        return CallError(Status.INTERNAL, "internal error")

    def broken(self, reason: str) -> None:
        """A connection has ended, by what Envoy did wrong."""
        self._log.warning("connection.broken", reason=reason)
