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
    """Reply to the request body: the inner request in the outer one's place, and the route by its values."""

    request: Request
    remove: tuple[str, ...]  # outer fields that do not cross
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class DropTrailers:
    """Reply to the request trailers: none of them goes on."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Respond:
    """Reply to all response messages so far: this response in the upstream's place."""

    response: Response
    remove: tuple[str, ...]  # the upstream's fields
    had_body: bool  # Envoy sent body messages; else the headers were the whole response
    drop_trailers: tuple[str, ...] | None  # the names that came, or None when no trailers came
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Log:
    """Something the operator should read; never a secret, a body or a cookie's value."""

    event: str
    detail: str


Action = AwaitBody | Answer | CheckReplay | CheckStore | Forward | DropTrailers | Respond | Log
