"""What the peer's SETTINGS may say (RFC 9113, 6.5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from extproc.server.wire import frames
from extproc.server.wire.errors import ConnectionFault
from extproc.server.wire.frames import ErrorCode, Setting

_ANY: Final = (0, 2**32 - 1, ErrorCode.PROTOCOL_ERROR)
_BOUNDS: Final[Mapping[int, tuple[int, int, ErrorCode]]] = {
    Setting.ENABLE_PUSH: (0, 1, ErrorCode.PROTOCOL_ERROR),
    Setting.INITIAL_WINDOW_SIZE: (0, frames.MAX_31_BITS, ErrorCode.FLOW_CONTROL_ERROR),
    Setting.MAX_FRAME_SIZE: (
        frames.MIN_MAX_FRAME_SIZE,
        frames.MAX_MAX_FRAME_SIZE,
        ErrorCode.PROTOCOL_ERROR,
    ),
}


def check_setting(name: int, value: int) -> None:
    """Raises ConnectionFault."""
    least, most, code = _BOUNDS.get(name, _ANY)
    if not least <= value <= most:
        raise ConnectionFault(code, f"setting {name} of {value}")
