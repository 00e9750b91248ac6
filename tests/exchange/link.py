"""A gateway and a client of it, with real keys and a fixed clock, for transcripts of the machines."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from extproc.errors import STATUS, Code
from extproc.exchange.actions import (
    Action,
    Answer,
    CheckReplay,
    Forward,
    ForwardBody,
    Log,
    Reset,
    Respond,
    RespondBody,
)
from extproc.exchange.events import (
    ReplayChecked,
    RequestBody,
    RequestHeaders,
    ResponseHeaders,
)
from extproc.exchange.exchange import Exchange
from extproc.exchange.gateway import Gateway, Paths, RoutePolicy
from extproc.link.cookies import CookieKey
from extproc.link.envelope import LinkSecret, ResponseOpener, seal_request, seal_stream
from extproc.link.keyring import HeldKey, Keyring
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict
from extproc.link.streams import StreamWriter
from extproc.link.suites import Kem
from extproc.link.validation import ValidationRules
from extproc.message import Headers
from extproc.policy.cookies import CookiePolicy
from extproc.policy.cors import CorsPolicy, matcher

NOW_MS = 1_790_000_000_000
NOW = NOW_MS // 1000
PEER = "203.0.113.7"
SHOP = "https://shop.example.com"
KEY = PrivateKey.generate(Kem.X25519)


def gateway(**changes: Any) -> Gateway:
    settings: dict[str, Any] = {
        "paths": Paths("/_link", "/_link/stream", "/_link/keys", "/_link/health"),
        "keyring": Keyring([HeldKey(KEY, created_at=NOW - 60, open_until=NOW + 3600)]),
        "directory": b"a signed directory",
        "directory_serial": 7,
        "directory_expires_at": NOW + 86_400,
        "cors": CorsPolicy((SHOP, "https://*.example.org"), (), (), True, 600),
        "cookies": CookiePolicy(mode="sealed", keys=(CookieKey(bytes(32)),), link_path="/_link"),
        "rules": ValidationRules("/_link"),
        "routes": (
            RoutePolicy("shop.example.com", "/", None),
            RoutePolicy("admin.example.com", "/", matcher(("https://admin.example.org",))),
        ),
        "max_request": 10_000,
        "max_response": 5_000,
        "whole_limit": 1_000,
        "padding": "none",
    }
    return Gateway(**settings | changes)


def outer(method: str = "POST", path: str = "/_link", **fields: str) -> Headers:
    """Outer request headers as Envoy shows them; `_` in a keyword stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    line = {":method": method, ":scheme": "https", ":authority": "gw.example.com", ":path": path}
    return Headers((name, value.encode()) for name, value in {**line, **named}.items())


def sealed_headers(**fields: str) -> Headers:
    return outer(**{"content_type": "application/privatelink", "x_request_id": "r-1"} | fields)


def stream_headers(**fields: str) -> Headers:
    return sealed_headers(
        **{"path": "/_link/stream", "content_type": "application/privatelink-stream"} | fields
    )


def inner(**fields: Any) -> pb.InnerRequest:
    """A good inner request, but for `fields`."""
    good: dict[str, Any] = {
        "method": "GET",
        "scheme": "https",
        "authority": "shop.example.com",
        "path": "/orders?q=1",
        "sent_at_ms": NOW_MS,
        "exchange_id": bytes(16),
    }
    return pb.InnerRequest(**good | fields)


def posted(**fields: Any) -> pb.InnerRequest:
    return inner(method="POST", **{"accept_stream": True} | fields)


def sized(length: int) -> pb.InnerRequest:
    """A request that says how long its body will be."""
    return posted(headers=[pb.Header(name="content-length", value=str(length).encode())])


@dataclass
class Client:
    """Seals requests to KEY and opens their answers."""

    secret: LinkSecret = field(default_factory=lambda: LinkSecret.draw(KEY.public, os.urandom(32)))

    def seal(self, request: pb.InnerRequest) -> tuple[bytes, ResponseOpener]:
        return seal_request(self.secret, request, nonce=os.urandom(16))

    def stream(self, request: pb.InnerRequest) -> tuple[bytes, StreamWriter, ResponseOpener]:
        return seal_stream(self.secret, request, nonce=os.urandom(16))


def gone(action: Forward | Respond) -> set[str]:
    """The names that Envoy holds, and that the message which takes the place of its own has not."""
    after = (action.request if isinstance(action, Forward) else action.response).headers
    return {name for name, _ in action.before if name not in after and not name.startswith(":")}


def now_ns() -> int:
    return NOW_MS * 1_000_000


def random(length: int) -> bytes:
    return bytes(range(length))


def exchange(*, room: bool = True, **changes: Any) -> Exchange:
    """A new exchange of `gateway(**changes)`, with room for a stream or without."""
    return Exchange(gateway(**changes), random, lambda: room)


def opened(
    request: pb.InnerRequest, running: Exchange | None = None, **fields: str
) -> tuple[Exchange, ResponseOpener]:
    """An exchange whose request has been forwarded, and the opener of its answer."""
    running = running or exchange()
    opener, (forward,) = _run(running, request, fields)
    assert isinstance(forward, Forward)
    return running, opener


def forwarded(request: pb.InnerRequest, **fields: str) -> Forward:
    """What the upstream is to get of `request`."""
    (forward,) = _run(exchange(), request, fields)[1]
    assert isinstance(forward, Forward)
    return forward


def _run(
    running: Exchange, request: pb.InnerRequest, fields: dict[str, str]
) -> tuple[ResponseOpener, list[Action]]:
    body, opener = Client().seal(request)
    running.receive(RequestHeaders(sealed_headers(**fields), PEER, end_of_stream=False), NOW_MS)
    running.receive(RequestBody(body, end_of_stream=True), NOW_MS)
    return opener, running.receive(ReplayChecked(Verdict.FRESH), NOW_MS)


@dataclass
class Upload:
    """A streamed request under way, and what opens its answer. Its headers have come, and nothing else."""

    exchange: Exchange
    head: bytes
    writer: StreamWriter
    opener: ResponseOpener

    def send(self, data: bytes, *, end_of_stream: bool = False, now_ms: int = NOW_MS) -> list[Action]:
        return self.exchange.receive(RequestBody(data, end_of_stream), now_ms)

    def send_fresh(self, data: bytes, *, end_of_stream: bool = False) -> list[Action]:
        """Send segment 0, and what may follow it; the store has not seen it before."""
        (asked,) = self.send(data, end_of_stream=end_of_stream)
        assert isinstance(asked, CheckReplay)
        return self.exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)

    def begin(self) -> Forward:
        """Send segment 0 alone."""
        forward, first = self.send_fresh(self.head)
        assert isinstance(forward, Forward)
        assert first == ForwardBody(b"", end_of_stream=False)
        return forward


def upload(request: pb.InnerRequest, running: Exchange | None = None, **fields: str) -> Upload:
    running = running or exchange()
    headers = RequestHeaders(stream_headers(**fields), PEER, end_of_stream=False)
    assert running.receive(headers, NOW_MS) == []
    return Upload(running, *Client().stream(request))


def answering(headers: ResponseHeaders, request: pb.InnerRequest | None = None) -> Upload:
    """An upload of which "one " has gone on, when the head of an answer comes."""
    sending = upload(request or posted())
    sending.begin()
    assert sending.send(sending.writer.write(b"one ")) == [ForwardBody(b"one ", end_of_stream=False)]
    assert sending.exchange.receive(headers, NOW_MS) == []
    return sending


def response(status: int, *fields: tuple[str, bytes], end_of_stream: bool = False) -> ResponseHeaders:
    return ResponseHeaders(Headers([(":status", str(status).encode()), *fields]), end_of_stream)


def counted(running: Exchange) -> tuple[bool, bool]:
    """Whether it counts as open, and as a stream."""
    return running.is_open, running.is_stream


def started(headers: Headers, *, end_of_stream: bool = False) -> tuple[Exchange, list[Action]]:
    running = exchange()
    return running, running.receive(RequestHeaders(headers, PEER, end_of_stream), NOW_MS)


def given(actions: list[Action]) -> tuple[Respond, bytes]:
    """The response that begins with these actions, and its body as far as it is given with them."""
    (respond,) = [action for action in actions if isinstance(action, Respond)]
    parts = [action.data for action in actions if isinstance(action, RespondBody)]
    assert respond.alone is not bool(parts)
    return respond, respond.response.body if respond.alone else b"".join(parts)


def only_answer(actions: list[Action]) -> Answer:
    (answer,) = [action for action in actions if not isinstance(action, Log)]
    assert isinstance(answer, Answer)
    return answer


def fault_of(actions: list[Action], opener: ResponseOpener) -> tuple[str, int]:
    answer = only_answer(actions)
    assert answer.response.status == 200
    assert answer.response.headers.get("content-type") == b"application/privatelink"
    sealed = opener.open(answer.response.body)
    assert sealed.gateway_time_ms == NOW_MS
    return sealed.fault, sealed.status


def is_reset(actions: list[Action]) -> bool:
    log, reset = actions
    return isinstance(log, Log) and isinstance(reset, Reset)


def problem_of(actions: list[Action]) -> str:
    answer = only_answer(actions)
    kind = json.loads(answer.response.body)["type"].removeprefix("urn:privatelink:problem:")
    assert answer.response.status == STATUS[Code(kind)]
    assert answer.response.headers.get("content-type") == b"application/problem+json"
    assert answer.response.headers.get("cache-control") == b"no-store"
    return str(kind)
