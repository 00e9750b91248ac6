"""Exchanges as they are carried: what is sent, and how to tell afterwards what has been answered.

Envelopes are sealed as an SDK seals them (docs/protocol.md, section 6): a fresh nonce and exchange id each,
and a secret and a cookie binding of its own for each `Sender`.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from bench import content
from bench.wire import Head
from extproc.link.directory import decode
from extproc.link.envelope import MEDIA_WHOLE, LinkSecret, ResponseOpener, media_form, seal_request
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form

# Sealed both ways; an envelope that nobody opens, answered in the clear; no envelope, but as many bytes.
Way = Literal["sealed", "unopened", "plain"]

_SEALED_BY: Final = 128  # bytes by which an answer grows when it is sealed: near enough


class AnswerError(Exception):
    """An exchange came to its end, and was not what it should have been."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where exchanges go, and whom they are sealed to."""

    origin: str
    directory: str  # the signed key directory, in hexadecimal


@dataclass(slots=True)
class Turn:
    """One exchange: what is sent, and what came of it. No opener: the answer is in the clear."""

    request: bytes
    opener: ResponseOpener | None
    head: Head = field(default_factory=Head)
    body: bytearray = field(default_factory=bytearray)
    began: float = 0.0
    latency_s: float = 0.0


class Answer(NamedTuple):
    """`outcome`: the status or, inside the seal, the fault. `size`: of the body. `cookies`: set inside."""

    outcome: str
    size: int
    cookies: list[bytes]


def read_answer(turn: Turn) -> Answer:
    """Opened, where it is sealed. AnswerError, or LinkError for what does not open."""
    _, status, *_ = turn.head.line.split(" ")
    if turn.opener is None:
        return Answer(status, len(turn.body), [])
    form = media_form((turn.head.get(b"content-type") or b"").decode())
    if status != "200" or form is None:
        raise AnswerError(f"answered outside the seal: {turn.head.line}")
    inner, size = _opened(turn.opener, form, bytes(turn.body))
    cookies = [header.value for header in inner.headers if header.name == "set-cookie"]
    return Answer(inner.fault or str(inner.status), size, cookies)


def _opened(opener: ResponseOpener, form: Form, body: bytes) -> tuple[pb.InnerResponse, int]:
    """The inner answer, and the size of its body."""
    if form is Form.WHOLE:
        inner = opener.open(body)
        return inner, len(inner.body)
    reader = opener.stream()
    sizes = [len(chunk.data) for chunk in reader.receive(body)]
    reader.end()
    return reader.head, sum(sizes)


class Sender:
    """Makes what one connection will send: POST `path`, `size` bytes of body each way."""

    def __init__(self, link: Link, way: Way, size: int, path: str = "/bytes") -> None:
        self._way = way
        self._host = urlsplit(link.origin).netloc
        self._secret = LinkSecret.draw(decode(bytes.fromhex(link.directory)).keys[0].key, os.urandom(32))
        self._binding = os.urandom(32)
        self._body = b"".join(content.pieces(size))
        self._path = f"{path}?n={size}"
        self.answer_size = size
        if way == "plain":
            self.answer_size += _SEALED_BY
            self._path = f"{path}?n={self.answer_size}"
            self._body = bytes(len(self._envelope()[0]))

    def turn(self, cookie: str = "") -> Turn:
        """`cookie`: what the client's jar holds."""
        if self._way == "plain":
            return Turn(self._request(self._path, self._body, cookie), None)
        sealed, opener = self._envelope()
        request = self._request("/_link", sealed, cookie)
        return Turn(request, opener if self._way == "sealed" else None)

    def _request(self, path: str, body: bytes, cookie: str) -> bytes:
        jar = f"cookie: {cookie}\r\n" if cookie else ""
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: {MEDIA_WHOLE}\r\n{jar}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _envelope(self) -> tuple[bytes, ResponseOpener]:
        inner = pb.InnerRequest(
            method="POST",
            scheme="http",
            authority=self._host,
            path=self._path,
            headers=[pb.Header(name="content-type", value=b"application/octet-stream")],
            body=self._body,
            sent_at_ms=time.time_ns() // 1_000_000,
            exchange_id=os.urandom(16),
            accept_stream=True,
            cookie_binding=self._binding,
        )
        return seal_request(self._secret, inner, nonce=os.urandom(16))
