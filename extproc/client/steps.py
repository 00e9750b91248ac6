"""What the core asks of the world. A shell carries each step out and sends its result back in.

The core is generators of steps: synchronous, pure, and the same for both transports. A failure of a step
that httpx would raise is thrown into the generator where it waits; any other ends the exchange.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from extproc.client.inflow import Inflow
from extproc.client.store import Remembered
from extproc.link.envelope import ResponseOpener

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An outer response: read, at most one chunk over the limit of its Send; or, if it comes as a sealed
    stream, read up to its head. The rest is in `inflow` then, which is to be closed."""

    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)
    inflow: Inflow | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send this outer request, follow no redirect, read at most `limit` bytes: an Answer.

    `opener`: of its answer, if that is sealed.
    """

    request: httpx.Request
    limit: int
    opener: ResponseOpener | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Read no more of an answer."""

    inflow: Inflow


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the caller's body: bytes, of which more than `limit` means that there are too many."""

    stream: httpx.SyncByteStream | httpx.AsyncByteStream
    limit: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Let some time go by."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Save:
    """Remember this across restarts."""

    remembered: Remembered


@dataclass(frozen=True, slots=True)
class Alone:
    """Take these steps while no other exchange of the transport takes such steps: their result."""

    steps: Steps[Any]


Step = Send | Close | ReadBody | Wait | Save | Alone
Steps = Generator[Step, Any, T]
