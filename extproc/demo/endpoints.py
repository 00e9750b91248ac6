"""What the shop answers, apart from sockets: prices, orders, a login, an echo of what it received, and what
streams: a price ticker, an export, uploads."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie
from typing import Final

PRICES: Final = {"tea": 340, "coffee": 520, "cocoa": 410}  # cents
_TICK_S: Final = 1.0
_SALES: Final = 1_000_000
_BATCH: Final = 1000
_KEPT: Final = 2**16

Fields = tuple[tuple[str, str], ...]
# A body of unknown length, piece by piece; what it returns are its trailers.
Stream = Generator[bytes, None, Fields]


@dataclass(frozen=True, slots=True)
class Body:
    """What is kept of a body, however long it is: its first 64 KiB, its size in bytes, its SHA-256 in hex."""

    start: bytes
    size: int
    sha256: str

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> Body:
        start, size, digest = bytearray(), 0, hashlib.sha256()
        for piece in pieces:
            start += piece[: _KEPT - len(start)]
            size += len(piece)
            digest.update(piece)
        return cls(bytes(start), size, digest.hexdigest())

    @property
    def facts(self) -> dict[str, object]:
        """Its size and its hash, for an answer."""
        return {"size": self.size, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it reached the shop; field names as they came."""

    method: str
    path: str
    headers: Fields
    body: Body

    def header(self, name: str) -> str:
        """The values of `name`, joined as RFC 9110, 5.3 allows."""
        return ", ".join(value for own, value in self.headers if own.lower() == name)

    @property
    def resource(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes | Stream = b""
    headers: Fields = ()


def _encoded(document: object) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _json(status: int, document: object, *headers: tuple[str, str]) -> Answer:
    return Answer(status, _encoded(document), (("content-type", "application/json"), *headers))


def _error(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    return _json(status, {"error": text}, *headers)


@dataclass
class Shop:
    """Its state and its endpoints. `received` holds the last requests, oldest first.

    `page`: an origin whose pages may ask it without the link, too, with cookies.
    """

    page: str = ""
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=64))
    _orders: dict[str, dict[str, object]] = field(default_factory=dict)
    _users: dict[str, str] = field(default_factory=dict)  # by session
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answer(self, request: Received) -> Answer:
        """What the shop says to `request`. Threads may call it at once."""
        with self._lock:
            self.received.append(request)
            return self._shared(request)

    def _shared(self, request: Received) -> Answer:
        """With what a browser asks for before a page of another origin may read it (fetch, CORS protocol)."""
        if not self.page or request.header("origin") != self.page:
            return self._route(request)
        asked = request.header("access-control-request-method")
        answer = Answer(204) if request.method == "OPTIONS" and asked else self._route(request)
        allowed = (
            ("access-control-allow-origin", self.page),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", asked or request.method),
            ("access-control-allow-headers", request.header("access-control-request-headers")),
            ("vary", "origin"),
        )
        return replace(answer, headers=(*answer.headers, *((name, text) for name, text in allowed if text)))

    def _route(self, request: Received) -> Answer:
        if request.resource == "/echo":
            return self._echo(request)
        folder, _, name = request.resource.removeprefix("/").partition("/")
        methods = self._endpoints().get(f"/{folder}/*" if name else f"/{folder}")
        if methods is None:
            return _error(404, "no such page")
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return _error(405, "not that method", ("allow", ", ".join(methods)))
        return handler(request)

    def _endpoints(self) -> dict[str, dict[str, Callable[[Received], Answer]]]:
        return {
            "/healthz": {"GET": self._health},
            "/prices": {"GET": self._prices},
            "/orders": {"POST": self._order},
            "/orders/*": {"GET": self._show_order},
            "/login": {"POST": self._login},
            "/me": {"GET": self._me},
            "/logout": {"POST": self._logout},
            "/events": {"GET": self._events},
            "/export.csv": {"GET": self._export},
            "/uploads/*": {"PUT": self._store},
        }

    def _health(self, _request: Received) -> Answer:
        return Answer(200, b"ok\n", (("content-type", "text/plain"),))

    def _prices(self, request: Received) -> Answer:
        plain = _json(200, PRICES, ("vary", "accept-encoding"))
        if "gzip" not in request.header("accept-encoding"):
            return plain
        packed = gzip.compress(_encoded(PRICES), mtime=0)
        return Answer(200, packed, (*plain.headers, ("content-encoding", "gzip")))

    def _order(self, request: Received) -> Answer:
        match _document(request):
            case {"item": str(item), "quantity": int(quantity)} if item in PRICES and 0 < quantity < 100:
                number = secrets.token_hex(4)
                order = {"id": number, "item": item, "quantity": quantity, "total": PRICES[item] * quantity}
                self._orders[number] = order
                cookie = ("set-cookie", f"last_order={number}; Path=/orders; HttpOnly; SameSite=Lax")
                return _json(201, order, ("location", f"/orders/{number}"), cookie)
        return _error(400, f'expected {{"item": one of {", ".join(PRICES)}, "quantity": 1 to 99}}')

    def _show_order(self, request: Received) -> Answer:
        order = self._orders.get(request.resource.rpartition("/")[2])
        return _json(200, order) if order else _error(404, "no such order")

    def _login(self, request: Received) -> Answer:
        match _document(request):
            case {"user": str(user)} if user:
                session = secrets.token_urlsafe(16)
                self._users[session] = user
                return _json(
                    200,
                    {"user": user},
                    ("set-cookie", f"session={session}; Path=/; HttpOnly; SameSite=Lax"),
                    ("set-cookie", f"basket={secrets.token_hex(4)}; Path=/orders; HttpOnly; SameSite=Lax"),
                )
        return _error(400, 'expected {"user": a name}')

    def _me(self, request: Received) -> Answer:
        user = self._users.get(_cookie(request, "session"))
        return _json(200, {"user": user}) if user else _error(401, "not logged in")

    def _logout(self, request: Received) -> Answer:
        self._users.pop(_cookie(request, "session"), None)
        return Answer(204, headers=(("set-cookie", "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),))

    def _echo(self, request: Received) -> Answer:
        line = {"method": request.method, "path": request.path}
        return _json(200, {**line, "headers": request.headers, "body": request.body.facts})

    def _events(self, _request: Received) -> Answer:
        return Answer(200, _ticker(), (("content-type", "text/event-stream"), ("cache-control", "no-store")))

    def _export(self, request: Received) -> Answer:
        is_cut = request.path.endswith("?cut=1")
        return Answer(200, _sales(is_cut=is_cut), (("content-type", "text/csv"),))

    def _store(self, request: Received) -> Answer:
        """A shop without shelves: it keeps no more of an upload than of any other request."""
        return _json(201, request.body.facts)


def _ticker() -> Stream:
    """Server-sent events, one a second, for as long as somebody reads them."""
    while True:
        for item, price in PRICES.items():
            now = {"item": item, "price": price + secrets.randbelow(21) - 10}
            yield b"event: price\ndata: %b\n" % _encoded(now)
            time.sleep(_TICK_S)


def _sales(*, is_cut: bool) -> Stream:
    """Every sale there ever was, and then the SHA-256 of that; or half of it, and then nothing more."""
    digest, prices = hashlib.sha256(), tuple(PRICES.items())
    for first in range(0, _SALES, _BATCH):
        if is_cut and first >= _SALES // 2:
            raise ConnectionAbortedError("cut short, as asked")
        batch = ((number, *prices[number % len(prices)]) for number in range(first, first + _BATCH))
        piece = "".join(f"{number},{item},{price}\n" for number, item, price in batch).encode()
        digest.update(piece)
        yield piece
    return (("x-checksum", digest.hexdigest()),)


def _document(request: Received) -> object:
    try:
        return json.loads(request.body.start)
    except ValueError:
        return None


def _cookie(request: Received, name: str) -> str:
    try:
        morsel = SimpleCookie(request.header("cookie")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
