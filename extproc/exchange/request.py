"""The request half: opens the envelope and puts the inner request in the outer one's place."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import ClassVar, Final

from extproc.errors import Code, LinkError
from extproc.exchange import answers
from extproc.exchange.actions import Action, Answer, AwaitBody, CheckReplay, CheckStore, DropTrailers, Forward
from extproc.exchange.context import Context
from extproc.exchange.events import (
    ReplayChecked,
    RequestBody,
    RequestEvent,
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    StoreChecked,
)
from extproc.exchange.gateway import Gateway
from extproc.exchange.machine import Half, ProtocolError, Transition
from extproc.link.envelope import OpenedRequest, media_form, open_request
from extproc.link.replay import Verdict, check_freshness
from extproc.link.segments import Form
from extproc.link.validation import check_exchange_id, validate_request
from extproc.message import Headers, Request, Response, authority_host
from extproc.policy import cookies, cors, forwarded, headers

OPENED_MARK: Final = "x-link-opened"
_MAX_SHOWN: Final = 200
_MAX_FIELD_BYTES: Final = 88 * 1024  # below what Envoy takes of a request, cookies and the line with them

Step = tuple["RequestState", list[Action]]


class RequestState(Enum):
    START = auto()
    HEALTH_ASKED = auto()
    BODY_AWAITED = auto()
    REPLAY_ASKED = auto()
    FORWARDED = auto()
    ANSWERED = auto()
    OVERTAKEN = auto()  # Envoy answers before the envelope has opened: a 413, or a refused upgrade


class RequestHalf(Half[RequestState]):
    def __init__(self, context: Context) -> None:
        super().__init__(RequestState.START)
        self._context = context

    def on_headers(self, event: RequestHeaders, now_ms: int) -> Step:
        context, gateway = self._context, self._context.gateway
        context.outer, context.peer = event.headers, event.peer
        path = (event.headers.text(":path") or "").partition("?")[0]
        if path not in {gateway.paths.whole, gateway.paths.keys, gateway.paths.health}:
            raise ProtocolError(f"{path} is not one of the link's paths: mend Envoy's routes")
        if event.headers.get(":method") == b"OPTIONS":
            return self._answer(answers.options(gateway, event.headers))
        _check_origin(context)
        if path == gateway.paths.whole:
            _check_envelope_headers(event, gateway.max_request)
            return RequestState.BODY_AWAITED, [AwaitBody()]
        if event.headers.get(":method") not in {b"GET", b"HEAD"}:
            raise LinkError(Code.METHOD, "expected GET")
        if path == gateway.paths.health:
            return RequestState.HEALTH_ASKED, [CheckStore()]
        return self._answer(answers.directory(gateway, event.headers, now_ms // 1000))

    def on_store_checked(self, event: StoreChecked, now_ms: int) -> Step:
        context = self._context
        now = now_ms // 1000
        return self._answer(answers.health(context.gateway, context.outer, now, can_tell=event.can_tell))

    def on_body(self, event: RequestBody, now_ms: int) -> Step:
        context, gateway = self._context, self._context.gateway
        if len(event.data) > gateway.max_request:
            raise LinkError(Code.TOO_LARGE, f"an envelope of {len(event.data)} bytes")
        context.opened = opened = open_request(gateway.keyring, event.data, now_ms // 1000)
        check_freshness(opened.inner.sent_at_ms, now_ms)
        check_exchange_id(opened.inner)
        question = CheckReplay(
            opened.inner.exchange_id,
            opened.inner.sent_at_ms,
            gateway.keyring.created_at(opened.key_id),
        )
        return RequestState.REPLAY_ASKED, [question]

    def on_replay_checked(self, event: ReplayChecked, now_ms: int) -> Step:
        context = self._context
        if context.opened is None:
            raise AssertionError("asked about a request that has not opened")
        if event.verdict is Verdict.SEEN:
            raise LinkError(Code.REPLAYED, "this exchange has run")
        if event.verdict is Verdict.UNAVAILABLE:
            raise LinkError(Code.UNAVAILABLE, "the replay store can't tell")
        request, cookie_context = _inner_request(context, context.opened, now_ms // 1000)
        context.forwarded = cookie_context
        remove = headers.removals(context.outer, request.headers)
        action = Forward(request, remove, context.metadata("opened"))
        return RequestState.FORWARDED, [action]

    def on_trailers(self, event: RequestTrailers, _now_ms: int) -> Step:
        return RequestState.FORWARDED, [DropTrailers(headers.removals(event.trailers, Headers()))]

    def on_trailers_alone(self, _event: RequestTrailers, _now_ms: int) -> Step:
        raise LinkError(Code.BAD_ENVELOPE, "trailers without a body")

    def on_response(self, _event: ResponseHeaders, _now_ms: int) -> Step:
        return RequestState.FORWARDED, []

    def on_overtaken(self, _event: RequestEvent | ResponseHeaders, _now_ms: int) -> Step:
        return RequestState.OVERTAKEN, []

    def refuse(self, error: LinkError, now_ms: int) -> Step:
        return RequestState.ANSWERED, self._context.refuse(error, now_ms)

    def _answer(self, response: Response) -> Step:
        return RequestState.ANSWERED, [Answer(response, self._context.metadata("answered"))]

    table: ClassVar = {
        (RequestState.START, RequestHeaders): Transition(
            on_headers, (RequestState.BODY_AWAITED, RequestState.HEALTH_ASKED, RequestState.ANSWERED)
        ),
        (RequestState.HEALTH_ASKED, StoreChecked): Transition(on_store_checked, (RequestState.ANSWERED,)),
        (RequestState.BODY_AWAITED, RequestBody): Transition(
            on_body, (RequestState.REPLAY_ASKED, RequestState.ANSWERED)
        ),
        (RequestState.REPLAY_ASKED, ReplayChecked): Transition(
            on_replay_checked, (RequestState.FORWARDED, RequestState.ANSWERED)
        ),
        (RequestState.BODY_AWAITED, RequestTrailers): Transition(on_trailers_alone, (RequestState.ANSWERED,)),
        (RequestState.FORWARDED, RequestTrailers): Transition(on_trailers, (RequestState.FORWARDED,)),
        (RequestState.FORWARDED, ResponseHeaders): Transition(on_response, (RequestState.FORWARDED,)),
        (RequestState.START, ResponseHeaders): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.BODY_AWAITED, ResponseHeaders): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.REPLAY_ASKED, ResponseHeaders): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.OVERTAKEN, RequestBody): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.OVERTAKEN, ReplayChecked): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.OVERTAKEN, RequestTrailers): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
    }


def _check_origin(context: Context) -> None:
    origin = context.outer.text("origin")
    if origin is not None and not cors.is_allowed(context.gateway.cors, origin):
        raise LinkError(Code.ORIGIN, f"origin {_shown(origin)} is not allowed")


def _shown(text: str) -> str:
    """A stranger's text, fit for a log line."""
    return ascii(text[:_MAX_SHOWN])


def _check_envelope_headers(event: RequestHeaders, max_request: int) -> None:
    if event.headers.get(":method") != b"POST":
        raise LinkError(Code.METHOD, "expected POST")
    if media_form(event.headers.text("content-type")) is not Form.WHOLE:
        raise LinkError(Code.MEDIA_TYPE, "expected application/privatelink")
    length = event.headers.text("content-length")
    if length is not None and length.isdecimal() and int(length) > max_request:
        raise LinkError(Code.TOO_LARGE, f"an envelope of {length} bytes")
    if event.end_of_stream:
        raise LinkError(Code.BAD_ENVELOPE, "no body")


def _inner_request(
    context: Context, opened: OpenedRequest, now: int
) -> tuple[Request, cookies.CookieContext]:
    """The request for the upstream, and what the answer's cookies need to know of it."""
    request = validate_request(opened.inner, context.gateway.rules)
    carried = headers.carry_over(context.outer, request.headers)
    _check_permitted(context.gateway, request, carried.text("origin"))
    jar = _cookie_context(context.outer, request, opened.inner.cookie_binding, now)
    fields = cookies.incoming(context.gateway.cookies, jar, outer=context.outer, inner=carried)
    fields = forwarded.rewrite(headers.to_upstream(fields), context.peer, request.scheme)
    if sum(len(name) + len(value) for name, value in fields) > _MAX_FIELD_BYTES:
        raise LinkError(Code.BAD_REQUEST, "more headers than the upstream may be sent, with its cookies")
    length = str(len(request.body)).encode()
    fields = fields.adding(("content-length", length), (OPENED_MARK, b"1"))
    return replace(request, headers=fields), jar


def _check_permitted(gateway: Gateway, request: Request, origin: str | None) -> None:
    if origin is None or (cors.is_allowed(gateway.cors, origin) and gateway.permits(request, origin)):
        return
    raise LinkError(Code.NOT_PERMITTED, f"origin {_shown(origin)} is not allowed on this route")


def _cookie_context(outer: Headers, request: Request, binding: bytes, now: int) -> cookies.CookieContext:
    return cookies.CookieContext(
        scheme=request.scheme,
        host=request.host,
        path=request.path.partition("?")[0],
        outer_host=authority_host(outer.text(":authority") or ""),
        binding=binding,
        browser=headers.from_browser(outer),
        now=now,
        sent=cookies.sealed_names(outer),
    )
