"""The response half: collects the answer, seals all of it, and leaves outside what a browser must see."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import ClassVar

from extproc.errors import Code, LinkError
from extproc.exchange import answers
from extproc.exchange.actions import Action, Answer, Log, Metadata, Respond
from extproc.exchange.context import Context
from extproc.exchange.events import ResponseBody, ResponseHeaders, ResponseTrailers
from extproc.exchange.machine import Half, Transition
from extproc.link.pb import privatelink_pb2 as pb
from extproc.message import Headers, Response
from extproc.policy import cookies, headers

Step = tuple["ResponseState", list[Action]]


class ResponseState(Enum):
    START = auto()
    COLLECTING = auto()
    ANSWERED = auto()


class ResponseHalf(Half[ResponseState]):
    def __init__(self, context: Context) -> None:
        super().__init__(ResponseState.START)
        self._context = context
        self._headers = Headers()
        self._body = bytearray()
        self._has_body = False  # Envoy has sent body messages, be they empty

    def on_headers(self, event: ResponseHeaders, now_ms: int) -> Step:
        self._headers = event.headers
        length = event.headers.text("content-length")
        if event.end_of_stream:
            return self._respond(now_ms)
        if length is not None and length.isdecimal() and int(length) > self._context.gateway.max_response:
            raise LinkError(Code.RESPONSE_TOO_LARGE, f"a response of {length} bytes")
        return ResponseState.COLLECTING, []

    def on_body(self, event: ResponseBody, now_ms: int) -> Step:
        self._has_body = True
        self._body += event.data
        if len(self._body) > self._context.gateway.max_response:
            raise LinkError(Code.RESPONSE_TOO_LARGE, f"a response of more than {len(self._body)} bytes")
        if event.end_of_stream:
            return self._respond(now_ms)
        return ResponseState.COLLECTING, []

    def on_trailers(self, event: ResponseTrailers, now_ms: int) -> Step:
        return self._respond(now_ms, trailers=event.trailers)

    def refuse(self, error: LinkError, now_ms: int) -> Step:
        return ResponseState.ANSWERED, self._context.refuse(error, now_ms)

    def _respond(self, now_ms: int, trailers: Headers | None = None) -> Step:
        status = int(self._headers.get(":status") or 0)
        response, metadata, logs = self._sealed(status, trailers or Headers(), now_ms)
        if trailers is not None and not self._has_body:
            # Envoy takes no body between headers and trailers where there was none.
            return ResponseState.ANSWERED, [*logs, Answer(response, metadata)]
        action = Respond(
            response=response,
            remove=headers.removals(self._headers, response.headers),
            had_body=self._has_body,
            drop_trailers=None if trailers is None else headers.removals(trailers, Headers()),
            metadata=metadata,
        )
        return ResponseState.ANSWERED, [*logs, action]

    def _sealed(self, status: int, trailers: Headers, now_ms: int) -> tuple[Response, Metadata, list[Action]]:
        context = self._context
        if context.forwarded is None:  # Envoy's own refusal of what never opened: a 413, say
            response = answers.unsealed(context.gateway, context.outer, status)
            return response, context.metadata("problem", status), []
        crossed = cookies.outgoing(
            context.gateway.cookies,
            replace(context.forwarded, now=now_ms // 1000),
            headers.to_inner_response(self._headers),
            context.random,
        )
        inner = pb.InnerResponse(
            status=status,
            headers=_fields(crossed.inner),
            body=bytes(self._body),
            trailers=_fields(headers.to_inner_trailers(trailers)),
        )
        logs: list[Action] = [Log("cookie_not_set", problem) for problem in crossed.problems]
        return context.seal(inner, now_ms, crossed.outer), context.metadata("ok", status), logs

    table: ClassVar = {
        (ResponseState.START, ResponseHeaders): Transition(
            on_headers, (ResponseState.COLLECTING, ResponseState.ANSWERED)
        ),
        (ResponseState.COLLECTING, ResponseBody): Transition(
            on_body, (ResponseState.COLLECTING, ResponseState.ANSWERED)
        ),
        (ResponseState.COLLECTING, ResponseTrailers): Transition(on_trailers, (ResponseState.ANSWERED,)),
    }


def _fields(fields: Headers) -> list[pb.Header]:
    return [pb.Header(name=name, value=value) for name, value in fields]
