"""The error tree, and the one map from an error to what the peer is told (docs/protocol.md, section 9)."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Final

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


class Code(StrEnum):
    """What a peer can have done wrong, by its name on the wire."""

    # Before a request has opened: an outer problem.
    UNKNOWN_KEY = "unknown-key"
    BAD_ENVELOPE = "bad-envelope"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "media-type"
    METHOD = "method"
    ORIGIN = "origin"
    # After it has opened: a sealed fault.
    CLOCK_SKEW = "clock-skew"
    REPLAYED = "replayed"
    BAD_REQUEST = "bad-request"
    NOT_PERMITTED = "not-permitted"
    RESPONSE_TOO_LARGE = "response-too-large"
    UNAVAILABLE = "unavailable"


STATUS: Final[dict[Code, int]] = {
    Code.UNKNOWN_KEY: 400,
    Code.BAD_ENVELOPE: 400,
    Code.TOO_LARGE: 413,
    Code.MEDIA_TYPE: 415,
    Code.METHOD: 405,
    Code.ORIGIN: 403,
    Code.CLOCK_SKEW: 400,
    Code.REPLAYED: 409,
    Code.BAD_REQUEST: 400,
    Code.NOT_PERMITTED: 403,
    Code.RESPONSE_TOO_LARGE: 502,
    Code.UNAVAILABLE: 503,
}

PROBLEMS: Final = frozenset(
    {Code.UNKNOWN_KEY, Code.BAD_ENVELOPE, Code.TOO_LARGE, Code.MEDIA_TYPE, Code.METHOD, Code.ORIGIN}
)
FAULTS: Final = frozenset(Code) - PROBLEMS


def problem_body(code: Code) -> bytes:
    """The whole body of an outer problem: its type and nothing more."""
    return json.dumps({"type": f"urn:privatelink:problem:{code}"}, separators=(",", ":")).encode()


class ExtprocError(Exception):
    """The root of this package's exceptions."""


class LinkError(ExtprocError):
    """Whatever a peer can cause. `code` is for the peer, `reason` for the log alone."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class DirectoryError(ExtprocError):
    """A key directory that a client must not accept (section 11); the text says why."""


class UserError(ExtprocError):
    """What an operator can mend: one clear sentence that says what was expected. Exit code 2."""
