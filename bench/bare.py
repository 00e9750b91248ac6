"""`python -m bench.bare CONFIG`: the least that an external processor can be, as anyone would write it first.

A `grpc.aio` server at its default settings, with generated messages, at the socket of worker 0. It opens and
seals nothing: it sends each request to the upstream, and lets each answer pass. Prints a line when it serves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc
from envoy.service.ext_proc.v3.external_processor_pb2 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    HttpBody,
    ProcessingRequest,
    ProcessingResponse,
    StreamedBodyResponse,
)
from google.protobuf.wrappers_pb2 import BoolValue
from grpc_health.v1 import health, health_pb2_grpc

from extproc.config.load import load
from extproc.server import sockets

SIZE: Final = 1024  # bytes that the upstream answers with
_ROUTE: Final = {":path": b"/bytes?n=%d" % SIZE, ":scheme": b"http", "x-link-opened": b"1"}


class Bare(ext_proc_grpc.ExternalProcessorServicer):  # type: ignore[misc]  # xds-protos has no types
    """Replies to each message by itself."""

    async def Process(  # noqa: N802  # the method's gRPC name
        self, requests: AsyncIterator[ProcessingRequest], _context: object
    ) -> AsyncIterator[ProcessingResponse]:
        async for request in requests:
            yield reply(request)


def reply(request: ProcessingRequest) -> ProcessingResponse:
    """To one of the four messages of an exchange."""
    match request.WhichOneof("request"):
        case "request_headers":
            return ProcessingResponse(request_headers=HeadersResponse())
        case "request_body":
            return ProcessingResponse(request_body=BodyResponse(response=routed()))
        case "response_headers":
            return ProcessingResponse(response_headers=HeadersResponse())
        case "response_body":
            return ProcessingResponse(response_body=BodyResponse(response=echoed(request.response_body)))
    raise ValueError("not one of the four messages of an exchange")


def routed() -> CommonResponse:
    """To the upstream, whatever was asked for."""
    options = [
        HeaderValueOption(header=HeaderValue(key=name, raw_value=value), append=BoolValue(value=False))
        for name, value in _ROUTE.items()
    ]
    return CommonResponse(header_mutation=HeaderMutation(set_headers=options), clear_route_cache=True)


def echoed(body: HttpBody) -> CommonResponse:
    """As it came: FULL_DUPLEX_STREAMED passes nothing on by itself."""
    streamed = StreamedBodyResponse(body=body.body, end_of_stream=body.end_of_stream)
    return CommonResponse(body_mutation=BodyMutation(streamed_response=streamed))


async def main(config: Path) -> None:
    """Serve for good."""
    server = grpc.aio.server()
    ext_proc_grpc.add_ExternalProcessorServicer_to_server(Bare(), server)
    healthy: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing from its stubs
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    sockets.bind(server, load(config), 0)
    await server.start()
    print("serving", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
