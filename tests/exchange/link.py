"""A gateway and a client of it, with real keys and a fixed clock, for transcripts of the machines."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from extproc.errors import STATUS, Code
from extproc.exchange.actions import Action, Answer, Forward, Log
from extproc.exchange.events import (
    ReplayChecked,
    RequestBody,
    RequestHeaders,
    ResponseHeaders,
)
from extproc.exchange.exchange import Exchange
from extproc.exchange.gateway import Gateway, Paths, RoutePolicy
from extproc.link.cookies import CookieKey
from extproc.link.envelope import LinkSecret, ResponseOpener, seal_request
from extproc.link.keyring import HeldKey, Keyring
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict
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
        "paths": Paths("/_link", "/_link/keys", "/_link/health"),
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
        "padding": "none",
    }
    return Gateway(**settings | changes)


def outer(method: str = "POST", path: str = "/_link", **fields: str) -> Headers:
    """Outer request headers as Envoy shows them; `_` in a keyword stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    line = {":method": method, ":scheme": "https", ":authority": "gw.example.com", ":path": path}
    return Headers((name, value.encode()) for name, value in {**line, **named}.items())


def sealed_headers(**fields: str) -> Headers:
    return outer(content_type="application/privatelink", x_request_id="r-1", **fields)


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


@dataclass
class Client:
    """Seals requests to KEY and opens their answers."""

    secret: LinkSecret = field(default_factory=lambda: LinkSecret.draw(KEY.public, os.urandom(32)))

    def seal(self, request: pb.InnerRequest) -> tuple[bytes, ResponseOpener]:
        return seal_request(self.secret, request, nonce=os.urandom(16))


def random(length: int) -> bytes:
    return bytes(range(length))


def opened(request: pb.InnerRequest, **fields: str) -> tuple[Exchange, ResponseOpener]:
    """An exchange whose request has been forwarded, and the opener of its answer."""
    exchange, opener, _ = _run(request, fields)
    return exchange, opener


def forwarded(request: pb.InnerRequest, **fields: str) -> Forward:
    """What the upstream is to get of `request`."""
    (forward,) = _run(request, fields)[2]
    assert isinstance(forward, Forward)
    return forward


def _run(request: pb.InnerRequest, fields: dict[str, str]) -> tuple[Exchange, ResponseOpener, list[Action]]:
    exchange = Exchange(gateway(), random)
    body, opener = Client().seal(request)
    exchange.receive(RequestHeaders(sealed_headers(**fields), PEER, end_of_stream=False), NOW_MS)
    exchange.receive(RequestBody(body, end_of_stream=True), NOW_MS)
    return exchange, opener, exchange.receive(ReplayChecked(Verdict.FRESH), NOW_MS)


def response(status: int, *fields: tuple[str, bytes], end_of_stream: bool = False) -> ResponseHeaders:
    return ResponseHeaders(Headers([(":status", str(status).encode()), *fields]), end_of_stream)


def started(headers: Headers, *, end_of_stream: bool = False) -> tuple[Exchange, list[Action]]:
    exchange = Exchange(gateway(), random)
    return exchange, exchange.receive(RequestHeaders(headers, PEER, end_of_stream), NOW_MS)


def only_answer(actions: list[Action]) -> Answer:
    (answer,) = [action for action in actions if not isinstance(action, Log)]
    assert isinstance(answer, Answer)
    return answer


def problem_of(actions: list[Action]) -> str:
    answer = only_answer(actions)
    kind = json.loads(answer.response.body)["type"].removeprefix("urn:privatelink:problem:")
    assert answer.response.status == STATUS[Code(kind)]
    assert answer.response.headers.get("content-type") == b"application/problem+json"
    assert answer.response.headers.get("cache-control") == b"no-store"
    return str(kind)
