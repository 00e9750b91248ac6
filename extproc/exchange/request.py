"""The request half: opens the envelope and puts the inner request in the outer one's place."""

from __future__ import annotations

from typing import ClassVar, Final

from extproc.errors import Code, LinkError
from extproc.exchange import answers
from extproc.exchange.actions import (
    Action,
    Answer,
    AwaitBody,
    CheckReplay,
    CheckStore,
    DropRequestTrailers,
    Forward,
    ForwardBody,
)
from extproc.exchange.crossing import check_origin, inner_request
from extproc.exchange.events import (
    ReplayChecked,
    RequestBody,
    RequestEvent,
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    StoreChecked,
)
from extproc.exchange.machine import Half, ProtocolError, State, States, Step, Transition
from extproc.exchange.upload import Upload
from extproc.link.envelope import OpenedRequest, RequestReader, media_form, open_request
from extproc.link.replay import Verdict, check_freshness
from extproc.link.segments import Form
from extproc.link.validation import check_exchange_id
from extproc.message import Response

_AWAIT_BODY: Final = AwaitBody()


class RequestState(States):
    HEALTH_ASKED = State()
    BODY_AWAITED = State()
    HEAD_AWAITED = State()  # of a stream: its segment 0
    REPLAY_ASKED = State()
    STREAMING = State()
    FORWARDED = State()
    OVERTAKEN = State()  # Envoy answers before the envelope has opened: a 413, or a refused upgrade


class RequestHalf(Half):
    _upload: Upload | None = None

    def on_headers(self, event: RequestHeaders, now_ms: int) -> Step:
        context, gateway, outer = self._context, self._context.gateway, event.headers
        context.outer, context.peer = outer, event.peer
        path = (outer.text(":path") or "").partition("?")[0]
        form, method = gateway.paths.form(path), outer.get(":method")
        if form is None and path not in {gateway.paths.keys, gateway.paths.health}:
            raise ProtocolError(f"{path} is not one of the link's paths: mend Envoy's routes")
        if method == b"OPTIONS":
            return self._answer(answers.options(gateway, outer))
        if (origin := outer.text("origin")) is not None:
            check_origin(gateway, origin)
        if form is not None:
            _check_envelope(event, method, form, gateway.max_request)
            return self._await(form, now_ms // 1000)
        if method not in {b"GET", b"HEAD"}:
            raise LinkError(Code.METHOD, "expected GET")
        if path == gateway.paths.health:
            return RequestState.HEALTH_ASKED, [CheckStore()]
        return self._answer(answers.directory(gateway, outer, now_ms // 1000))

    def on_store_checked(self, event: StoreChecked, now_ms: int) -> Step:
        context = self._context
        now = now_ms // 1000
        return self._answer(answers.health(context.gateway, context.outer, now, can_tell=event.can_tell))

    def on_body(self, event: RequestBody, now_ms: int) -> Step:
        gateway = self._context.gateway
        if len(event.data) > gateway.max_request:
            raise LinkError(Code.TOO_LARGE, f"an envelope of {len(event.data)} bytes")
        return self._ask(open_request(gateway.keyring, bytes(event.data), now_ms // 1000), now_ms)

    def on_replay_checked(self, event: ReplayChecked, now_ms: int) -> Step:
        if event.verdict is not Verdict.FRESH:
            raise _refusal(event.verdict)
        context, upload = self._context, self._upload
        opened, streamed = context.opened, upload is not None
        if opened is None:
            raise AssertionError("asked about a request that has not opened")
        request = inner_request(context, opened, now_ms // 1000, streamed=streamed)
        forward = Forward(request, context.outer, context.metadata("opened"), streamed)
        if upload is None:
            return RequestState.FORWARDED, [forward]
        upload.hold_to(opened.inner)
        return self._pass_on(forward)

    def on_streamed_body(self, event: RequestBody, now_ms: int) -> Step:
        upload = self._streamed()
        upload.receive(event.data, now_ms, end_of_stream=event.end_of_stream)
        if self.state is RequestState.STREAMING:
            return self._pass_on()
        return (RequestState.HEAD_AWAITED, []) if upload.opened is None else self._ask(upload.opened, now_ms)

    def on_trailers(self, event: RequestTrailers, _now_ms: int) -> Step:
        return RequestState.FORWARDED, [DropRequestTrailers(event.trailers)]

    def on_trailers_alone(self, _event: RequestTrailers, _now_ms: int) -> Step:
        raise LinkError(Code.BAD_ENVELOPE, "trailers without a body")

    def on_streamed_trailers(self, _event: RequestTrailers, _now_ms: int) -> Step:
        # Envoy would send the upstream the body twice: envoyproxy/envoy#45470.
        raise LinkError(Code.BAD_ENVELOPE, "trailers outside a streamed request")

    def on_response(self, _event: ResponseHeaders, _now_ms: int) -> Step:
        return self.state, []

    def on_overtaken(self, _event: RequestEvent | ResponseHeaders, _now_ms: int) -> Step:
        return RequestState.OVERTAKEN, []

    def _answer(self, response: Response) -> Step:
        return RequestState.ANSWERED, [Answer(response, self._context.metadata("answered"))]

    def _await(self, form: Form, now: int) -> Step:
        if form is Form.WHOLE:
            return RequestState.BODY_AWAITED, [_AWAIT_BODY]
        self._upload = Upload(RequestReader(self._context.gateway.keyring, now))
        return RequestState.HEAD_AWAITED, []  # whose opening is what the headers are replied to with

    def _ask(self, opened: OpenedRequest, now_ms: int) -> Step:
        """Whether a request that has just opened is new."""
        context, inner = self._context, opened.inner
        context.open(opened)
        check_freshness(inner.sent_at_ms, now_ms)
        check_exchange_id(inner)
        if self._upload is not None and not context.take_room():
            raise LinkError(Code.UNAVAILABLE, "no room for one more stream")
        created_at = context.gateway.keyring.created_at(opened.key_id)
        return RequestState.REPLAY_ASKED, [CheckReplay(inner.exchange_id, inner.sent_at_ms, created_at)]

    def _streamed(self) -> Upload:
        if self._upload is None:
            raise AssertionError("no stream has begun")
        return self._upload

    def _pass_on(self, *before: Action) -> Step:
        """What has opened goes to the upstream: with the head a piece of the body, if need be an empty one,
        since Envoy counts a route's idle time-out from a piece on."""
        upload, actions = self._streamed(), list(before)
        data = upload.take()
        if data or upload.has_ended or before:
            actions.append(ForwardBody(data, upload.has_ended))
        return RequestState.FORWARDED if upload.has_ended else RequestState.STREAMING, actions

    table: ClassVar = {
        (RequestState.START, RequestHeaders): Transition(
            on_headers,
            (
                RequestState.BODY_AWAITED,
                RequestState.HEAD_AWAITED,
                RequestState.HEALTH_ASKED,
                RequestState.ANSWERED,
            ),
        ),
        (RequestState.HEALTH_ASKED, StoreChecked): Transition(on_store_checked, (RequestState.ANSWERED,)),
        (RequestState.BODY_AWAITED, RequestBody): Transition(
            on_body, (RequestState.REPLAY_ASKED, RequestState.ANSWERED)
        ),
        (RequestState.HEAD_AWAITED, RequestBody): Transition(
            on_streamed_body, (RequestState.HEAD_AWAITED, RequestState.REPLAY_ASKED, RequestState.ANSWERED)
        ),
        (RequestState.REPLAY_ASKED, ReplayChecked): Transition(
            on_replay_checked, (RequestState.FORWARDED, RequestState.STREAMING, RequestState.ANSWERED)
        ),
        (RequestState.STREAMING, RequestBody): Transition(
            on_streamed_body, (RequestState.STREAMING, RequestState.FORWARDED, RequestState.ANSWERED)
        ),
        (RequestState.STREAMING, RequestTrailers): Transition(on_streamed_trailers, (RequestState.ANSWERED,)),
        (RequestState.BODY_AWAITED, RequestTrailers): Transition(on_trailers_alone, (RequestState.ANSWERED,)),
        (RequestState.HEAD_AWAITED, RequestTrailers): Transition(
            on_streamed_trailers, (RequestState.ANSWERED,)
        ),
        (RequestState.FORWARDED, RequestTrailers): Transition(on_trailers, (RequestState.FORWARDED,)),
        (RequestState.STREAMING, ResponseHeaders): Transition(on_response, (RequestState.STREAMING,)),
        (RequestState.FORWARDED, ResponseHeaders): Transition(on_response, (RequestState.FORWARDED,)),
        (RequestState.START, ResponseHeaders): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.BODY_AWAITED, ResponseHeaders): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.HEAD_AWAITED, ResponseHeaders): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.REPLAY_ASKED, ResponseHeaders): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.OVERTAKEN, RequestBody): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.OVERTAKEN, ReplayChecked): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
        (RequestState.OVERTAKEN, RequestTrailers): Transition(on_overtaken, (RequestState.OVERTAKEN,)),
    }


def _refusal(verdict: Verdict) -> LinkError:
    """Of a request that is not known to be new."""
    if verdict is Verdict.SEEN:
        return LinkError(Code.REPLAYED, "this exchange has run")
    return LinkError(Code.UNAVAILABLE, "the replay store can't tell")


def _check_envelope(event: RequestHeaders, method: bytes | None, form: Form, max_request: int) -> None:
    if method != b"POST":
        raise LinkError(Code.METHOD, "expected POST")
    if media_form(event.headers.text("content-type")) is not form:
        raise LinkError(Code.MEDIA_TYPE, f"expected the {form.name.lower()} form")
    length = event.headers.content_length
    if length is not None and length > max_request and form is Form.WHOLE:
        raise LinkError(Code.TOO_LARGE, f"an envelope of {length} bytes")
    if event.end_of_stream:
        raise LinkError(Code.BAD_ENVELOPE, "no body")
