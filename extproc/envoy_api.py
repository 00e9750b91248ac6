"""Between Envoy's ext_proc messages and ours: ProcessingRequest -> event, actions -> ProcessingResponses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValue, HeaderValueOption
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from envoy.type.v3.http_status_pb2 import HttpStatus
from google.protobuf.struct_pb2 import Struct

from extproc.exchange.actions import Action, Answer, AwaitBody, DropTrailers, Forward, Metadata, Respond
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
from extproc.message import Field, Headers, Response

__all__ = ["NAMESPACE", "ProcessingRequest", "ProcessingResponse", "event", "replies"]

NAMESPACE: Final = "extproc.link"
_ATTRIBUTES: Final = "envoy.filters.http.ext_proc"
_CONTINUE_AND_REPLACE: Final = ext_proc.CommonResponse.CONTINUE_AND_REPLACE


def event(message: ProcessingRequest) -> Event:
    """What Envoy says has happened. Raises ProtocolError for a message that says nothing."""
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


def replies(action: Action) -> list[ProcessingResponse]:
    """The messages for Envoy that carry out an action; none for what is not Envoy's to do."""
    match action:
        case AwaitBody():
            return [ProcessingResponse(request_headers=ext_proc.HeadersResponse())]
        case Answer():
            return [_answer(action)]
        case Forward():
            return [_forward(action)]
        case DropTrailers(names):
            mutation = ext_proc.HeaderMutation(remove_headers=names)
            trailers = ext_proc.TrailersResponse(header_mutation=mutation)
            return [ProcessingResponse(request_trailers=trailers)]
        case Respond():
            return _respond(action)
    return []


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


def _metadata(metadata: Metadata) -> Struct:
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
    common = ext_proc.CommonResponse(
        header_mutation=mutation,
        body_mutation=ext_proc.BodyMutation(body=request.body),
        clear_route_cache=True,
    )
    return ProcessingResponse(
        request_body=ext_proc.BodyResponse(response=common),
        dynamic_metadata=_metadata(action.metadata),
    )


def _respond(action: Respond) -> list[ProcessingResponse]:
    """Headers, body and trailers of the outer response, as the phases that came allow."""
    common = ext_proc.CommonResponse(header_mutation=_response_mutation(action.response, action.remove))
    if not action.had_body:
        common.status = _CONTINUE_AND_REPLACE
        common.body_mutation.body = action.response.body
    headers = ProcessingResponse(
        response_headers=ext_proc.HeadersResponse(response=common),
        dynamic_metadata=_metadata(action.metadata),
    )
    if not action.had_body:
        return [headers]
    ends = action.drop_trailers is None
    streamed = ext_proc.StreamedBodyResponse(body=action.response.body, end_of_stream=ends)
    body = ext_proc.CommonResponse(body_mutation=ext_proc.BodyMutation(streamed_response=streamed))
    out = [headers, ProcessingResponse(response_body=ext_proc.BodyResponse(response=body))]
    if action.drop_trailers is not None:
        mutation = ext_proc.HeaderMutation(remove_headers=action.drop_trailers)
        trailers = ext_proc.TrailersResponse(header_mutation=mutation)
        out.append(ProcessingResponse(response_trailers=trailers))
    return out


def _response_mutation(response: Response, remove: Iterable[str]) -> ext_proc.HeaderMutation:
    status: Field = (":status", str(response.status).encode())
    return ext_proc.HeaderMutation(set_headers=_set([status, *response.headers]), remove_headers=remove)
