"""Reads, put together where a frame goes on in the next: first the preface (RFC 9113, 3.4), then frames."""

from __future__ import annotations

from typing import Final

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode

_HEADER_LENGTH: Final = frames.HEADER.size


class Reader:
    """`rest`: what has come of a frame that is not whole yet, for who cuts the frames to say."""

    def __init__(self) -> None:
        self.rest = b""
        self._awaited = frames.PREFACE

    def receive(self, data: bytes) -> tuple[memoryview, ...]:
        """One or two views, each of which begins with a frame. Raises ConnectionFault.

        They are of what came, and no copies, but for the frame that had begun.
        """
        if self._awaited:
            data = self._past_preface(data)
        view = memoryview(data)
        return self._going_on(view) if self.rest else (view,)

    def _going_on(self, view: memoryview) -> tuple[memoryview, ...]:
        """The frame that has begun, and then the others."""
        lacking = self._lacking(view)
        begun = memoryview(self.rest + view[:lacking])
        return (begun, view[lacking:]) if lacking < len(view) else (begun,)

    def _lacking(self, view: memoryview) -> int:
        """How much of what has come belongs to the frame that has begun."""
        header = self.rest[:_HEADER_LENGTH] + view[: max(0, _HEADER_LENGTH - len(self.rest))]
        if len(header) < _HEADER_LENGTH:
            return len(view)
        length = int.from_bytes(header[:3], "big")
        return max(0, _HEADER_LENGTH + length - len(self.rest))

    def _past_preface(self, data: bytes) -> bytes:
        length = min(len(self._awaited), len(data))
        if data[:length] != self._awaited[:length]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 preface")
        self._awaited = self._awaited[length:]
        return data[length:]
