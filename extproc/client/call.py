"""A caller's request, and the form in which it leaves (docs/protocol.md, section 6).

Whole, when the body is in hand or of a declared length, and small enough when it is sealed; else streamed, if
the gateway takes that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from extproc.client.directories import Choice
from extproc.client.errors import LinkError
from extproc.client.fetching import choose
from extproc.client.inner import check_request, to_inner
from extproc.client.outer import sealed_request, streamed_request
from extproc.client.outflow import Outflow
from extproc.client.session import Session
from extproc.client.steps import ReadBody, Steps
from extproc.client.world import Moment
from extproc.errors import Code
from extproc.link.directory import Directory
from extproc.link.envelope import ResponseOpener
from extproc.link.pb import privatelink_pb2 as pb
from extproc.message import content_length

_EXCHANGE_ID_LENGTH: Final = 16
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class Call:
    """A caller's request on its way through one or two sealings."""

    request: httpx.Request
    inner: pb.InnerRequest = field(repr=False)
    choice: Choice
    is_read: bool  # the body is in `inner`; else it is to come, as a stream
    started_at: Moment
    stamped_at: Moment  # no later than the last sealing
    offset_ms: int = 0  # the clock's at the last sealing
    is_repeat: bool = False

    @property
    def timeout(self) -> Mapping[str, Any] | None:
        return self.request.extensions.get("timeout")

    @property
    def has_body_in_hand(self) -> bool:
        """Not a generator or a stream, which is spent."""
        return _is_in_hand(self.request)

    @property
    def is_repeatable(self) -> bool:
        """Whether running it twice does no harm, by its method or by the caller's word."""
        marked = self.request.extensions.get("link", {}).get("repeatable") is True
        return marked or self.is_safe

    @property
    def is_safe(self) -> bool:
        return self.request.method in _SAFE_METHODS

    def stamp(self, session: Session) -> None:
        """Say when it is sealed, just before it is."""
        self.stamped_at, self.offset_ms = session.world.moment(), session.offset_ms
        self.inner.sent_at_ms = self.stamped_at.ms + self.offset_ms


def prepare(session: Session, request: httpx.Request) -> Steps[Call]:
    """Choose what to seal it to, and read its body unless that is to be streamed. Raises LinkError and
    httpx.TransportError: nothing of it was sent."""
    choice = yield from choose(session, request.extensions.get("timeout"))
    directory = choice.directory
    inner = to_inner(request)
    is_read = not directory.stream_path or _fits(request, directory.max_request_bytes)
    if is_read:
        inner.body = yield from _body(request, directory)
    inner.exchange_id = session.world.random(_EXCHANGE_ID_LENGTH)
    inner.accept_stream = True
    inner.cookie_binding = session.cookie_binding
    inner.client.CopyFrom(session.config.client)
    check_request(inner, directory.path, streamed=not is_read)
    now = session.world.moment()
    call = Call(request, inner, choice, is_read, started_at=now, stamped_at=now)
    call.stamp(session)
    return call


def sealed(session: Session, call: Call) -> tuple[httpx.Request, ResponseOpener]:
    """The outer request, under a fresh nonce, and the opener of its answer. Raises LinkError: not sent."""
    directory = call.choice.directory
    if call.is_read:
        body, opener = session.seal(call.inner, call.choice)
        if len(body) <= directory.max_request_bytes:
            return sealed_request(session.config.link + directory.path, body, call.timeout), opener
    if not directory.stream_path:
        raise _too_large(directory)
    return _streamed(session, call)


def _streamed(session: Session, call: Call) -> tuple[httpx.Request, ResponseOpener]:
    inner = pb.InnerRequest()
    inner.CopyFrom(call.inner)
    inner.ClearField("body")
    body = httpx.ByteStream(call.inner.body) if call.is_read else call.request.stream
    head, writer, opener = session.seal_stream(inner, call.choice)
    outflow = Outflow(head, writer, body, declared=_declared_length(call.request))
    url = session.config.link + call.choice.directory.stream_path
    return streamed_request(url, outflow, call.timeout), opener


def _body(request: httpx.Request, directory: Directory) -> Steps[bytes]:
    body: bytes = yield ReadBody(request.stream, directory.max_request_bytes)
    if len(body) > directory.max_request_bytes:
        raise _too_large(directory)
    return body


def _fits(request: httpx.Request, limit: int) -> bool:
    """Whether the body, not yet sealed, is known to be within the limit."""
    length = len(request.read()) if _is_in_hand(request) else _declared_length(request)
    return length is not None and length <= limit


def _is_in_hand(request: httpx.Request) -> bool:
    return isinstance(request.stream, httpx.ByteStream)


def _declared_length(request: httpx.Request) -> int | None:
    """What `content-length` says, if it is a number; httpx sets it for bytes and files."""
    return content_length(request.headers.get("content-length", "").encode())


def _too_large(directory: Directory) -> LinkError:
    return LinkError(Code.TOO_LARGE, f"the gateway takes {directory.max_request_bytes} bytes, sealed")
