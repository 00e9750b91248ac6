"""What a peer can do wrong, and at what cost (RFC 9113, section 5.4)."""

from __future__ import annotations

from extproc.errors import ExtprocError
from extproc.server.wire.frames import ErrorCode


class ConnectionFault(ExtprocError):  # noqa: N818  # "connection error" in the RFC; ConnectionError is Python's
    """Ends the connection, by GOAWAY with this code."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(f"{code.name}: {reason}")
        self.code = code


class StreamFault(ExtprocError):  # noqa: N818  # as above
    """Ends one stream, by RST_STREAM with this code."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(f"{code.name}: {reason}")
        self.code = code
