"""Limits at the edge, after Envoy's advice for edge proxies, aligned with what the protocol lets through."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

# An inner request has up to 200 headers of 64 KiB together (docs/protocol.md, section 7), and Envoy holds
# what the processor sets to the limits of a request: room for those, Envoy's own, and merged cookies.
MAX_HEADERS: Final = 256
MAX_HEADERS_KIB: Final = 96

STREAMS: Final = 100  # at once on one HTTP/2 connection
CONNECTIONS: Final = 50_000
HEAP: Final = 2 * 2**30  # bytes, of all of Envoy; from 95 % on it answers 503 to new requests
REGEX_PROGRAM_SIZE: Final = 1_000

HEADERS_TIMEOUT: Final = timedelta(seconds=15)
_OPENING_PER_MIB: Final = timedelta(seconds=60)
STREAM_IDLE: Final = timedelta(seconds=60)  # until a business route's own is in force
CONNECTION_IDLE: Final = timedelta(hours=1)


def opening(max_request: int) -> timedelta:
    """How long a request may take until it has opened: a minute for each MiB of `max_request`, rounded up."""
    return _OPENING_PER_MIB * math.ceil(max_request / 2**20)
