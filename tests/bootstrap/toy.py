"""A processor without a seal: it opens JSON instead of an envelope, to see what Envoy does around it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse as Reply
from envoy.type.v3.http_status_pb2 import HttpStatus
from grpc_health.v1 import health, health_pb2_grpc

_OPTIONS = [
    # Envoy may ping as often as it likes.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
    # gRPC's window is as small as Envoy's, and does not grow.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 2**16),
]


class Toy:
    """Turns `POST /_link {"path": ..., ...}` into that request; answers 200, the inner status beside it.

    On /_link/stream the body goes on behind the JSON and a line feed, and is passed on as it comes.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.phases: list[str] = []
        self._server = server

    async def stop(self) -> None:
        await self._server.stop(None)

    async def process(self, messages: AsyncIterator[Any], context: Any) -> None:
        exchange = _Exchange()
        async for message in messages:
            phase = message.WhichOneof("request")
            self.phases.append(phase)
            for reply in getattr(exchange, phase)(getattr(message, phase)):
                if reply is None:
                    return  # OK in the middle of an exchange
                await context.write(reply)


class _Exchange:
    """The replies to one message after the other, by phase."""

    def __init__(self) -> None:
        self._is_streamed = False
        self._head: bytes | None = b""  # of a streamed request, until it is whole

    def request_headers(self, headers: Any) -> Iterator[Reply]:
        values = {header.key: header.raw_value for header in headers.headers.headers}
        self._is_streamed = values[":path"] == b"/_link/stream"
        if headers.end_of_stream:
            answer = ext_proc.ImmediateResponse(status=HttpStatus(code=204))
            yield Reply(immediate_response=answer)
        elif not self._is_streamed:
            yield Reply(request_headers=ext_proc.HeadersResponse())

    def request_body(self, body: Any) -> Iterator[Reply | None]:
        if self._is_streamed:
            yield from self._streamed(body)
            return
        inner = json.loads(body.body)
        if inner.get("close"):
            yield None
        content = inner.get("body", "").encode()
        common = _opened(inner, {"content-length": str(len(content))}, ["content-type"])
        common.body_mutation.body = content
        yield _marked(Reply(request_body=ext_proc.BodyResponse(response=common)))

    def _streamed(self, body: Any) -> Iterator[Reply | None]:
        data = body.body
        if self._head is not None:
            self._head, line_feed, data = (self._head + data).partition(b"\n")
            if not line_feed:
                return
            inner = json.loads(self._head)
            if inner.get("close"):
                yield None
            common = _opened(inner, {}, ["content-type", "content-length"])
            yield _marked(Reply(request_headers=ext_proc.HeadersResponse(response=common)))
            self._head = None
        yield Reply(request_body=_piece(data, end=body.end_of_stream))

    def response_headers(self, headers: Any) -> Iterator[Reply]:
        values = {header.key: header.raw_value.decode() for header in headers.headers.headers}
        fields = {":status": "200", "x-inner-status": values[":status"], "x-inner": json.dumps(values)}
        # Without a length an answer ends with its last message, and not with its last byte.
        mutation = _mutation(fields, remove=["server", "content-length"])
        common = ext_proc.CommonResponse(header_mutation=mutation)
        yield Reply(response_headers=ext_proc.HeadersResponse(response=common))

    def response_body(self, body: Any) -> Iterator[Reply]:
        yield Reply(response_body=_piece(body.body, end=body.end_of_stream))

    def response_trailers(self, _trailers: Any) -> Iterator[Reply]:
        yield Reply(response_trailers=ext_proc.TrailersResponse())

    def request_trailers(self, _trailers: Any) -> Iterator[Reply]:
        yield Reply(request_trailers=ext_proc.TrailersResponse())


@asynccontextmanager
async def serving(target: str, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Toy]:
    """A Toy at `target`, healthy by gRPC's own health service."""
    server = grpc.aio.server(options=_OPTIONS)
    toy = Toy(server)
    ext_proc_grpc.add_ExternalProcessorServicer_to_server(SimpleNamespace(Process=toy.process), server)
    servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing from its stubs
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if credentials is None:
        server.add_insecure_port(target)
    else:
        server.add_secure_port(target, credentials)
    await server.start()
    try:
        yield toy
    finally:
        await toy.stop()


def _opened(inner: dict[str, Any], more: dict[str, str], remove: list[str]) -> ext_proc.CommonResponse:
    fields = {
        ":method": inner.get("method", "GET"),
        ":scheme": "https",
        ":authority": inner.get("host", "shop.example.com"),
        ":path": inner["path"],
        "x-link-opened": "1",
        **more,
        **inner.get("headers", {}),
    }
    return ext_proc.CommonResponse(header_mutation=_mutation(fields, remove), clear_route_cache=True)


def _marked(reply: Reply) -> Reply:
    reply.dynamic_metadata.update({"extproc.link": {"outcome": "ok", "key_id": "00ff"}})
    return reply


def _piece(data: bytes, *, end: bool) -> ext_proc.BodyResponse:
    streamed = ext_proc.StreamedBodyResponse(body=data, end_of_stream=end)
    common = ext_proc.CommonResponse(body_mutation=ext_proc.BodyMutation(streamed_response=streamed))
    return ext_proc.BodyResponse(response=common)


def _mutation(fields: dict[str, str], remove: list[str]) -> ext_proc.HeaderMutation:
    options = [
        HeaderValueOption(header=HeaderValue(key=name, raw_value=value.encode()))
        for name, value in fields.items()
    ]
    return ext_proc.HeaderMutation(set_headers=options, remove_headers=remove)
