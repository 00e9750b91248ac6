"""Flow control: what is held of an exchange before its sender is slowed. And dead peers."""

from __future__ import annotations

from typing import Final

from envoy_data_plane.envoy.config.core import v3 as core

from extproc.config.settings import Link

_LARGEST_WINDOW: Final = 2**31 - 1  # RFC 9113, 6.9.1
_IDLE_S: Final = 60
_INTERVAL_S: Final = 10
_PROBES: Final = 3


def client_buffer(link: Link) -> int:
    """For each exchange and way, in bytes. A whole request is collected in it: one that is longer is 413."""
    return max(link.max_request, link.stream_buffer)


def http2(buffer: int) -> core.Http2ProtocolOptions:
    """A window of `buffer` bytes for each stream, and none for all: a stalled stream stalls no other."""
    return core.Http2ProtocolOptions(
        initial_stream_window_size=buffer, initial_connection_window_size=_LARGEST_WINDOW
    )


def keepalive() -> core.TcpKeepalive:
    """A dead peer that nothing is sent to is found within 90 s, also where there is no idle time-out."""
    return core.TcpKeepalive(keepalive_time=_IDLE_S, keepalive_interval=_INTERVAL_S, keepalive_probes=_PROBES)
