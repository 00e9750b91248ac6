"""Envoy's end of an ext_proc stream, on a real grpc.aio channel."""

from __future__ import annotations

from typing import Any

import grpc
from envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValue
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc

from extproc.exchange.events import (
    Event,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
)
from extproc.message import Headers


def process(channel: grpc.aio.Channel) -> Any:
    """A new stream: `write`, `read`, `done_writing`, `cancel`, `code`."""
    return ext_proc_grpc.ExternalProcessorStub(channel).Process()


def request_headers(fields: Headers, *, end_of_stream: bool = False) -> ext_proc.ProcessingRequest:
    message = ext_proc.ProcessingRequest(request_headers=_http_headers(fields, end_of_stream))
    message.attributes["envoy.filters.http.ext_proc"].update({"source.address": "203.0.113.7:4711"})
    return message


def request_body(data: bytes, *, end_of_stream: bool = True) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(request_body=ext_proc.HttpBody(body=data, end_of_stream=end_of_stream))


def request_trailers(fields: Headers) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(request_trailers=ext_proc.HttpTrailers(trailers=_header_map(fields)))


def response_headers(fields: Headers, *, end_of_stream: bool = False) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(response_headers=_http_headers(fields, end_of_stream))


def response_body(data: bytes, *, end_of_stream: bool = True) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(response_body=ext_proc.HttpBody(body=data, end_of_stream=end_of_stream))


def response_trailers(fields: Headers) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(response_trailers=ext_proc.HttpTrailers(trailers=_header_map(fields)))


def message(event: Event) -> ext_proc.ProcessingRequest | None:
    """How Envoy tells of an event; None for what is none of Envoy's."""
    told = None
    match event:
        case RequestHeaders(headers, _, end_of_stream):
            told = request_headers(headers, end_of_stream=end_of_stream)
        case RequestBody(data, end_of_stream):
            told = request_body(bytes(data), end_of_stream=end_of_stream)
        case RequestTrailers(trailers):
            told = request_trailers(trailers)
        case ResponseHeaders(headers, end_of_stream):
            told = response_headers(headers, end_of_stream=end_of_stream)
        case ResponseBody(data, end_of_stream):
            told = response_body(bytes(data), end_of_stream=end_of_stream)
        case ResponseTrailers(trailers):
            told = response_trailers(trailers)
    return told


def streamed(reply: ext_proc.ProcessingResponse) -> tuple[bytes, bool]:
    """The piece of a body in a reply, and whether it is the last."""
    body = getattr(reply, reply.WhichOneof("response"))
    piece = body.response.body_mutation.streamed_response
    return piece.body, piece.end_of_stream


def _http_headers(fields: Headers, end_of_stream: bool) -> ext_proc.HttpHeaders:
    return ext_proc.HttpHeaders(headers=_header_map(fields), end_of_stream=end_of_stream)


def _header_map(fields: Headers) -> HeaderMap:
    return HeaderMap(headers=[HeaderValue(key=name, raw_value=value) for name, value in fields])
