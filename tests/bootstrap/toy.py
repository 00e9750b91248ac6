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
from envoy.type.v3.http_status_pb2 import HttpStatus
from grpc_health.v1 import health, health_pb2_grpc


class Toy:
    """Turns `POST /_link {"path": ..., ...}` into that request; answers 200, the inner status beside it."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self.phases: list[str] = []
        self._server = server

    async def stop(self) -> None:
        await self._server.stop(None)

    async def process(self, messages: AsyncIterator[Any], context: Any) -> None:
        async for message in messages:
            phase = message.WhichOneof("request")
            self.phases.append(phase)
            for reply in getattr(self, phase)(getattr(message, phase)):
                if reply is None:
                    return  # OK in the middle of an exchange
                await context.write(reply)

    def request_headers(self, headers: Any) -> Iterator[Any]:
        if headers.end_of_stream:
            answer = ext_proc.ImmediateResponse(status=HttpStatus(code=204))
            yield ext_proc.ProcessingResponse(immediate_response=answer)
        else:
            yield ext_proc.ProcessingResponse(request_headers=ext_proc.HeadersResponse())

    def request_body(self, body: Any) -> Iterator[Any]:
        inner = json.loads(body.body)
        if inner.get("close"):
            yield None
        content = inner.get("body", "").encode()
        fields = {
            ":method": inner.get("method", "GET"),
            ":scheme": "https",
            ":authority": inner.get("host", "shop.example.com"),
            ":path": inner["path"],
            "x-link-opened": "1",
            "content-length": str(len(content)),
            **inner.get("headers", {}),
        }
        common = ext_proc.CommonResponse(
            header_mutation=_mutation(fields, remove=["content-type"]),
            body_mutation=ext_proc.BodyMutation(body=content),
            clear_route_cache=True,
        )
        reply = ext_proc.ProcessingResponse(request_body=ext_proc.BodyResponse(response=common))
        reply.dynamic_metadata.update({"extproc.link": {"outcome": "ok", "key_id": "00ff"}})
        yield reply

    def response_headers(self, headers: Any) -> Iterator[Any]:
        values = {header.key: header.raw_value.decode() for header in headers.headers.headers}
        fields = {":status": "200", "x-inner-status": values[":status"], "x-inner": json.dumps(values)}
        common = ext_proc.CommonResponse(header_mutation=_mutation(fields, remove=["server"]))
        yield ext_proc.ProcessingResponse(response_headers=ext_proc.HeadersResponse(response=common))

    def response_body(self, body: Any) -> Iterator[Any]:
        piece = ext_proc.StreamedBodyResponse(body=body.body, end_of_stream=body.end_of_stream)
        mutation = ext_proc.BodyMutation(streamed_response=piece)
        common = ext_proc.CommonResponse(body_mutation=mutation)
        yield ext_proc.ProcessingResponse(response_body=ext_proc.BodyResponse(response=common))

    def response_trailers(self, _trailers: Any) -> Iterator[Any]:
        yield ext_proc.ProcessingResponse(response_trailers=ext_proc.TrailersResponse())

    def request_trailers(self, _trailers: Any) -> Iterator[Any]:
        yield ext_proc.ProcessingResponse(request_trailers=ext_proc.TrailersResponse())


@asynccontextmanager
async def serving(target: str, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Toy]:
    """A Toy at `target`, healthy by gRPC's own health service."""
    server = grpc.aio.server()
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


def _mutation(fields: dict[str, str], remove: list[str]) -> ext_proc.HeaderMutation:
    options = [
        HeaderValueOption(header=HeaderValue(key=name, raw_value=value.encode()))
        for name, value in fields.items()
    ]
    return ext_proc.HeaderMutation(set_headers=options, remove_headers=remove)
