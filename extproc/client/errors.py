"""What can go wrong on the link, as users of httpx catch it."""

from __future__ import annotations

from typing import Final

import httpx

from extproc.errors import ExtprocError

DIRECTORY: Final = "directory"
BAD_RESPONSE: Final = "bad-response"
GATEWAY: Final = "gateway"
TRUNCATED: Final = "truncated"

# httpx raises these before a byte of the request has left.
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class LinkError(ExtprocError, httpx.TransportError):
    """The link's own trouble. It is an httpx.TransportError, so that code written for httpx catches it.

    `code`: a problem or fault of docs/protocol.md, section 9 ("replayed", "too-large", ...), or one of the
    client's own: "directory" (none that can be trusted, or no usable key in it), "bad-response" (a sealed
    answer that does not open or is malformed), "truncated" (a streamed one that ends before its end),
    "gateway" (an answer from outside the seal).
    `fault`: the gateway's sealed refusal, authentic; None for everything else.
    `outcome_unknown`: the request may have run, or may yet. False: it has not, and never will.
    `reason`: a sentence for people; it holds no secret.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        fault: str | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = str(code)
        self.reason = reason
        self.fault = fault
        self.outcome_unknown = outcome_unknown


def may_have_run(failure: httpx.TransportError) -> bool:
    """Whether the request behind this failure may have reached an upstream."""
    if isinstance(failure, LinkError):
        return failure.outcome_unknown
    return not isinstance(failure, _NEVER_SENT)
