"""What the peer has sent, frame by frame: checked, counted, turned into events (RFC 9113, 5 and 6)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault, StreamFault
from extproc.server.wire.events import (
    DataReceived,
    Event,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)
from extproc.server.wire.fields import MAX_LIST, FieldDecoder, Fields, check_request, check_trailers
from extproc.server.wire.frames import ErrorCode, Setting
from extproc.server.wire.reader import Frame
from extproc.server.wire.state import State
from extproc.server.wire.streams import Stream

_WORD: Final = struct.Struct(">I")
_INCREMENT_MASK: Final = 2**31 - 1
_PRIORITY_LENGTH: Final = 5
_MAX_CONTINUATIONS: Final = 32
_ANY: Final = (0, 2**32 - 1, ErrorCode.PROTOCOL_ERROR)
_BOUNDS: Final[Mapping[int, tuple[int, int, ErrorCode]]] = {  # of settings (section 6.5.2)
    Setting.ENABLE_PUSH: (0, 1, ErrorCode.PROTOCOL_ERROR),
    Setting.INITIAL_WINDOW_SIZE: (0, frames.MAX_WINDOW, ErrorCode.FLOW_CONTROL_ERROR),
    Setting.MAX_FRAME_SIZE: (
        frames.MIN_MAX_FRAME_SIZE,
        frames.MAX_MAX_FRAME_SIZE,
        ErrorCode.PROTOCOL_ERROR,
    ),
}


@dataclass(slots=True)
class _Block:
    """A field block, and the CONTINUATION frames that it goes on in."""

    stream_id: int
    end_stream: bool
    data: bytearray
    continuations: int = 0


class Receiver:
    """Handles one frame at a time. Raises ConnectionFault."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._decoder = FieldDecoder()
        self._block: _Block | None = None

    def handle(self, frame: Frame, events: list[Event]) -> None:
        """Appends to `events` what the frame makes happen."""
        kind, flags, stream_id, payload = frame
        if self._block is not None and (kind != frames.CONTINUATION or stream_id != self._block.stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame amid a field block")
        handle = self._handlers.get(kind)
        if handle is None:
            return  # section 4.1: types that are not known are ignored
        try:
            handle(self, flags, stream_id, payload, events)
        except StreamFault as fault:
            self._state.refuse(stream_id, fault.code)
            events.append(StreamReset(stream_id, fault.code))

    def _on_data(self, flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.1."""
        flow_length = len(payload)
        self._state.count_in(flow_length)
        data = _unpadded(flags, payload)
        end_stream = bool(flags & frames.END_STREAM)
        if not data and not end_stream:
            self._state.count_cheap()
        stream = self._state.streams.get(stream_id)
        if stream is None:
            self._state.pass_over(stream_id)
            return
        stream.take(flow_length, len(data), end_stream=end_stream)
        events.append(DataReceived(stream_id, data, flow_length, end_stream))

    def _on_headers(self, flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.2."""
        if stream_id % 2 == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client's streams have odd numbers")
        priority = _PRIORITY_LENGTH if flags & frames.PRIORITY_FLAG else 0
        block = _unpadded(flags, payload, priority)[priority:]
        self._block = _Block(stream_id, bool(flags & frames.END_STREAM), bytearray(block))
        if flags & frames.END_HEADERS:
            self._end_block(events)

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
            self._end_block(events)

    def _end_block(self, events: list[Event]) -> None:
        block, self._block = self._block, None
        if block is None:
            raise AssertionError("no block has begun")
        fields = self._decoder.decode(bytes(block.data))  # always, or the table is out of step
        stream = self._state.streams.get(block.stream_id)
        if stream is not None:
            if not stream.is_remote_open:
                raise StreamFault(ErrorCode.STREAM_CLOSED, "HEADERS after the end of the request")
            if not block.end_stream:
                raise StreamFault(ErrorCode.PROTOCOL_ERROR, "trailers that do not end the request")
            check_trailers(fields)
            stream.end()
            events.append(TrailersReceived(block.stream_id, fields))
        elif block.stream_id <= self._state.last_id:
            self._state.pass_over(block.stream_id)
        else:
            self._open(block, fields)
            events.append(RequestReceived(block.stream_id, fields, block.end_stream))

    def _open(self, block: _Block, fields: Fields) -> None:
        state = self._state
        state.last_id = block.stream_id
        if block.stream_id > state.goaway_id or len(state.streams) >= state.limits.max_streams:
            raise StreamFault(ErrorCode.REFUSED_STREAM, "no more streams")
        length = check_request(fields)
        stream = Stream(block.stream_id, state.peer_window, state.limits.stream_window, length)
        state.streams[block.stream_id] = stream
        if block.end_stream:
            stream.end()

    def _on_priority(self, _flags: int, stream_id: int, payload: bytes, _events: list[Event]) -> None:
        """Section 6.3: deprecated, and of no effect."""
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY of the connection")
        _check_length(payload, _PRIORITY_LENGTH)  # for all (section 5.4.1): the stream may be idle

    def _on_rst_stream(self, _flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Section 6.4."""
        _check_length(payload, 4)
        self._state.check_not_idle(stream_id)
        if (stream := self._state.streams.pop(stream_id, None)) is not None:
            self._state.sender.forget(stream)
            self._state.count_cheap()
            events.append(StreamReset(stream_id, _WORD.unpack(payload)[0]))

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
            _check_setting(name, value)
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
        increment = _WORD.unpack(payload)[0] & _INCREMENT_MASK
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


def _check_setting(name: int, value: int) -> None:
    least, most, code = _BOUNDS.get(name, _ANY)
    if not least <= value <= most:
        raise ConnectionFault(code, f"setting {name} of {value}")


def _check_length(payload: bytes, length: int) -> None:
    if len(payload) != length:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"{len(payload)} octets where {length} are due")


def _check_connection(stream_id: int) -> None:
    if stream_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame of the connection on a stream")
