"""One connection's calls: DATA to messages, replies to DATA. No I/O: clock and timers are handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from extproc.errors import ExtprocError
from extproc.message import Buffer
from extproc.server.wire import grpc
from extproc.server.wire.calls import Call, Calls
from extproc.server.wire.connection import Connection, Limits
from extproc.server.wire.events import (
    ConnectionEnded,
    DataReceived,
    Event,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)
from extproc.server.wire.grpc import CallError, MessageReader, Status

_CANCELLATION_S: Final = 0.1  # Envoy ends its half of a stream that it is about to reset
_UNFLUSHED: Final = 256 * 1024  # octets of replies that may gather before they are written


class Timer(Protocol):
    def cancel(self) -> object: ...


@dataclass(slots=True)
class _Open:
    """A call that is under way.

    `held`: octets of the peer's window that are not acknowledged yet. `has_ended`: the peer has sent all, and
    the call has not been told. `timer`: fails the call.
    """

    call: Call
    reader: MessageReader
    held: int = 0
    has_ended: bool = False
    has_head: bool = False
    timer: Timer | None = None


class Session:
    """`call_later(seconds, function)` calls a function later, and `flush` sees to it that `take` is asked:
    it may `pause`."""

    def __init__(
        self,
        calls: Calls,
        limits: Limits,
        call_later: Callable[[float, Callable[[], None]], Timer],
        flush: Callable[[], None],
    ) -> None:
        self._calls = calls
        self._call_later = call_later
        self._flush = flush
        self._connection = Connection(limits)
        self._open: dict[int, _Open] = {}
        self._is_paused = False
        self.take = self._connection.take

    @property
    def is_over(self) -> bool:
        """The peer has broken the protocol: there is nothing to do but to hang up."""
        return self._connection.is_ended

    @property
    def open_streams(self) -> int:
        return self._connection.open_streams

    def receive(self, data: bytes, now: float) -> None:
        """What has come in. DATA in a row is dealt with at once: a message spans several frames."""
        touched: dict[int, None] = {}
        for event in self._connection.receive(data, now):
            if isinstance(event, DataReceived):
                self._hold(event)
                touched[event.stream_id] = None
            else:
                self._advance_all(touched)
                self._on(event, now)
        self._advance_all(touched)

    def pause(self) -> None:
        """The peer does not take what is sent: no call goes on."""
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._advance_all(dict.fromkeys(self._open))

    def leave(self, *, final: bool) -> None:
        """See Connection.go_away."""
        self._connection.go_away(final=final)

    def cut(self) -> None:
        """The worker goes: every call that is still open ends with an error."""
        for stream_id in list(self._open):
            self._fail(stream_id, CallError(Status.UNAVAILABLE, "the worker stops"))

    def close(self) -> None:
        """The connection is gone, and all of its calls."""
        for stream_id in list(self._open):
            self._drop(stream_id)

    def _on(self, event: Event, now: float) -> None:
        match event:
            case RequestReceived(stream_id):
                self._begin(event, now)
            case WindowOpened(stream_id):
                self._advance(stream_id)
            case TrailersReceived(stream_id):
                self._hold(DataReceived(stream_id, b"", 0, end_stream=True))
                self._advance(stream_id)
            case StreamReset(stream_id):
                self._drop(stream_id)
            case ConnectionEnded(_, reason):
                self._calls.broken(reason)
                self.close()

    def _begin(self, event: RequestReceived, now: float) -> None:
        stream_id, request = event.stream_id, dict(event.fields)
        if (refusal := grpc.refusal(request)) is not None:
            self._connection.end(stream_id, refusal)
            return
        try:
            timeout_s = grpc.timeout_s(request)
            call = self._calls.call(request, lambda data: self._tell(stream_id, data), now)
        except CallError as error:
            self._fail(stream_id, error)
            return
        self._open[stream_id] = _Open(call, MessageReader(call.limit))
        if timeout_s is not None:
            self._fail_after(timeout_s, stream_id, CallError(Status.DEADLINE_EXCEEDED, "grpc-timeout"))
        if event.end_stream:
            self._hold(DataReceived(stream_id, b"", 0, end_stream=True))
            self._advance(stream_id)

    def _hold(self, event: DataReceived) -> None:
        current = self._open.get(event.stream_id)
        if current is not None:
            current.reader.receive(event.data)
            current.held += event.flow_length
            current.has_ended = event.end_stream

    def _advance_all(self, touched: dict[int, None]) -> None:
        for stream_id in touched:
            self._advance(stream_id)
        touched.clear()

    def _advance(self, stream_id: int) -> None:
        """Deal with what has come, unless what was sent still waits: then the peer's window stays closed."""
        current = self._open.get(stream_id)
        if current is None:
            return
        try:
            while not (self._is_paused or self._connection.is_blocked(stream_id)):
                message = current.reader.next()
                if message is None:
                    self._dealt_with_all(stream_id, current)
                    return
                self._send(stream_id, current, current.call.receive(message))
        except Exception as error:
            self._fail(stream_id, self._calls.failure(error))

    def _dealt_with_all(self, stream_id: int, current: _Open) -> None:
        self._connection.acknowledge(stream_id, current.held)
        current.held = 0
        if current.has_ended:
            current.has_ended = False
            current.reader.end()
            try:
                if current.call.end():
                    self._end(stream_id, Status.OK)
            except ExtprocError as error:
                self._fail_after(_CANCELLATION_S, stream_id, error)

    def _send(self, stream_id: int, current: _Open, replies: Sequence[Buffer]) -> None:
        if not replies:
            return
        if not current.has_head:
            current.has_head = True
            self._connection.send_headers(stream_id, grpc.HEAD)
        self._connection.send_data(stream_id, replies)
        if self._connection.unflushed > _UNFLUSHED:
            self._flush()

    def _tell(self, stream_id: int, replies: Sequence[Buffer]) -> None:
        if (current := self._open.get(stream_id)) is not None:
            self._send(stream_id, current, replies)
            self._flush()

    def _fail_after(self, seconds: float, stream_id: int, error: ExtprocError) -> None:
        def fail() -> None:
            self._fail(stream_id, self._calls.failure(error))
            self._flush()

        current = self._open[stream_id]
        if current.timer is not None:
            current.timer.cancel()
        current.timer = self._call_later(seconds, fail)

    def _fail(self, stream_id: int, error: CallError) -> None:
        self._connection.discard(stream_id)
        self._end(stream_id, error.status, error.reason)

    def _end(self, stream_id: int, status: Status, reason: str = "") -> None:
        current = self._open.get(stream_id)
        begun = current is not None and current.has_head
        self._drop(stream_id)
        self._connection.end(stream_id, grpc.trailers(status, reason, alone=not begun))

    def _drop(self, stream_id: int) -> None:
        current = self._open.pop(stream_id, None)
        if current is not None:
            current.call.abandon()
            if current.timer is not None:
                current.timer.cancel()
