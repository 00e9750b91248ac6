"""What Envoy is told: an action as a ProcessingResponse.

Field names in comments are those of external_processor.proto and base.proto. protobuf lets fields come in any
order (its encoding's "Field Order"): the body is last, so that nothing but metadata follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse

from extproc.envoy_api.mutation import mutation
from extproc.envoy_api.protobuf import delimited, enclosing
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
from extproc.message import NO_FIELDS, Buffer, Field, Request, Response

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
_ENDS_STREAM: Final = b"\x10\x01"  # StreamedBodyResponse.end_of_stream
_HTTP_STATUS: Final = b"\x0a"  # ImmediateResponse.status
_CODE: Final = b"\x08"  # HttpStatus.code
_HEADERS: Final = b"\x12"  # ImmediateResponse.headers
_ANSWER_BODY: Final = b"\x1a"  # ImmediateResponse.body
_DETAILS: Final = b"\x2a"  # ImmediateResponse.details

_GO_ON: Final[Reply] = (_REQUEST_HEADERS + b"\x00",)  # an empty HeadersResponse


def reply(action: Action) -> Reply:
    """A ProcessingResponse that carries out an action. KeyError: it is not Envoy's to do."""
    return _WRITERS[type(action)](action)


def _forward(action: Forward) -> Reply:
    request = action.request
    fields = mutation(action.before, [*_request_line(request), *request.headers.fields])
    common = delimited(_MUTATION, fields) + _CLEAR_ROUTE_CACHE
    metadata = _metadata(action.metadata)
    if action.streamed:
        return enclosing((_RESPONSE, _REQUEST_HEADERS), common), metadata
    return _with_body(_REQUEST_BODY, common, request.body, metadata)


def _respond(action: Respond) -> Reply:
    response = action.response
    fields = mutation(action.before, [_status(response), *response.headers.fields])
    common, metadata = delimited(_MUTATION, fields), _metadata(action.metadata)
    if action.alone:
        return _with_body(_RESPONSE_HEADERS, common + _CONTINUE_AND_REPLACE, response.body, metadata)
    return enclosing((_RESPONSE, _RESPONSE_HEADERS), common), metadata


def _with_body(phase: bytes, common: bytes, body: bytes, metadata: bytes) -> Reply:
    """A CommonResponse with a whole body in the place of the one that was."""
    inside = enclosing((_WHOLE, _BODY_MUTATION), b"", len(body))
    return enclosing((_RESPONSE, phase), common + inside, len(body)), body, metadata


def _forward_body(action: ForwardBody) -> Reply:
    return _piece(_REQUEST_BODY, action.data, action.end_of_stream)


def _respond_body(action: RespondBody) -> Reply:
    return _piece(_RESPONSE_BODY, action.data, action.end_of_stream, _metadata(action.metadata))


def _piece(phase: bytes, data: Buffer, end_of_stream: bool, metadata: bytes = b"") -> Reply:
    """A StreamedBodyResponse."""
    end = _ENDS_STREAM if end_of_stream else b""
    start = enclosing((_PIECE,), b"", len(data))
    tags = (_STREAMED, _BODY_MUTATION, _RESPONSE, phase)
    return enclosing(tags, start, len(data) + len(end)), data, end + metadata


def _drop_request_trailers(action: DropRequestTrailers) -> Reply:
    return (enclosing((_TRAILERS_MUTATION, _REQUEST_TRAILERS), mutation(action.trailers, ())),)


def _drop_response_trailers(action: DropResponseTrailers) -> Reply:
    return (enclosing((_TRAILERS_MUTATION, _RESPONSE_TRAILERS), mutation(action.trailers, ())),)


def _request_line(request: Request) -> tuple[Field, ...]:
    return (
        (":method", request.method.encode()),
        (":scheme", request.scheme.encode()),
        (":authority", request.authority.encode()),
        (":path", request.path.encode()),
    )


def _status(response: Response) -> Field:
    return ":status", b"%d" % response.status


def _metadata(metadata: Metadata) -> bytes:
    """ProcessingResponse.dynamic_metadata."""
    return _serialized(tuple(metadata.items())) if metadata else b""


@lru_cache(maxsize=256)
def _serialized(metadata: tuple[tuple[str, str], ...]) -> bytes:
    """It is the same for all exchanges of a kind."""
    response = ProcessingResponse()
    response.dynamic_metadata.update({NAMESPACE: dict(metadata)})
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
    return delimited(_IMMEDIATE, immediate), _metadata(action.metadata)


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
