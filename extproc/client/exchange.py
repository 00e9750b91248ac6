"""One exchange over the link, as steps: seal, send, open, and at most one repeat.

    choose a directory and key -> read the body -> seal -> send -> open -> response
                                                    ^                |
                                                    +--- a remedy <--+  LinkError or transport failure

A request is sealed again only for what stands in `_REMEDIES` or as `_resent` says, and only within 60 s of
the first sealing (docs/protocol.md, section 8). All sealings of a request have one exchange id, so that no
two of them can run while the gateway remembers it.

Who sits on the way has every envelope, and can send it twice, or later: what a refusal says of the envelope
holds for the moment alone, unless no other answer was possible before and none is after (decision 0016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from extproc.client.directories import Choice
from extproc.client.errors import BAD_RESPONSE, LinkError, may_have_run
from extproc.client.fetching import choose, renew
from extproc.client.inner import check_request, to_inner, to_response
from extproc.client.jar import keep_cookies
from extproc.client.outer import MAX_RESPONSE, open_answer, sealed_request
from extproc.client.session import Session
from extproc.client.steps import Answer, ReadBody, Send, Steps, Wait
from extproc.client.world import Moment
from extproc.errors import FAULTS, Code
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import KEEP_MS

REPEAT_WITHIN_S: Final = 60.0
SECOND_OR_SO: Final = (1.0, 1.5)
_EXCHANGE_ID_LENGTH: Final = 16
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MAY_HAVE_RUN: Final = frozenset({Code.REPLAYED, Code.RESPONSE_TOO_LARGE, Code.UNAVAILABLE})
_FRESH_MS: Final = 120_000
_AHEAD_MS: Final = 30_000
_CLOCKS_APART_MS: Final = 5_000  # those of two gateways of one link
_MAX_POSTDATED_MS: Final = KEEP_MS - _FRESH_MS - _AHEAD_MS
_OWN_TROUBLE: Final = (httpx.PoolTimeout, httpx.LocalProtocolError, httpx.UnsupportedProtocol)


@dataclass(slots=True)
class Call:
    """A caller's request on its way through one or two sealings."""

    request: httpx.Request
    inner: pb.InnerRequest = field(repr=False)
    choice: Choice
    has_body_in_hand: bool  # not a generator or a stream, which is spent
    started_at: Moment
    stamped_at: Moment  # no later than the last sealing
    offset_ms: int = 0  # the clock's at the last sealing
    is_repeat: bool = False

    @property
    def timeout(self) -> Mapping[str, Any] | None:
        return self.request.extensions.get("timeout")

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


def exchange(session: Session, request: httpx.Request) -> Steps[httpx.Response]:
    """Carry one request over the link. Raises httpx.TransportError, LinkError among them."""
    call = yield from _prepare(session, request)
    try:
        return (yield from _attempt(session, call))
    except httpx.TransportError as error:
        first = error
    choice = yield from _remedied(session, call, first)
    if choice is None:
        raise first
    call.choice, call.is_repeat = choice, True
    try:
        return (yield from _attempt(session, call))
    except httpx.TransportError as error:
        second = error
    if _is_first_told(first, second):
        first.add_note(f"sealed once more, it failed again: {second!r}")
        raise first
    if isinstance(second, LinkError):
        second.outcome_unknown |= may_have_run(first)
    raise second from first


def _prepare(session: Session, request: httpx.Request) -> Steps[Call]:
    choice = yield from choose(session, request.extensions.get("timeout"))
    limit = choice.directory.max_request_bytes
    has_body_in_hand = isinstance(request.stream, httpx.ByteStream)
    body: bytes = yield ReadBody(request.stream, limit)
    if len(body) > limit:
        raise _too_large(limit)
    inner = to_inner(request, body)
    inner.exchange_id = session.world.random(_EXCHANGE_ID_LENGTH)
    inner.cookie_binding = session.cookie_binding
    inner.client.CopyFrom(session.config.client)
    check_request(inner, choice.directory.path)
    now = session.world.moment()
    call = Call(request, inner, choice, has_body_in_hand, started_at=now, stamped_at=now)
    call.stamp(session)
    return call


def _attempt(session: Session, call: Call) -> Steps[httpx.Response]:
    """Seal, send, open."""
    directory = call.choice.directory
    sealed = session.seal(call.inner, call.choice)
    if len(sealed.body) > directory.max_request_bytes:
        raise _too_large(directory.max_request_bytes)
    outer = sealed_request(session.config.link + directory.path, sealed.body, call.timeout)
    session.cookies.set_cookie_header(outer)
    answer: Answer = yield Send(outer, MAX_RESPONSE)
    inner = open_answer(answer, sealed.opener)
    keep_cookies(session.cookies, answer.headers, outer)
    session.directories.heard(inner.directory_serial)
    _check_fault(session, call, inner)
    facts = {
        "key_id": call.choice.key.key_id.hex(),
        "request_id": answer.headers.get("x-request-id"),
        "repeated": call.is_repeat,
        "elapsed": session.world.monotonic() - call.stamped_at.ticks,
    }
    return to_response(inner, {"link": facts})


def _check_fault(session: Session, call: Call, inner: pb.InnerResponse) -> None:
    if not inner.fault:
        return
    if inner.fault not in FAULTS:
        reason = f"a fault that this client does not know: {inner.fault!r}"
        raise LinkError(BAD_RESPONSE, reason, fault=inner.fault, outcome_unknown=True)
    if inner.fault == Code.CLOCK_SKEW:
        session.learn_time(inner.gateway_time_ms)
    unknown = inner.fault in _MAY_HAVE_RUN
    if inner.fault == Code.CLOCK_SKEW:
        unknown = not _was_stale(session, call, inner.gateway_time_ms)
    raise LinkError(inner.fault, "refused by the gateway", fault=inner.fault, outcome_unknown=unknown)


def _was_stale(session: Session, call: Call, gateway_time_ms: int) -> bool:
    """Whether the envelope was too old when it first can have arrived: it has not run, and never will."""
    arrived_ms = gateway_time_ms - session.world.since(call.stamped_at) * 1000
    return arrived_ms > call.inner.sent_at_ms + _FRESH_MS + _CLOCKS_APART_MS


def _remedied(session: Session, call: Call, failure: httpx.TransportError) -> Steps[Choice | None]:
    """What to seal the request to once more, or None: the failure stands."""
    remedy = _REMEDIES.get(failure.code) if isinstance(failure, LinkError) else _resent
    if remedy is None or not call.has_body_in_hand or not _in_time(session, call):
        return None
    is_mended = yield from remedy(session, call, failure)
    return session.directories.choice() if is_mended and _stamped_again(session, call) else None


def _stamped_again(session: Session, call: Call) -> bool:
    """Stamp the second sealing, and see that the gateway still knows its id when the first can run, and the
    other way round. In this order: who falls asleep before the check fails it, after it has a stale stamp."""
    first_ms = call.inner.sent_at_ms
    call.stamp(session)
    is_postdated = first_ms - call.inner.sent_at_ms > _MAX_POSTDATED_MS  # it outlives the second's id
    return _in_time(session, call) and (call.is_safe or not is_postdated)


def _in_time(session: Session, call: Call) -> bool:
    return session.world.since(call.started_at) <= REPEAT_WITHIN_S


Remedy = Callable[[Session, Call, httpx.TransportError], Steps[bool]]


def _clock_corrected(session: Session, call: Call, _: httpx.TransportError) -> Steps[bool]:
    yield from ()
    return session.offset_ms != call.offset_ms


def _waited(session: Session, _: Call, __: httpx.TransportError) -> Steps[bool]:
    least, most = SECOND_OR_SO
    yield Wait(least + (most - least) * session.world.uniform())
    return True


def _key_renewed(session: Session, call: Call, _: httpx.TransportError) -> Steps[bool]:
    return (yield from renew(session, call.choice, call.timeout))


def _resent(_: Session, call: Call, failure: httpx.TransportError) -> Steps[bool]:
    yield from ()
    return call.is_repeatable and not isinstance(failure, _OWN_TROUBLE)


_REMEDIES: Final[Mapping[str, Remedy]] = {
    Code.CLOCK_SKEW: _clock_corrected,
    Code.UNAVAILABLE: _waited,
    Code.UNKNOWN_KEY: _key_renewed,
}


def _is_first_told(first: httpx.TransportError, second: httpx.TransportError) -> bool:
    """Which failure of two to report. What the first sealing may have done must not be denied, as an error
    of httpx's own would by its type; and `replayed` is but the echo of the first, whose answer was lost."""
    if not may_have_run(first):
        return False
    if isinstance(second, LinkError):
        return second.fault == Code.REPLAYED
    return not may_have_run(second)


def _too_large(limit: int) -> LinkError:
    return LinkError(Code.TOO_LARGE, f"the gateway takes {limit} bytes, sealed")
