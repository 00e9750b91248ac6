"""Bytes to frames: the preface, and then the cutting up (RFC 9113, 3.4 and 4.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode

_HEADER: Final = struct.Struct(">HBBBI")
_ID_MASK: Final = 2**31 - 1


class Frame(NamedTuple):
    kind: int
    flags: int
    stream_id: int
    payload: Any  # bytes; of DATA a memoryview


class FrameReader:
    """Holds less than one frame. Raises ConnectionFault."""

    def __init__(self) -> None:
        self._awaited = frames.PREFACE
        self._is_first = True
        self._rest = b""

    def receive(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. The payload of DATA is a view of what came, and not a copy."""
        if self._awaited:
            data = self._past_preface(data)
        rest = memoryview(data)
        if self._rest:
            lacking = self._lacking(rest)
            begun, self._rest = self._rest + rest[:lacking], b""
            yield from self._cut(memoryview(begun))
            rest = rest[lacking:]
        if rest:
            yield from self._cut(rest)

    def _lacking(self, view: memoryview) -> int:
        """How much of what has come belongs to the frame that has begun."""
        header = self._rest[: frames.HEADER_LENGTH] + view[: max(0, frames.HEADER_LENGTH - len(self._rest))]
        if len(header) < frames.HEADER_LENGTH:
            return len(view)
        length = int.from_bytes(header[:3], "big")
        return max(0, frames.HEADER_LENGTH + length - len(self._rest))

    def _cut(self, view: memoryview) -> Iterator[Frame]:
        start, end = 0, len(view)
        while end - start >= frames.HEADER_LENGTH:
            high, low, kind, flags, stream_id = _HEADER.unpack_from(view, start)
            length = high << 8 | low
            if length > frames.MIN_MAX_FRAME_SIZE:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} octets")
            if self._is_first:
                self._check_first(kind, flags)
            begin = start + frames.HEADER_LENGTH
            if begin + length > end:
                break
            start = begin + length
            payload = view[begin:start]
            yield Frame(kind, flags, stream_id & _ID_MASK, payload if kind == frames.DATA else bytes(payload))
        self._rest = bytes(view[start:])

    def _past_preface(self, data: bytes) -> bytes:
        length = min(len(self._awaited), len(data))
        if data[:length] != self._awaited[:length]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 preface")
        self._awaited = self._awaited[length:]
        return data[length:]

    def _check_first(self, kind: int, flags: int) -> None:
        if kind != frames.SETTINGS or flags & frames.ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no SETTINGS after the preface")
        self._is_first = False
