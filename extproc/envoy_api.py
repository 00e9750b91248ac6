"""Between Envoy's ext_proc messages and ours: ProcessingRequest -> event, action -> ProcessingResponse.

Both are serialized here. Nearly all bytes are those of bodies, and they pass as they are: a message that is a
body alone is read, and written, around it. Protobuf would copy it at each of its five levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValue, HeaderValueOption
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from envoy.type.v3.http_status_pb2 import HttpStatus
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

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
from extproc.exchange.events import (
    Event,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
)
from extproc.exchange.machine import ProtocolError
from extproc.link.messages import read_varint, varint
from extproc.message import Buffer, Field, Headers

__all__ = ["NAMESPACE", "Reply", "event", "reply"]

NAMESPACE: Final = "extproc.link"
_ATTRIBUTES: Final = "envoy.filters.http.ext_proc"
Reply = tuple[Buffer, ...]  # a serialized ProcessingResponse, in pieces

# Tags of length-delimited fields, by the names of external_processor.proto.
_BODIES: Final[Mapping[bytes, type[RequestBody | ResponseBody]]] = {
    b"\x22": RequestBody,  # ProcessingRequest.request_body
    b"\x2a": ResponseBody,  # ProcessingRequest.response_body
}
_BODY: Final = b"\x0a"  # HttpBody.body, StreamedBodyResponse.body
_ENDS_STREAM: Final = b"\x10\x01"  # HttpBody.end_of_stream, StreamedBodyResponse.end_of_stream
_END_BY_REST: Final = {b"": False, _ENDS_STREAM: True}
# BodyMutation.streamed_response, CommonResponse.body_mutation, BodyResponse.response, and the phase.
_STREAMED: Final = (b"\x1a", b"\x1a", b"\x0a")
_REQUEST_BODY_REPLY: Final = (*_STREAMED, b"\x1a")  # ProcessingResponse.request_body
_RESPONSE_BODY_REPLY: Final = (*_STREAMED, b"\x22")  # ProcessingResponse.response_body
_CONTINUE_AND_REPLACE: Final = ext_proc.CommonResponse.CONTINUE_AND_REPLACE


def event(serialized: bytes) -> Event:
    """What a ProcessingRequest says has happened. Raises ProtocolError for one that says nothing."""
    body = _body_alone(serialized)
    if body is not None:
        return body
    message = ProcessingRequest()
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise ProtocolError("expected a ProcessingRequest") from error
    return _event(message)


def reply(action: Action) -> Reply | None:
    """A ProcessingResponse that carries out an action; None for what is not Envoy's to do."""
    match action:
        case ForwardBody(data, end_of_stream):
            return _body(_REQUEST_BODY_REPLY, data, end_of_stream=end_of_stream)
        case RespondBody(data, end_of_stream, metadata):
            rest = ProcessingResponse(dynamic_metadata=_metadata(metadata)).SerializeToString()
            return _body(_RESPONSE_BODY_REPLY, data, end_of_stream=end_of_stream, rest=rest)
    response = _request_reply(action) or _response_reply(action)
    return None if response is None else (response.SerializeToString(),)


def _body_alone(serialized: bytes) -> RequestBody | ResponseBody | None:
    """A ProcessingRequest that is an HttpBody and nothing else, as Envoy sends them; None for any other."""
    kind = _BODIES.get(serialized[:1])
    if kind is None:
        return None
    length, start = read_varint(serialized, 1)
    if start + length != len(serialized) or serialized[start : start + 1] != _BODY:
        return None
    length, start = read_varint(serialized, start + 1)
    end_of_stream = _END_BY_REST.get(serialized[start + length :])
    if end_of_stream is None or start + length > len(serialized):
        return None
    return kind(memoryview(serialized)[start : start + length], end_of_stream)


def _event(message: ProcessingRequest) -> Event:
    match message.WhichOneof("request"):
        case "request_headers":
            phase = message.request_headers
            return RequestHeaders(_headers(phase.headers), _peer(message), phase.end_of_stream)
        case "request_body":
            return RequestBody(message.request_body.body, message.request_body.end_of_stream)
        case "request_trailers":
            return RequestTrailers(_headers(message.request_trailers.trailers))
        case "response_headers":
            phase = message.response_headers
            return ResponseHeaders(_headers(phase.headers), phase.end_of_stream)
        case "response_body":
            return ResponseBody(message.response_body.body, message.response_body.end_of_stream)
        case "response_trailers":
            return ResponseTrailers(_headers(message.response_trailers.trailers))
    raise ProtocolError("expected headers, a body or trailers")


def _request_reply(action: Action) -> ProcessingResponse | None:
    match action:
        case AwaitBody():
            return ProcessingResponse(request_headers=ext_proc.HeadersResponse())
        case Answer():
            return _answer(action)
        case Forward():
            return _forward(action)
        case DropRequestTrailers(names):
            return ProcessingResponse(request_trailers=_no_trailers(names))
    return None


def _response_reply(action: Action) -> ProcessingResponse | None:
    match action:
        case Respond():
            return _respond(action)
        case DropResponseTrailers(names):
            return ProcessingResponse(response_trailers=_no_trailers(names))
    return None


def _headers(fields: HeaderMap) -> Headers:
    # Envoy fills raw_value; value is for filters of old.
    return Headers((header.key, header.raw_value) for header in fields.headers)


def _peer(message: ProcessingRequest) -> str:
    """The address in `source.address`, without its port."""
    attributes = message.attributes.get(_ATTRIBUTES)
    if attributes is None or "source.address" not in attributes.fields:
        raise ProtocolError("expected the attribute source.address: mend the filter's request_attributes")
    address = str(attributes.fields["source.address"].string_value)
    return address.rpartition(":")[0].strip("[]") or address


def _option(name: str, value: bytes, append: bool) -> HeaderValueOption:
    # Envoy reads the deprecated `append` here and not append_action: docs/envoy.md.
    option = HeaderValueOption(header=HeaderValue(key=name, raw_value=value))
    option.append.value = append
    return option


def _set(fields: Iterable[Field]) -> list[HeaderValueOption]:
    """The first value of a name overwrites what stands there, the rest join it."""
    options, seen = [], set()
    for name, value in fields:
        options.append(_option(name, value, name in seen))
        seen.add(name)
    return options


def _metadata(metadata: Metadata) -> Struct | None:
    if not metadata:
        return None
    struct = Struct()
    struct.update({NAMESPACE: dict(metadata)})
    return struct


def _answer(action: Answer) -> ProcessingResponse:
    response = action.response
    immediate = ext_proc.ImmediateResponse(
        status=HttpStatus(code=response.status),
        headers=ext_proc.HeaderMutation(set_headers=_set(response.headers)),
        body=response.body,
        details="extproc." + action.metadata.get("outcome", "answered"),
    )
    return ProcessingResponse(immediate_response=immediate, dynamic_metadata=_metadata(action.metadata))


def _forward(action: Forward) -> ProcessingResponse:
    request = action.request
    line: list[Field] = [
        (":method", request.method.encode()),
        (":scheme", request.scheme.encode()),
        (":authority", request.authority.encode()),
        (":path", request.path.encode()),
    ]
    mutation = ext_proc.HeaderMutation(
        set_headers=_set([*line, *request.headers]), remove_headers=action.remove
    )
    common = ext_proc.CommonResponse(header_mutation=mutation, clear_route_cache=True)
    metadata = _metadata(action.metadata)
    if action.streamed:
        headers = ext_proc.HeadersResponse(response=common)
        return ProcessingResponse(request_headers=headers, dynamic_metadata=metadata)
    common.body_mutation.body = request.body
    body = ext_proc.BodyResponse(response=common)
    return ProcessingResponse(request_body=body, dynamic_metadata=metadata)


def _respond(action: Respond) -> ProcessingResponse:
    response = action.response
    line: Field = (":status", str(response.status).encode())
    mutation = ext_proc.HeaderMutation(
        set_headers=_set([line, *response.headers]), remove_headers=action.remove
    )
    common = ext_proc.CommonResponse(header_mutation=mutation)
    if action.alone:
        common.status = _CONTINUE_AND_REPLACE
        common.body_mutation.body = response.body
    headers = ext_proc.HeadersResponse(response=common)
    return ProcessingResponse(response_headers=headers, dynamic_metadata=_metadata(action.metadata))


def _body(tags: tuple[bytes, ...], data: Buffer, *, end_of_stream: bool, rest: bytes = b"") -> Reply:
    """A StreamedBodyResponse, inside of what `tags` names, from the inside out."""
    end = _ENDS_STREAM if end_of_stream else b""
    before = _BODY + varint(len(data))
    for tag in tags:
        before = tag + varint(len(before) + len(data) + len(end)) + before
    return before, data, end + rest


def _no_trailers(names: Iterable[str]) -> ext_proc.TrailersResponse:
    return ext_proc.TrailersResponse(header_mutation=ext_proc.HeaderMutation(remove_headers=names))
