"""What the peer has sent, frame by frame: checked, counted, turned into events (RFC 9113, 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault, StreamFault
from extproc.server.wire.events import (
    Event,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)
from extproc.server.wire.fields import MAX_LIST, FieldDecoder, Fields, check_request, check_trailers
from extproc.server.wire.frames import ErrorCode, Setting
from extproc.server.wire.settings import check_setting
from extproc.server.wire.state import State
from extproc.server.wire.streams import Stream

_read_header: Final = frames.HEADER.unpack_from
_HEADER_LENGTH: Final = frames.HEADER.size
_MAX_LENGTH: Final = frames.MIN_MAX_FRAME_SIZE  # ours, since we do not ask for more
_ID_MASK: Final = frames.MAX_31_BITS
_PRIORITY_LENGTH: Final = 5
_MAX_CONTINUATIONS: Final = 32
_END_STREAM: Final = frames.END_STREAM


@dataclass(slots=True)
class _Block:
    """A field block that goes on in CONTINUATION frames."""

    stream_id: int
    end_stream: bool
    data: bytearray
    continuations: int = 0


class Receiver:
    """Handles frame after frame. Raises ConnectionFault."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._decoder = FieldDecoder()
        self._block: _Block | None = None
        self._is_first = True

    def handle(self, data: bytes, start: int, events: list[Event]) -> int:
        """Section 4.1. Frames begin at `start`. Appends what they make happen; where the whole ones end."""
        end, handlers = len(data), self._handlers
        while (begin := start + _HEADER_LENGTH) <= end:
            high, length, kind, flags, stream_id = _read_header(data, start)
            if high or length > _MAX_LENGTH:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of over 16 KiB")
            if self._is_first:
                self._check_first(kind, flags)
            if (following := begin + length) > end:
                break
            start, stream_id = following, stream_id & _ID_MASK
            if self._block is not None:
                _check_block(self._block, kind, stream_id)
            handle = handlers.get(kind)
            if handle is not None:  # types that are not known are ignored
                try:
                    handle(self, flags, stream_id, data[begin:start], events)
                except StreamFault as fault:
                    self._state.refuse(stream_id, fault.code)
                    events.append(StreamReset(stream_id, fault.code))
        return start

    def _check_first(self, kind: int, flags: int) -> None:
        """Section 3.4."""
        if kind != frames.SETTINGS or flags & frames.ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no SETTINGS after the preface")
        self._is_first = False

    def _on_data(self, flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.1."""
        state, flow_length = self._state, len(payload)
        state.received += flow_length
        if state.received >= state.step:
            state.open_window()
        data, end_stream = payload, False
        if flags:
            data, end_stream = _unpadded(flags, payload), flags & _END_STREAM != 0
        if not (data or end_stream):
            state.count_cheap()
        stream = state.streams.get(stream_id)
        if stream is None:
            state.pass_over(stream_id)
            return
        stream.take(flow_length, len(data), end_stream)
        events.append((stream_id, data, flow_length, end_stream))

    def _on_headers(self, flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.2."""
        if stream_id % 2 == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client's streams have odd numbers")
        priority = _PRIORITY_LENGTH if flags & frames.PRIORITY_FLAG else 0
        block = _unpadded(flags, payload, priority)[priority:]
        end_stream = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._on_section(stream_id, block, events, end_stream=end_stream)
        else:
            self._block = _Block(stream_id, end_stream, bytearray(block))

    def _on_continuation(self, flags: int, _id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.10."""
        block = self._block
        if block is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        block.data += payload
        block.continuations += 1
        if len(block.data) > MAX_LIST or block.continuations > _MAX_CONTINUATIONS:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a field block without an end")
        if flags & frames.END_HEADERS:
            self._block = None
            self._on_section(block.stream_id, bytes(block.data), events, end_stream=block.end_stream)

    def _on_section(self, stream_id: int, block: bytes, events: list[Event], *, end_stream: bool) -> None:
        """A field section that is whole: a request's head, or its trailers."""
        fields = self._decoder.decode(block)  # always, or the table is out of step
        stream = self._state.streams.get(stream_id)
        if stream is not None:
            if not stream.is_remote_open:
                raise StreamFault(ErrorCode.STREAM_CLOSED, "HEADERS after the end of the request")
            if not end_stream:
                raise StreamFault(ErrorCode.PROTOCOL_ERROR, "trailers that do not end the request")
            check_trailers(fields)
            stream.end()
            events.append(TrailersReceived(stream_id, fields))
        elif stream_id <= self._state.last_id:
            self._state.pass_over(stream_id)
        else:
            self._open(stream_id, fields, end_stream=end_stream)
            events.append(RequestReceived(stream_id, fields, end_stream))

    def _open(self, stream_id: int, fields: Fields, *, end_stream: bool) -> None:
        state = self._state
        state.last_id = stream_id
        if stream_id > state.goaway_id or len(state.streams) >= state.limits.max_streams:
            raise StreamFault(ErrorCode.REFUSED_STREAM, "no more streams")
        length = check_request(fields)
        stream = Stream(stream_id, state.peer_window, state.limits.stream_window, length)
        state.streams[stream_id] = stream
        if end_stream:
            stream.end()

    def _on_priority(self, _flags: int, stream_id: int, payload: bytes, _events: list[Event]) -> None:
        """Section 6.3: deprecated, and of no effect."""
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY of the connection")
        _check_length(payload, _PRIORITY_LENGTH)  # for all (section 5.4.1): the stream may be idle

    def _on_rst_stream(self, _flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.4."""
        _check_length(payload, 4)
        stream = self._state.streams.pop(stream_id, None)
        if stream is None:
            self._state.check_not_idle(stream_id)
            return
        self._state.sender.forget(stream)
        if stream.unsent or not stream.has_begun:  # what has been answered may end so: it is how Envoy does
            self._state.count_cheap()
        events.append(StreamReset(stream_id, frames.WORD.unpack(payload)[0]))

    def _on_settings(self, flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.5."""
        _check_connection(stream_id)
        if flags & frames.ACK:
            _check_length(payload, 0)
            return
        if len(payload) % 6:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS that are cut off")
        self._state.count_cheap()
        for name, value in frames.read_settings(payload):
            check_setting(name, value)
        self._set(dict(frames.read_settings(payload)))
        self._state.sender.out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._send_waiting(events)

    def _set(self, values: Mapping[int, int]) -> None:
        """Section 6.9.2: the windows of open streams grow or shrink by the difference."""
        state = self._state
        state.sender.max_frame = values.get(Setting.MAX_FRAME_SIZE, state.sender.max_frame)
        window = values.get(Setting.INITIAL_WINDOW_SIZE, state.peer_window)
        change, state.peer_window = window - state.peer_window, window
        for stream in state.streams.values() if change else ():
            try:
                stream.open_window(change)
            except StreamFault as fault:
                raise ConnectionFault(fault.code, "INITIAL_WINDOW_SIZE") from fault

    def _on_push_promise(self, _flags: int, _id: int, _payload: bytes, _events: list[Event]) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client does not push")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes, _events: list[Event]) -> None:
        """Section 6.7."""
        _check_connection(stream_id)
        _check_length(payload, 8)
        if not flags & frames.ACK:
            self._state.count_cheap()
            self._state.sender.out.append(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _on_goaway(self, _flags: int, stream_id: int, payload: bytes, _events: list[Event]) -> None:
        """Section 6.8: what is open goes on, and the peer hangs up."""
        _check_connection(stream_id)
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY that is cut off")

    def _on_window_update(self, _flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.9."""
        _check_length(payload, 4)
        increment = frames.WORD.unpack(payload)[0] & frames.MAX_31_BITS
        stream = self._state.streams.get(stream_id)
        if stream_id and stream is None:
            self._state.check_not_idle(stream_id)
        elif increment == 0:
            fault = StreamFault if stream_id else ConnectionFault
            raise fault(ErrorCode.PROTOCOL_ERROR, "an increment of 0")
        elif stream is None:
            self._state.sender.open_window(increment)
            self._send_waiting(events)
        else:
            stream.open_window(increment)
            if stream.unsent and self._state.sender.send(stream):
                self._sent(stream, events)

    def _send_waiting(self, events: list[Event]) -> None:
        """The connection's window may have grown, or all."""
        for stream in self._state.sender.send_waiting():
            self._sent(stream, events)

    def _sent(self, stream: Stream, events: list[Event]) -> None:
        """Nothing waits on the stream any longer."""
        if stream.trailers is None:
            events.append(WindowOpened(stream.id))
        else:
            self._state.close(stream)

    _handlers: ClassVar[Mapping[int, Callable[[Receiver, int, int, bytes, list[Event]], None]]] = {
        frames.DATA: _on_data,
        frames.HEADERS: _on_headers,
        frames.PRIORITY: _on_priority,
        frames.RST_STREAM: _on_rst_stream,
        frames.SETTINGS: _on_settings,
        frames.PUSH_PROMISE: _on_push_promise,
        frames.PING: _on_ping,
        frames.GOAWAY: _on_goaway,
        frames.WINDOW_UPDATE: _on_window_update,
        frames.CONTINUATION: _on_continuation,
    }


def _unpadded(flags: int, payload: bytes, fixed: int = 0) -> bytes:
    """Section 6.1. `fixed`: octets that have to be there. Raises ConnectionFault."""
    has_length = 1 if flags & frames.PADDED else 0
    if len(payload) < has_length + fixed:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "no room for the fields that the flags announce")
    if not has_length:
        return payload
    if payload[0] >= len(payload) - fixed:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]


def _check_block(block: _Block, kind: int, stream_id: int) -> None:
    """Section 4.3."""
    if kind != frames.CONTINUATION or stream_id != block.stream_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame amid a field block")


def _check_length(payload: bytes, length: int) -> None:
    if len(payload) != length:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"{len(payload)} octets where {length} are due")


def _check_connection(stream_id: int) -> None:
    if stream_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame of the connection on a stream")
