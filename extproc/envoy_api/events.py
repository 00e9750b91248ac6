"""What Envoy says: a ProcessingRequest as an event.

Nearly all bytes are those of bodies, and they pass as they are: a message that is a body alone is read around
it. Protobuf would copy it at each of its levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from envoy.config.core.v3.base_pb2 import HeaderMap
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest
from google.protobuf.message import DecodeError

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
from extproc.link.messages import read_varint
from extproc.message import Headers

_ATTRIBUTES: Final = "envoy.filters.http.ext_proc"
_PEER: Final = "source.address"

# Tags of length-delimited fields, by the names of external_processor.proto.
_BODIES: Final[Mapping[bytes, type[RequestBody | ResponseBody]]] = {
    b"\x22": RequestBody,  # ProcessingRequest.request_body
    b"\x2a": ResponseBody,  # ProcessingRequest.response_body
}
_BODY: Final = b"\x0a"  # HttpBody.body
_END_BY_REST: Final = {b"": False, b"\x10\x01": True}  # HttpBody.end_of_stream


def event(serialized: bytes) -> Event:
    """What a ProcessingRequest says has happened. Raises ProtocolError for one that says nothing."""
    body = _body_alone(serialized)
    if body is not None:
        return body
    try:
        message = ProcessingRequest.FromString(serialized)
    except DecodeError as error:
        raise ProtocolError("expected a ProcessingRequest") from error
    return _event(message)


def _body_alone(serialized: bytes) -> RequestBody | ResponseBody | None:
    """A ProcessingRequest that is an HttpBody and nothing else, as Envoy sends them; None for any other."""
    kind = _BODIES.get(serialized[:1])
    if kind is None:
        return None
    length, start = read_varint(serialized, 1)
    end = start + length
    if end != len(serialized):
        return None
    length = 0
    if serialized[start : start + 1] == _BODY:
        length, start = read_varint(serialized, start + 1)
    end_of_stream = _END_BY_REST.get(serialized[start + length :])
    if end_of_stream is None or start + length > end:
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


def _headers(fields: HeaderMap) -> Headers:
    # Envoy fills raw_value; value is for filters of old. Its names are in lower case.
    return Headers.of([(header.key, header.raw_value) for header in fields.headers])


def _peer(message: ProcessingRequest) -> str:
    """The address in `source.address`, without its port."""
    attributes = message.attributes.get(_ATTRIBUTES)
    peer = None if attributes is None else attributes.fields.get(_PEER)
    if peer is None:
        raise ProtocolError("expected the attribute source.address: mend the filter's request_attributes")
    address: str = peer.string_value
    return address.rpartition(":")[0].strip("[]") or address
