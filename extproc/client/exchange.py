"""One exchange over the link, as steps: seal, send, open, and at most one repeat.

    choose a directory and key -> read the body, or not -> seal -> send -> open -> response
                                                            ^                |
                                                            +--- a remedy <--+  LinkError or transport failure

What streams ends here with its head: the bodies are in outflow.py and inflow.py.

A request is sealed again only for what stands in `_REMEDIES` or as `_resent` says, and only within 60 s of
the first sealing (docs/protocol.md, section 8). All sealings of a request have one exchange id, so that no
two of them can run while the gateway remembers it.

Who sits on the way has every envelope, and can send it twice, or later: what a refusal says of the envelope
holds for the moment alone, unless no other answer was possible before and none is after (decision 0016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import httpx

from extproc.client.call import Call, prepare, sealed
from extproc.client.directories import Choice
from extproc.client.errors import BAD_RESPONSE, LinkError, may_have_run
from extproc.client.fetching import renew
from extproc.client.inner import to_response
from extproc.client.jar import keep_cookies
from extproc.client.outer import MAX_RESPONSE, open_answer
from extproc.client.session import Session
from extproc.client.steps import Answer, Close, Send, Steps, Wait
from extproc.errors import FAULTS, Code
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import KEEP_MS

REPEAT_WITHIN_S: Final = 60.0
SECOND_OR_SO: Final = (1.0, 1.5)
_MAY_HAVE_RUN: Final = frozenset({Code.REPLAYED, Code.RESPONSE_TOO_LARGE, Code.UNAVAILABLE})
_FRESH_MS: Final = 120_000
_AHEAD_MS: Final = 30_000
_CLOCKS_APART_MS: Final = 5_000  # those of two gateways of one link
_MAX_POSTDATED_MS: Final = KEEP_MS - _FRESH_MS - _AHEAD_MS
_OWN_TROUBLE: Final = (httpx.PoolTimeout, httpx.LocalProtocolError, httpx.UnsupportedProtocol)


def exchange(session: Session, request: httpx.Request) -> Steps[httpx.Response]:
    """Carry one request over the link. Raises httpx.TransportError, LinkError among them."""
    call = yield from prepare(session, request)
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


def _attempt(session: Session, call: Call) -> Steps[httpx.Response]:
    """Seal, send, open: a stream up to its head, and what the caller reads of it when he does."""
    outer, opener = sealed(session, call)
    session.cookies.set_cookie_header(outer)
    answer: Answer = yield Send(outer, MAX_RESPONSE, opener)
    try:
        return _opened(session, call, outer, answer, open_answer(answer, opener))
    except LinkError:
        if answer.inflow is not None:
            yield Close(answer.inflow)
        raise


def _opened(
    session: Session, call: Call, outer: httpx.Request, answer: Answer, inner: pb.InnerResponse
) -> httpx.Response:
    keep_cookies(session.cookies, answer.headers, outer)
    session.directories.heard(inner.directory_serial)
    _check_fault(session, call, inner)
    facts = {
        "key_id": call.choice.key.key_id.hex(),
        "request_id": answer.headers.get("x-request-id"),
        "repeated": call.is_repeat,
        "elapsed": session.world.monotonic() - call.stamped_at.ticks,
    }
    return to_response(inner, answer.inflow, {"link": facts})


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
