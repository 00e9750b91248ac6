"""A double of the gateway, and of nothing else: keys, envelopes, directory and cookies are link/'s own,
and the replay store is the server's.

It stands in for Envoy and the processor, so that a test can say what the next answers are. The real ones have
suites of their own.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import httpx

from extproc import errors
from extproc.client.world import World
from extproc.link import cookies
from extproc.link.directory import Directory, DirectoryKey, sign
from extproc.link.envelope import (
    MEDIA_KEYS,
    MEDIA_STREAM,
    MEDIA_WHOLE,
    OpenedRequest,
    RequestReader,
    media_form,
    open_request,
)
from extproc.link.keyring import HeldKey, Keyring
from extproc.link.keys import PrivateKey, RootPrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict, check_freshness
from extproc.link.segments import Form
from extproc.link.suites import Kem
from extproc.server.stores import MemoryStore
from tests.client.pieces import Piece, Pieces

LINK = "https://gw.example.com"
SHOP = "https://shop.example.com"
DAY = 86_400
START_MS = 1_790_000_000_000
START = START_MS // 1000

Answering = Callable[[httpx.Request], httpx.Response]
Script = Answering | Exception


@dataclass
class Clock:
    """Both clocks of a device, moved by hand or by sleeping. Jitter is always in the middle."""

    ms: int = START_MS
    ticks: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        self.ticks += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def random(self, length: int) -> bytes:
        return b"\x80\0\0\0" if length == 4 else os.urandom(length)

    @property
    def world(self) -> World:
        return World(lambda: self.ms, lambda: self.ticks, self.random, self.sleep, self.sleep_async)


def echo(inner: pb.InnerRequest) -> pb.InnerResponse:
    """An upstream that answers with the body it got."""
    return pb.InnerResponse(status=200, body=inner.body)


@dataclass
class Gateway:
    """Answers at LINK. `posts` and `fetches` are what arrived, `opened` and `ran` what of it did so."""

    now_ms: Callable[[], int]
    root: RootPrivateKey = field(default_factory=RootPrivateKey.generate)
    keys: list[PrivateKey] = field(default_factory=lambda: [PrivateKey.generate(Kem.X25519)])
    cookie_key: cookies.CookieKey = field(default_factory=cookies.CookieKey.generate)
    serial: int = 1
    links: tuple[str, ...] = (LINK,)
    stream_path: str = "/_link/stream"
    streams: bool = False  # answers leave as streams, a segment for every few bytes
    upstream: Callable[[pb.InnerRequest], pb.InnerResponse] = echo
    set_cookies: list[str] = field(default_factory=list)  # outer lines of the next answers
    script: deque[Script] = field(default_factory=deque)  # in the place of the next answers to POST
    directories: deque[Script] = field(default_factory=deque)  # and to GET /_link/keys
    posts: list[httpx.Request] = field(default_factory=list)
    fetches: list[httpx.Request] = field(default_factory=list)
    opened: list[pb.InnerRequest] = field(default_factory=list)
    ran: list[pb.InnerRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.now  # when the directory was issued
        self._store = MemoryStore(1000, self.now_ms())

    @property
    def now(self) -> int:
        return self.now_ms() // 1000

    def directory(self, **changes: object) -> Directory:
        """Seven days of life, keys in the order of `keys`."""
        fields = {
            "serial": self.serial,
            "issued_at": self.start,
            "expires_at": self.start + 7 * DAY,
            "keys": tuple(
                DirectoryKey(key.public, self.start - 9 * DAY, self.start + 9 * DAY) for key in self.keys
            ),
            "path": "/_link",
            "stream_path": self.stream_path,
            "max_request_bytes": 65_536,
            "links": self.links,
        }
        return Directory(**{**fields, **changes})  # type: ignore[arg-type]  # a test says what it changes

    def signed(self, **changes: object) -> bytes:
        return sign(self.directory(**changes), self.root)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """For httpx.MockTransport."""
        is_post = request.method == "POST"
        (self.posts if is_post else self.fetches).append(request)
        script = self.script if is_post else self.directories
        if script:
            scripted = script.popleft()
            if isinstance(scripted, Exception):
                raise scripted
            return scripted(request)
        return self.answer(request) if is_post else self.keys_answer(self.signed())

    def keys_answer(self, signed: bytes) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": MEDIA_KEYS}, content=signed)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """As a gateway in good health answers."""
        try:
            opened = self.open(request)
        except errors.LinkError as error:
            return problem(error.code)
        self.opened.append(opened.inner)
        try:
            check_freshness(opened.inner.sent_at_ms, self.now_ms())
            if self._store.check(opened.inner.exchange_id, self.now_ms()) is not Verdict.FRESH:
                raise errors.LinkError(errors.Code.REPLAYED, "seen")
        except errors.LinkError as error:
            return self.sealed(opened, pb.InnerResponse(status=400, fault=error.code))
        self.ran.append(opened.inner)
        return self.sealed(opened, self.upstream(opened.inner))

    def refusing(self, fault: str, gateway_time_ms: int = 0) -> Answering:
        """Opens the request and refuses it, before anything is done with it."""
        refusal = pb.InnerResponse(status=400, fault=fault, gateway_time_ms=gateway_time_ms)

        def refuse(request: httpx.Request) -> httpx.Response:
            opened = self.open(request)
            self.opened.append(opened.inner)
            return self.sealed(opened, refusal)

        return refuse

    def running(self, then: Exception) -> Answering:
        """Runs the request, and then loses the answer."""

        def lose(request: httpx.Request) -> httpx.Response:
            self.answer(request)
            raise then

        return lose

    def open(self, request: httpx.Request) -> OpenedRequest:
        """In either form, with the body in `inner`. Raises errors.LinkError."""
        form = media_form(request.headers["content-type"])
        if (request.url.path == self.stream_path) is not (form is Form.STREAMED):
            raise errors.LinkError(errors.Code.MEDIA_TYPE, "the other form's path")
        body = request.read()
        if form is Form.WHOLE:
            return open_request(self.keyring, body, self.now)
        reader = RequestReader(self.keyring, self.now)
        data = b"".join(chunk.data for chunk in reader.receive(body))
        reader.end()
        assert reader.opened is not None
        reader.opened.inner.body = data
        return reader.opened

    def sealed(self, opened: OpenedRequest, inner: pb.InnerResponse) -> httpx.Response:
        if self.streams and opened.inner.accept_stream:
            return self.streamed(self.pieces(opened, inner))
        self._stamp(inner)
        content = opened.sealer.seal(inner, nonce=os.urandom(16), padding="padme")
        return httpx.Response(200, headers=self._headers(MEDIA_WHOLE), content=content)

    def streamed(self, pieces: Iterable[Piece]) -> httpx.Response:
        """An answer whose outer body comes in these pieces."""
        return httpx.Response(200, headers=self._headers(MEDIA_STREAM), stream=Pieces(pieces))

    def pieces(self, opened: OpenedRequest, inner: pb.InnerResponse, each: int = 5) -> Iterator[bytes]:
        """The outer body of a streamed answer: its head, segments with `each` bytes, the final segment."""
        head = pb.InnerResponse()
        head.CopyFrom(inner)
        head.ClearField("body")
        head.ClearField("trailers")
        self._stamp(head)
        start, writer = opened.sealer.stream(head, nonce=os.urandom(16))
        yield start
        for at in range(0, len(inner.body), each):
            yield writer.write(inner.body[at : at + each])
        yield writer.finish(trailers=inner.trailers)

    def _stamp(self, inner: pb.InnerResponse) -> None:
        inner.gateway_time_ms = inner.gateway_time_ms or self.now_ms()
        inner.directory_serial = inner.directory_serial or self.serial

    def _headers(self, media_type: str) -> list[tuple[bytes, bytes]]:
        headers = [(b"content-type", media_type.encode()), (b"x-request-id", b"r-1")]
        return headers + [(b"set-cookie", line.encode("latin-1")) for line in self.set_cookies]

    @property
    def keyring(self) -> Keyring:
        return Keyring(HeldKey(key, self.start - 9 * DAY, self.start + 10 * DAY) for key in self.keys)


def problem(code: str, status: int = 400) -> httpx.Response:
    body = f'{{"type": "urn:privatelink:problem:{code}"}}'
    return httpx.Response(status, headers={"content-type": errors.PROBLEM_MEDIA_TYPE}, content=body.encode())


def answering(response: httpx.Response) -> Answering:
    return lambda _: response
