"""What an exchange asks for. The shell carries each out, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from extproc.message import Request, Response

Metadata = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AwaitBody:
    """Reply to the request headers: unchanged, the body decides."""


@dataclass(frozen=True, slots=True)
class Answer:
    """End the exchange here, with this response (Envoy's ImmediateResponse)."""

    response: Response
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckReplay:
    """Ask the replay store; the answer comes back as ReplayChecked."""

    exchange_id: bytes
    sent_at_ms: int
    key_created_at: int  # Unix seconds


@dataclass(frozen=True, slots=True)
class CheckStore:
    """Ask whether the replay store can tell at all; the answer comes back as StoreChecked."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Put the inner request in the outer one's place, and select the route by its values.

    The reply to the body that Envoy has buffered; or, of a stream, the reply to the headers.
    """

    request: Request
    remove: tuple[str, ...]  # outer fields that do not cross
    metadata: Metadata
    streamed: bool = False  # the body follows, as ForwardBody


@dataclass(frozen=True, slots=True)
class ForwardBody:
    """Pass on some of a streamed request's body."""

    data: bytes = field(repr=False)
    end_of_stream: bool


@dataclass(frozen=True, slots=True)
class DropRequestTrailers:
    """Reply to the request trailers: none of them goes on."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Respond:
    """Reply to the response headers: this response in the upstream's place.

    With `alone` they were all of it, and the body comes with the reply; else it follows, as RespondBody.
    """

    response: Response
    remove: tuple[str, ...]  # the upstream's fields
    alone: bool
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class RespondBody:
    """Send some of the outer response's body. Envoy takes none before it has sent some of the upstream's."""

    data: bytes = field(repr=False)
    end_of_stream: bool  # False when trailers came: their reply ends it
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DropResponseTrailers:
    """Reply to the response trailers: none of them goes outside."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the exchange off, so that neither side takes what it has got of a message for all of it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Log:
    """Something the operator should read; never a secret, a body or a cookie's value."""

    event: str
    detail: str


Action = (
    AwaitBody
    | Answer
    | CheckReplay
    | CheckStore
    | Forward
    | ForwardBody
    | DropRequestTrailers
    | Respond
    | RespondBody
    | DropResponseTrailers
    | Reset
    | Log
)
