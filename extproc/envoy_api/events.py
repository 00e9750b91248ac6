"""What Envoy says: a ProcessingRequest as an event.

Nearly all bytes are those of bodies, and they pass as they are: a message that is a body alone is read around
it. Protobuf would copy it at each of its levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
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
_BODY: Final = 0x0A  # HttpBody.body
_END_OF_STREAM: Final = b"\x10\x01"  # HttpBody.end_of_stream, set
_NAME_AND_VALUE: Final = attrgetter("key", "raw_value")  # of a HeaderValue


def event(serialized: bytes) -> Event:
    """What a ProcessingRequest says has happened. Raises ProtocolError for one that says nothing."""
    return _body_alone(serialized) or _parsed(serialized)


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
    if start < end and serialized[start] == _BODY:
        length, start = read_varint(serialized, start + 1)
    stop = start + length
    if stop != end and serialized[stop:] != _END_OF_STREAM:
        return None
    return kind(memoryview(serialized)[start:stop], stop < end)


def _parsed(serialized: bytes) -> Event:
    try:
        message = ProcessingRequest.FromString(serialized)
    except DecodeError as error:
        raise ProtocolError("expected a ProcessingRequest") from error
    match message.WhichOneof("request"):
        case "request_headers":
            phase = message.request_headers
            return RequestHeaders(_headers(phase.headers), _peer(message), phase.end_of_stream)
        case "response_headers":
            phase = message.response_headers
            return ResponseHeaders(_headers(phase.headers), phase.end_of_stream)
        case "request_body":
            return RequestBody(message.request_body.body, message.request_body.end_of_stream)
        case "response_body":
            return ResponseBody(message.response_body.body, message.response_body.end_of_stream)
        case "request_trailers":
            return RequestTrailers(_headers(message.request_trailers.trailers))
        case "response_trailers":
            return ResponseTrailers(_headers(message.response_trailers.trailers))
    raise ProtocolError("expected headers, a body or trailers")


def _headers(fields: HeaderMap) -> Headers:
    # Envoy fills raw_value; value is for filters of old. Its names are in lower case.
    return Headers.of(map(_NAME_AND_VALUE, fields.headers[:]))


def _peer(message: ProcessingRequest) -> str:
    """The address in `source.address`, without its port."""
    peer = message.attributes[_ATTRIBUTES].fields.get(_PEER)
    if peer is None:
        raise ProtocolError("expected the attribute source.address: mend the filter's request_attributes")
    address: str = peer.string_value
    return address.rpartition(":")[0].strip("[]") or address
