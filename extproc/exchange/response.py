"""The response half: seals the answer, whole or as it comes, and leaves outside what a browser must see."""

from __future__ import annotations

from typing import ClassVar, Final

from extproc.errors import Code, LinkError
from extproc.exchange import answers
from extproc.exchange.actions import (
    Action,
    Answer,
    DropResponseTrailers,
    Log,
    Metadata,
    Respond,
    RespondBody,
)
from extproc.exchange.crossing import cookie_context
from extproc.exchange.events import ResponseBody, ResponseHeaders, ResponseTrailers
from extproc.exchange.machine import Half, State, States, Step, Transition
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import StreamWriter
from extproc.message import NO_FIELDS, Field, Headers, Response
from extproc.policy import cookies, headers

_EVENTS: Final = b"text/event-stream"  # HTML, 9.2: Server-sent events


class ResponseState(States):
    COLLECTING = State()
    BODY_AWAITED = State()  # of a response that will be streamed: Envoy takes no body of ours before
    STREAMING = State()


class ResponseHalf(Half):
    _headers = NO_FIELDS
    _status = 0
    _body: bytearray  # of this response alone: a default would be shared
    _has_body = False  # Envoy has sent body messages, be they empty
    _writer: StreamWriter | None = None

    def on_headers(self, event: ResponseHeaders, now_ms: int) -> Step:
        self._headers = event.headers
        self._status = int(event.headers.get(":status") or 0)
        self._body = bytearray()
        if event.end_of_stream:
            return self._respond(now_ms)
        length, most = event.headers.content_length, self._context.gateway.max_response
        if self._is_for_a_stream(length):
            if self._context.take_room():
                return ResponseState.BODY_AWAITED, []
            if self._is_events() or (length is not None and length > most):
                raise LinkError(Code.UNAVAILABLE, "no room for one more stream")
        if length is not None and length > most:
            raise LinkError(Code.RESPONSE_TOO_LARGE, f"a response of {length} bytes")
        return ResponseState.COLLECTING, []

    def on_body(self, event: ResponseBody, now_ms: int) -> Step:
        self._has_body, body = True, self._body
        body += event.data
        if len(body) > self._context.gateway.max_response:
            raise LinkError(Code.RESPONSE_TOO_LARGE, f"a response of more than {len(body)} bytes")
        if event.end_of_stream:
            return self._respond(now_ms)
        return ResponseState.COLLECTING, []

    def on_trailers(self, event: ResponseTrailers, now_ms: int) -> Step:
        return self._respond(now_ms, trailers=event.trailers)

    def on_first_body(self, event: ResponseBody, now_ms: int) -> Step:
        context = self._context
        inner, set_cookie, actions = self._inner(now_ms)
        head, self._writer = context.stream(inner, now_ms)
        response = answers.stream(context.gateway, context.outer, set_cookie)
        metadata = context.metadata("streaming", self._status)
        context.is_responding = True
        state, body = self._sealed_body(head, event)
        return state, [*actions, Respond(response, self._headers, alone=False, metadata=metadata), body]

    def on_streamed_body(self, event: ResponseBody, _now_ms: int) -> Step:
        state, body = self._sealed_body(b"", event)
        return state, [body]

    def on_streamed_trailers(self, event: ResponseTrailers, _now_ms: int) -> Step:
        trailers = _fields(headers.to_inner_trailers(event.trailers))
        try:
            data = self._open_writer().finish(trailers=trailers)
        except ValueError as error:
            raise LinkError(Code.RESPONSE_TOO_LARGE, f"trailers for a stream: {error}") from error
        body = RespondBody(data, end_of_stream=False, metadata=self._done())
        drop = DropResponseTrailers(event.trailers)
        return ResponseState.ANSWERED, [body, drop]

    def _is_for_a_stream(self, length: int | None) -> bool:
        """Whether it leaves as a stream, if there is room: an event must not wait for the end."""
        opened = self._context.opened
        if self._context.forwarded is None or opened is None or not opened.inner.accept_stream:
            return False
        if length is None or length > self._context.gateway.whole_limit:
            return True
        return self._is_events()

    def _is_events(self) -> bool:
        """Whether it may never end."""
        content_type = self._headers.first.get("content-type")
        return content_type is not None and (content_type.partition(b";")[0].strip(b" \t").lower() == _EVENTS)

    def _sealed_body(self, head: bytes, event: ResponseBody) -> tuple[State, RespondBody]:
        writer = self._open_writer()
        if event.end_of_stream:
            data = head + writer.finish(event.data)
            return ResponseState.ANSWERED, RespondBody(data, end_of_stream=True, metadata=self._done())
        return ResponseState.STREAMING, RespondBody(head + writer.write(event.data), end_of_stream=False)

    def _open_writer(self) -> StreamWriter:
        if self._writer is None:
            raise AssertionError("no stream has begun")
        return self._writer

    def _done(self) -> Metadata:
        return self._context.metadata("ok", self._status)

    def _respond(self, now_ms: int, trailers: Headers | None = None) -> Step:
        response, metadata, actions = self._sealed(trailers, now_ms)
        has_body = self._has_body
        if trailers is not None and not has_body:
            # Envoy takes no body between headers and trailers where there was none.
            return ResponseState.ANSWERED, [*actions, Answer(response, metadata)]
        actions.append(Respond(response, self._headers, not has_body, metadata))
        if has_body:
            actions.append(RespondBody(response.body, trailers is None))
        if trailers is not None:
            actions.append(DropResponseTrailers(trailers))
        return ResponseState.ANSWERED, actions

    def _sealed(self, trailers: Headers | None, now_ms: int) -> tuple[Response, Metadata, list[Action]]:
        context = self._context
        if context.forwarded is None:  # Envoy's own refusal of what never opened: a 413, say
            response = answers.unsealed(context.gateway, context.outer, self._status)
            return response, context.metadata("problem", self._status), []
        inner, set_cookie, actions = self._inner(now_ms)
        inner.body = bytes(self._body)
        if trailers is not None:
            inner.trailers.extend(_fields(headers.to_inner_trailers(trailers)))
        return context.seal(inner, now_ms, set_cookie), self._done(), actions

    def _inner(self, now_ms: int) -> tuple[pb.InnerResponse, tuple[bytes, ...], list[Action]]:
        """Status and headers as they go inside; the `set-cookie` lines that go outside; what to log."""
        context = self._context
        if context.forwarded is None:
            raise AssertionError("nothing was forwarded")
        fields = headers.to_inner_response(self._headers)
        outer: tuple[bytes, ...] = ()
        logs: list[Action] = []
        if "set-cookie" in self._headers.first:
            jar = cookie_context(context, context.forwarded, now_ms // 1000)
            crossed = cookies.outgoing(context.gateway.cookies, jar, Headers.of(fields), context.random)
            fields, outer = list(crossed.inner), crossed.outer
            logs = [Log("cookie_not_set", problem) for problem in crossed.problems]
        inner = pb.InnerResponse(status=self._status)
        add = inner.headers.add
        for name, value in fields:
            add(name=name, value=value)
        return inner, outer, logs

    table: ClassVar = {
        (ResponseState.START, ResponseHeaders): Transition(
            on_headers, (ResponseState.COLLECTING, ResponseState.BODY_AWAITED, ResponseState.ANSWERED)
        ),
        (ResponseState.COLLECTING, ResponseBody): Transition(
            on_body, (ResponseState.COLLECTING, ResponseState.ANSWERED)
        ),
        (ResponseState.COLLECTING, ResponseTrailers): Transition(on_trailers, (ResponseState.ANSWERED,)),
        (ResponseState.BODY_AWAITED, ResponseBody): Transition(
            on_first_body, (ResponseState.STREAMING, ResponseState.ANSWERED)
        ),
        (ResponseState.BODY_AWAITED, ResponseTrailers): Transition(on_trailers, (ResponseState.ANSWERED,)),
        (ResponseState.STREAMING, ResponseBody): Transition(
            on_streamed_body, (ResponseState.STREAMING, ResponseState.ANSWERED)
        ),
        (ResponseState.STREAMING, ResponseTrailers): Transition(
            on_streamed_trailers, (ResponseState.ANSWERED,)
        ),
    }


def _fields(fields: list[Field]) -> list[pb.Header]:
    return [pb.Header(name=name, value=value) for name, value in fields]
