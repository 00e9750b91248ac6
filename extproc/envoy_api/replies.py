"""What Envoy is told: an action as a ProcessingResponse.

Field names in comments are those of external_processor.proto and base.proto. protobuf lets fields come in any
order (its encoding's "Field Order"): a body is last, and a piece of its own, as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse

from extproc.envoy_api.mutation import mutation
from extproc.envoy_api.protobuf import Heads, delimited
from extproc.exchange.actions import (
    Action,
    Answer,
    AwaitBody,
    DropRequestTrailers,
    DropResponseTrailers,
    Forward,
    ForwardBody,
    Metadata,
    Respond,
    RespondBody,
)
from extproc.link.messages import varint
from extproc.message import NO_FIELDS, Buffer, Field, Headers, Request

NAMESPACE: Final = "extproc.link"
Reply = tuple[Buffer, ...]  # a serialized ProcessingResponse, in pieces

_REQUEST_HEADERS: Final = b"\x0a"  # ProcessingResponse, one for each phase
_RESPONSE_HEADERS: Final = b"\x12"
_REQUEST_BODY: Final = b"\x1a"
_RESPONSE_BODY: Final = b"\x22"
_REQUEST_TRAILERS: Final = b"\x2a"
_RESPONSE_TRAILERS: Final = b"\x32"
_IMMEDIATE: Final = b"\x3a"
_RESPONSE: Final = b"\x0a"  # HeadersResponse.response, BodyResponse.response
_TRAILERS_MUTATION: Final = b"\x0a"  # TrailersResponse.header_mutation
_MUTATION: Final = b"\x12"  # CommonResponse.header_mutation
_BODY_MUTATION: Final = b"\x1a"  # CommonResponse.body_mutation
_CONTINUE_AND_REPLACE: Final = b"\x08\x01"  # CommonResponse.status
_CLEAR_ROUTE_CACHE: Final = b"\x28\x01"  # CommonResponse.clear_route_cache
_WHOLE: Final = b"\x0a"  # BodyMutation.body
_STREAMED: Final = b"\x1a"  # BodyMutation.streamed_response
_PIECE: Final = b"\x0a"  # StreamedBodyResponse.body
_LAST_PIECE: Final = b"\x10\x01" + _PIECE  # StreamedBodyResponse.end_of_stream, set, and body
_HTTP_STATUS: Final = b"\x0a"  # ImmediateResponse.status
_CODE: Final = b"\x08"  # HttpStatus.code
_HEADERS: Final = b"\x12"  # ImmediateResponse.headers
_ANSWER_BODY: Final = b"\x1a"  # ImmediateResponse.body
_DETAILS: Final = b"\x2a"  # ImmediateResponse.details

_GO_ON: Final[Reply] = (_REQUEST_HEADERS + b"\x00",)  # an empty HeadersResponse
_IN_HEADERS_MUTATION: Final = Heads(_MUTATION)
_IN_BODY: Final = Heads(_WHOLE, _BODY_MUTATION)
_IN_REQUEST_HEADERS: Final = Heads(_RESPONSE, _REQUEST_HEADERS)
_IN_REQUEST_BODY: Final = Heads(_RESPONSE, _REQUEST_BODY)
_IN_RESPONSE_HEADERS: Final = Heads(_RESPONSE, _RESPONSE_HEADERS)
_IN_REQUEST_PIECE, _IN_RESPONSE_PIECE = (  # by whether it ends the stream
    {
        False: Heads(_PIECE, _STREAMED, _BODY_MUTATION, _RESPONSE, phase),
        True: Heads(_LAST_PIECE, _STREAMED, _BODY_MUTATION, _RESPONSE, phase),
    }
    for phase in (_REQUEST_BODY, _RESPONSE_BODY)
)


def reply(action: Action) -> Reply:
    """A ProcessingResponse that carries out an action. KeyError: it is not Envoy's to do."""
    return _WRITERS[type(action)](action)


def _forward(action: Forward) -> Reply:
    request = action.request
    fields = mutation(action.before, [*_request_line(request), *request.headers.fields])
    common = _CLEAR_ROUTE_CACHE + _IN_HEADERS_MUTATION[len(fields)] + fields
    if action.streamed:
        return (_metadata(**action.metadata) + _IN_REQUEST_HEADERS[len(common)] + common,)
    return _with_body(_IN_REQUEST_BODY, common, request.body, action.metadata)


def _respond(action: Respond) -> Reply:
    response = action.response
    fields = mutation(action.before, [(":status", b"%d" % response.status), *response.headers.fields])
    common = _IN_HEADERS_MUTATION[len(fields)] + fields
    if action.alone:
        common += _CONTINUE_AND_REPLACE
        return _with_body(_IN_RESPONSE_HEADERS, common, response.body, action.metadata)
    return (_metadata(**action.metadata) + _IN_RESPONSE_HEADERS[len(common)] + common,)


def _with_body(phase: Heads, common: bytes, body: bytes, metadata: Metadata) -> Reply:
    """A CommonResponse with a whole body in the place of the one that was."""
    size = len(body)
    common += _IN_BODY[size]
    return _metadata(**metadata) + phase[len(common) + size] + common, body


def _forward_body(action: ForwardBody) -> Reply:
    data = action.data
    return _IN_REQUEST_PIECE[action.end_of_stream][len(data)], data


def _respond_body(action: RespondBody) -> Reply:
    data = action.data
    return _metadata(**action.metadata) + _IN_RESPONSE_PIECE[action.end_of_stream][len(data)], data


def _drop_request_trailers(action: DropRequestTrailers) -> Reply:
    return _drop(_REQUEST_TRAILERS, action.trailers)


def _drop_response_trailers(action: DropResponseTrailers) -> Reply:
    return _drop(_RESPONSE_TRAILERS, action.trailers)


def _drop(phase: bytes, trailers: Headers) -> Reply:
    return (delimited(phase, delimited(_TRAILERS_MUTATION, mutation(trailers, ()))),)


def _request_line(request: Request) -> tuple[Field, ...]:
    return (
        (":method", request.method.encode()),
        (":scheme", request.scheme.encode()),
        (":authority", request.authority.encode()),
        (":path", request.path.encode()),
    )


@lru_cache(maxsize=256)
def _metadata(**fields: str) -> bytes:
    """ProcessingResponse.dynamic_metadata: the same for all exchanges of a kind."""
    response = ProcessingResponse()
    if fields:
        response.dynamic_metadata.update({NAMESPACE: fields})
    serialized: bytes = response.SerializeToString()
    return serialized


def _answer(action: Answer) -> Reply:
    response = action.response
    details = "extproc." + action.metadata.get("outcome", "answered")
    immediate = b"".join(
        (
            delimited(_HTTP_STATUS, _CODE + varint(response.status)),
            delimited(_HEADERS, mutation(NO_FIELDS, response.headers.fields)),
            delimited(_ANSWER_BODY, response.body),
            delimited(_DETAILS, details.encode()),
        )
    )
    return (_metadata(**action.metadata) + delimited(_IMMEDIATE, immediate),)


_WRITERS: Final[Mapping[type, Callable[[Any], Reply]]] = {
    AwaitBody: lambda _: _GO_ON,
    Answer: _answer,
    Forward: _forward,
    ForwardBody: _forward_body,
    DropRequestTrailers: _drop_request_trailers,
    Respond: _respond,
    RespondBody: _respond_body,
    DropResponseTrailers: _drop_response_trailers,
}
