"""What an exchange asks for. The shell carries each out, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from extproc.message import Headers, Request, Response, value

Metadata = Mapping[str, str]


@value
class AwaitBody:
    """Reply to the request headers: unchanged, the body decides."""


@value
class Answer:
    """End the exchange here, with this response (Envoy's ImmediateResponse)."""

    response: Response
    metadata: Metadata = field(default_factory=dict)


@value
class CheckReplay:
    """Ask the replay store; the answer comes back as ReplayChecked."""

    exchange_id: bytes
    sent_at_ms: int
    key_created_at: int  # Unix seconds


@value
class CheckStore:
    """Ask whether the replay store can tell at all; the answer comes back as StoreChecked."""


@value
class Forward:
    """Put the inner request in the outer one's place, and select the route by its values.

    The reply to the body that Envoy has buffered; or, of a stream, the reply to the headers.
    """

    request: Request
    before: Headers = field(repr=False)  # the outer request's fields, as Envoy holds them
    metadata: Metadata
    streamed: bool = False  # the body follows, as ForwardBody


@value
class ForwardBody:
    """Pass on some of a streamed request's body."""

    data: bytes = field(repr=False)
    end_of_stream: bool


@value
class DropRequestTrailers:
    """Reply to the request trailers: none of them goes on."""

    trailers: Headers


@value
class Respond:
    """Reply to the response headers: this response in the upstream's place.

    With `alone` they were all of it, and the body comes with the reply; else it follows, as RespondBody.
    """

    response: Response
    before: Headers = field(repr=False)  # the upstream's fields, as Envoy holds them
    alone: bool
    metadata: Metadata


@value
class RespondBody:
    """Send some of the outer response's body. Envoy takes none before it has sent some of the upstream's."""

    data: bytes = field(repr=False)
    end_of_stream: bool  # False when trailers came: their reply ends it
    metadata: Metadata = field(default_factory=dict)


@value
class DropResponseTrailers:
    """Reply to the response trailers: none of them goes outside."""

    trailers: Headers


@value
class Reset:
    """Cut the exchange off, so that neither side takes what it has got of a message for all of it."""

    reason: str


@value
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
