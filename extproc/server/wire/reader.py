"""Reads, put together where a frame goes on in the next: first the preface (RFC 9113, 3.4), then frames."""

from __future__ import annotations

from typing import Final

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode

_HEADER_LENGTH: Final = frames.HEADER.size


class Reader:
    """`rest`: what has come of a frame that is not whole yet, for whoever cuts the frames to say."""

    def __init__(self) -> None:
        self.rest = b""
        self._awaited = frames.PREFACE

    def receive(self, data: bytes) -> tuple[tuple[bytes, int], ...]:
        """What frames are in, and where the first of them begins. Raises ConnectionFault.

        It is what came, and no copy, but for the frame that had begun.
        """
        start = self._past_preface(data) if self._awaited else 0
        return self._going_on(data, start) if self.rest else ((data, start),)

    def _going_on(self, data: bytes, start: int) -> tuple[tuple[bytes, int], ...]:
        """The frame that has begun, and then the others."""
        end = start + self._lacking(data[start : start + _HEADER_LENGTH], len(data) - start)
        begun, self.rest = self.rest + data[start:end], b""
        return ((begun, 0), (data, end)) if end < len(data) else ((begun, 0),)

    def _lacking(self, following: bytes, most: int) -> int:
        """How much of what has come belongs to the frame that has begun."""
        header = (self.rest[:_HEADER_LENGTH] + following)[:_HEADER_LENGTH]
        if len(header) < _HEADER_LENGTH:
            return most
        length = int.from_bytes(header[:3], "big")
        return min(most, max(0, _HEADER_LENGTH + length - len(self.rest)))

    def _past_preface(self, data: bytes) -> int:
        length = min(len(self._awaited), len(data))
        if data[:length] != self._awaited[:length]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 preface")
        self._awaited = self._awaited[length:]
        return length
