"""The `h2` library as oracle: what it and our Connection make of the same frames, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from extproc.server.wire import events as our
from extproc.server.wire.connection import Connection, Limits
from extproc.server.wire.fields import encode
from extproc.server.wire.frames import ErrorCode
from tests.wire import peer

LIMITS: Final = Limits(max_streams=4, stream_window=65_535, connection_window=2**17)
HEAD: Final = ((":status", "200"), ("content-type", "application/grpc"))
TRAILERS: Final = (("grpc-status", "0"),)


class Answer(NamedTuple):
    """The server's next step: it ends its half of a stream."""

    stream_id: int


class Happened(NamedTuple):
    """An event that both have. `what`: request, data, trailers, reset or ended."""

    what: str
    stream_id: int
    detail: object
    end_stream: bool = False


Step = bytes | Answer


class Ours:
    """Our side."""

    def __init__(self) -> None:
        self.connection = Connection(LIMITS)
        self.connection.take()

    def take(self, step: Step) -> list[Happened]:
        """What a step makes happen."""
        if isinstance(step, Answer):
            self.connection.send_headers(step.stream_id, encode(HEAD))
            self.connection.end(step.stream_id, encode(TRAILERS))
            return []
        return list(happened(self.connection.receive(step, 0.0)))


def happened(events: Iterable[our.Event]) -> Iterator[Happened]:
    """Our events, in the form that both have."""
    for event in events:
        match event:
            case our.RequestReceived(stream_id, fields, end_stream):
                yield Happened("request", stream_id, fields, end_stream)
            case (int(stream_id), bytes(data), int(flow_length), bool(end_stream)):
                yield Happened("data", stream_id, (data, flow_length), end_stream)
            case our.TrailersReceived(stream_id, fields):
                yield Happened("trailers", stream_id, fields, end_stream=True)
            case our.StreamReset(stream_id, code):
                yield Happened("reset", stream_id, code)
            case our.ConnectionEnded(code):
                yield Happened("ended", 0, int(code))


class Theirs:
    """The library's side, with the same limits."""

    def __init__(self) -> None:
        self._connection = H2Connection(
            H2Configuration(client_side=False, header_encoding=None, normalize_inbound_headers=False)
        )
        self._connection.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: LIMITS.max_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: LIMITS.stream_window,
                SettingCodes.MAX_HEADER_LIST_SIZE: 65_536,
            },
        )
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(LIMITS.connection_window - 65_535)

    def take(self, step: Step) -> list[Happened]:
        if isinstance(step, Answer):
            self._answer(step.stream_id)
            return []
        try:
            events = self._connection.receive_data(step)
        except ProtocolError as error:
            return [Happened("ended", 0, int(error.error_code))]
        return [each for event in events for each in self._seen(event)]

    def _seen(self, event: Event) -> Iterator[Happened]:
        match event:
            case RequestReceived():
                ended = event.stream_ended is not None
                yield Happened("request", event.stream_id, _plain(event.headers), ended)
            case DataReceived():
                length = event.flow_controlled_length
                if length:  # the connection's window opens again at once, as ours does
                    self._connection.increment_flow_control_window(length)
                ended = event.stream_ended is not None
                yield Happened("data", event.stream_id, (bytes(event.data), length), ended)
            case TrailersReceived():
                yield Happened("trailers", event.stream_id, _plain(event.headers), end_stream=True)
            case StreamReset():
                yield Happened("reset", event.stream_id, int(event.error_code))

    def _answer(self, stream_id: int) -> None:
        """As `Connection.end`: NO_ERROR for what is left of a request (RFC 9113, 8.1)."""
        connection = self._connection
        stream = connection.streams.get(stream_id)
        if stream is None or stream.closed:
            return
        connection.send_headers(stream_id, HEAD)
        connection.send_headers(stream_id, TRAILERS, end_stream=True)
        if not stream.closed:
            connection.reset_stream(stream_id)


def _plain(fields: Iterable[tuple[bytes | str, bytes | str]]) -> tuple[tuple[bytes, bytes], ...]:
    """Octets, which the library gives for a `header_encoding` of None."""
    return tuple((bytes(name), bytes(value)) for name, value in cast("Iterable[tuple[bytes, bytes]]", fields))


class Outcome(NamedTuple):
    """What a step has come to, for both."""

    step: Step
    ours: list[Happened]
    theirs: list[Happened]

    @property
    def kind(self) -> str:
        """Of the step's first frame."""
        if not isinstance(self.step, bytes):
            return "answer"
        number = self.step[3]
        return peer.KINDS[number] if number < len(peer.KINDS) else hex(number)

    def frames(self) -> list[bytes]:
        return list(peer.cut(self.step)) if isinstance(self.step, bytes) else []

    def codes(self) -> tuple[tuple[str, ErrorCode | None], ...]:
        """How each has failed: `reset` or `ended`, or neither, and the code."""
        return tuple(_failure(events) for events in (self.ours, self.theirs))


def _failure(events: list[Happened]) -> tuple[str, ErrorCode | None]:
    last = events[-1] if events else None
    if last is not None and last.what in {"reset", "ended"} and isinstance(last.detail, int):
        return last.what, ErrorCode(last.detail)
    return "", None


def outcomes(steps: Iterable[Step]) -> Iterator[Outcome]:
    """Both sides, step by step, until one of them has ended. After the peer's GOAWAY the library takes
    nothing more, although streams go on (RFC 9113, 6.8)."""
    ours, theirs = Ours(), Theirs()
    for step in steps:
        outcome = Outcome(step, ours.take(step), theirs.take(step))
        yield outcome
        if outcome.kind == "GOAWAY" or "ended" in {each.what for each in (*outcome.ours, *outcome.theirs)}:
            return
