"""Envoy's end of an ext_proc stream, on a real grpc.aio channel."""

from __future__ import annotations

from typing import Any

import grpc
from envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValue
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc

from extproc.message import Headers


def process(channel: grpc.aio.Channel) -> Any:
    """A new stream: `write`, `read`, `done_writing`, `cancel`, `code`."""
    return ext_proc_grpc.ExternalProcessorStub(channel).Process()


def request_headers(fields: Headers, *, end_of_stream: bool = False) -> ext_proc.ProcessingRequest:
    message = ext_proc.ProcessingRequest(request_headers=_http_headers(fields, end_of_stream))
    message.attributes["envoy.filters.http.ext_proc"].update({"source.address": "203.0.113.7:4711"})
    return message


def request_body(data: bytes) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(request_body=ext_proc.HttpBody(body=data, end_of_stream=True))


def response_headers(fields: Headers, *, end_of_stream: bool = False) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(response_headers=_http_headers(fields, end_of_stream))


def response_body(data: bytes) -> ext_proc.ProcessingRequest:
    return ext_proc.ProcessingRequest(response_body=ext_proc.HttpBody(body=data, end_of_stream=True))


def _http_headers(fields: Headers, end_of_stream: bool) -> ext_proc.HttpHeaders:
    values = [HeaderValue(key=name, raw_value=value) for name, value in fields]
    return ext_proc.HttpHeaders(headers=HeaderMap(headers=values), end_of_stream=end_of_stream)
