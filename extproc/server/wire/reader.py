"""Bytes to frames: the preface, and then the cutting up (RFC 9113, 3.4 and 4.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode

_HEADER: Final = struct.Struct(">HBBBI")
_ID_MASK: Final = 2**31 - 1


class Frame(NamedTuple):
    kind: int
    flags: int
    stream_id: int
    payload: bytes


class FrameReader:
    """Holds less than one frame. Raises ConnectionFault."""

    def __init__(self) -> None:
        self._awaited = frames.PREFACE
        self._is_first = True
        self._rest = b""

    def receive(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now."""
        if self._awaited:
            data = self._past_preface(data)
        if self._rest:
            data = self._rest + data
        start, end = 0, len(data)
        self._rest = b""
        while end - start >= frames.HEADER_LENGTH:
            high, low, kind, flags, stream_id = _HEADER.unpack_from(data, start)
            length = high << 8 | low
            if length > frames.MIN_MAX_FRAME_SIZE:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} octets")
            if self._is_first:
                self._check_first(kind, flags)
            begin = start + frames.HEADER_LENGTH
            if begin + length > end:
                break
            start = begin + length
            yield Frame(kind, flags, stream_id & _ID_MASK, data[begin:start])
        self._rest = data[start:]

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
