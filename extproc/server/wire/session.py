"""One connection's calls: DATA to messages, replies to DATA. No I/O: clock and timers are handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from extproc.envoy_api import Reply
from extproc.errors import ExtprocError
from extproc.server.serving import CANCELLATION_S, Status
from extproc.server.wire import grpc
from extproc.server.wire.calls import Call, Calls
from extproc.server.wire.connection import Connection, Limits
from extproc.server.wire.events import (
    ConnectionEnded,
    Event,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)
from extproc.server.wire.grpc import CallError, MessageReader

_ACKNOWLEDGED: Final = 16 * 1024  # octets at a time, at least; less than half of any window
_UNFLUSHED: Final = 256 * 1024  # octets of replies that may gather before they are written


class Timer(Protocol):
    def cancel(self) -> object: ...


class _Open(MessageReader):
    """A call that is under way, and its messages.

    `held`: octets of the peer's window that are not acknowledged yet. `is_waiting`: replies wait for the peer
    to open a window. `has_ended`: it has sent all, and the call has not been told. `timer`: fails the call.
    """

    __slots__ = ("call", "has_ended", "has_head", "held", "is_waiting", "stream_id", "timer")

    def __init__(self, stream_id: int, call: Call) -> None:
        super().__init__(call.limit)
        self.stream_id = stream_id
        self.call = call
        self.held = 0
        self.has_head = False
        self.is_waiting = False
        self.has_ended = False
        self.timer: Timer | None = None


class Session:
    """`call_later(seconds, function)` calls a function later, and `flush` sees to it that `take` is asked:
    it may `pause`. `is_over`: the peer has broken the protocol, and there is nothing to do but to hang up."""

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
        self.is_over = False
        self.take = self._connection.take

    @property
    def open_streams(self) -> int:
        return self._connection.open_streams

    def receive(self, data: bytes, now: float) -> None:
        """What has come in. Frames of DATA in a row are often of one message: they are dealt with at once."""
        fed: _Open | None = None
        for event in self._connection.receive(data, now):
            current = self._feed(*event) if type(event) is tuple else None
            if fed is not None and fed is not current:
                self._advance(fed)
            fed = current
            if type(event) is not tuple:
                self._on(event, now)
        if fed is not None:
            self._advance(fed)

    def pause(self) -> None:
        """The peer does not take what is sent: no call goes on."""
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        for current in list(self._open.values()):
            self._advance(current)

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
                if (current := self._open.get(stream_id)) is not None:
                    current.is_waiting = False
                    self._advance(current)
            case TrailersReceived(stream_id):
                self._end_of_request(stream_id)
            case StreamReset(stream_id):
                self._drop(stream_id)
            case ConnectionEnded(_, reason):
                self.is_over = True
                self._calls.broken(reason)
                self.close()

    def _begin(self, event: RequestReceived, now: float) -> None:
        stream_id, fields, end_stream = event
        head = grpc.head(fields)
        if head.refusal is not None:
            self._connection.end(stream_id, head.refusal)
            return
        try:
            call = self._calls.call(head.path, lambda data: self._tell(stream_id, data), now)
        except CallError as error:
            self._fail(stream_id, error)
            return
        self._open[stream_id] = _Open(stream_id, call)
        if head.timeout_s is not None:
            self._fail_after(head.timeout_s, stream_id, CallError(Status.DEADLINE_EXCEEDED, "grpc-timeout"))
        if end_stream:
            self._end_of_request(stream_id)

    def _feed(self, stream_id: int, data: bytes, flow_length: int, end_stream: bool) -> _Open | None:
        """DATA, for `_advance` to deal with."""
        current = self._open.get(stream_id)
        if current is not None:
            current.receive(data)
            current.held += flow_length
            current.has_ended = end_stream
        return current

    def _end_of_request(self, stream_id: int) -> None:
        """The peer has sent all, and no DATA says so."""
        if (current := self._feed(stream_id, b"", 0, True)) is not None:
            self._advance(current)

    def _advance(self, current: _Open) -> None:
        """Deal with what has come, unless what is sent has to wait: then the peer's window stays closed."""
        try:
            while not (current.is_waiting or self._is_paused):
                message = current.next() if current.data else None
                if message is None:
                    if current.has_ended or current.held >= _ACKNOWLEDGED:
                        self._dealt_with_all(current)
                    break
                if replies := current.call.receive(message):
                    self._send(current, replies)
        except Exception as error:
            self._fail(current.stream_id, self._calls.failure(error))

    def _dealt_with_all(self, current: _Open) -> None:
        if current.has_ended:
            current.has_ended = False
            current.end()
            try:
                if current.call.end():
                    self._end(current.stream_id, Status.OK)
            except ExtprocError as error:
                self._fail_after(CANCELLATION_S, current.stream_id, error)
        else:
            self._connection.acknowledge(current.stream_id, current.held)
            current.held = 0

    def _send(self, current: _Open, replies: Sequence[Reply]) -> None:
        connection, stream_id = self._connection, current.stream_id
        if not current.has_head:
            current.has_head = True
            connection.send_headers(stream_id, grpc.HEAD)
        current.is_waiting = not connection.send_data(stream_id, *grpc.messages(replies))
        if connection.sender.unflushed > _UNFLUSHED:
            self._flush()

    def _tell(self, stream_id: int, replies: Sequence[Reply]) -> None:
        if (current := self._open.get(stream_id)) is not None:
            self._send(current, replies)
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
        current = self._drop(stream_id)
        begun = current is not None and current.has_head
        self._connection.end(stream_id, grpc.trailers(status, reason, alone=not begun))

    def _drop(self, stream_id: int) -> _Open | None:
        current = self._open.pop(stream_id, None)
        if current is not None:
            current.call.abandon()
            if current.timer is not None:
                current.timer.cancel()
        return current
