"""A processor that replies what a test tells it to, behind a real Envoy: to see what Envoy makes of that.

The bootstrap is the project's own, changed where a test says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

import grpc
import httpx
import yaml
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse as Reply
from grpc_health.v1 import health, health_pb2_grpc

from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.config.load import load
from tests.e2e.stack import configuration
from tests.e2e.upstream import Upstream

Replies = Iterable[Reply] | grpc.StatusCode  # a status ends the stream with it
Script = Callable[[Any], Replies | Awaitable[Replies]]  # of one part of a ProcessingRequest: headers, a body
Change = Callable[[dict[str, Any]], None]

ENVELOPE: Final = {"content-type": "application/privatelink"}
INNER: Final = MappingProxyType(
    {
        ":method": "POST",
        ":scheme": "https",
        ":authority": "shop.example.com",
        ":path": "/inner",
        "x-link-opened": "1",
    }
)


@dataclass
class Processor:
    """Replies by `scripts`, one for a phase by its name in ProcessingRequest; else lets everything pass."""

    scripts: dict[str, Script] = field(default_factory=dict)
    messages: list[Any] = field(default_factory=list)
    _server: Any = None

    def play(self, **scripts: Script) -> None:
        """From here on: these scripts, and nothing heard yet."""
        self.scripts = scripts
        self.messages.clear()

    @property
    def phases(self) -> list[str]:
        return [message.WhichOneof("request") for message in self.messages]

    async def start(self, socket: Path) -> None:
        """Serve, and be healthy."""
        self._server = server = grpc.aio.server()
        ext_proc_grpc.add_ExternalProcessorServicer_to_server(SimpleNamespace(Process=self.process), server)
        healthy = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing from its stubs
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        server.add_insecure_port(f"unix:{socket}")
        await server.start()

    async def stop(self) -> None:
        """Be gone, at once."""
        await self._server.stop(None)

    async def process(self, messages: AsyncIterator[Any], context: Any) -> None:
        async for message in messages:
            self.messages.append(message)
            phase = message.WhichOneof("request")
            replies = self.scripts.get(phase, partial(passing, phase))(getattr(message, phase))
            if isinstance(replies, Awaitable):
                replies = await replies
            if replies is grpc.StatusCode.OK:
                return
            if isinstance(replies, grpc.StatusCode):
                await context.abort(replies, "as told")
                return
            for reply in replies:
                await context.write(reply)


@dataclass(frozen=True)
class Gateway:
    """An Envoy with throw-away processors: `http` talks to its listener, as the link's host."""

    folder: Path
    address: tuple[str, int]
    http: httpx.AsyncClient

    async def post(self, content: bytes = b"envelope", **headers: str) -> httpx.Response:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post("/_link", content=content, headers=ENVELOPE | fields)

    async def send(self, raw: bytes) -> bytes:
        """What comes back for these bytes, until the other end closes."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(raw)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer

    async def access_log(self, answer: httpx.Response) -> dict[str, Any]:
        """The line of Envoy's access log for the request behind `answer`, once it is written."""
        return await self.logged(request_id=answer.headers["x-request-id"])

    async def logged(self, **fields: str) -> dict[str, Any]:
        """The first line with these fields, once it is written."""
        for _ in range(100):
            for line in (self.folder / "access.log").read_text().splitlines():
                entry: dict[str, Any] = json.loads(line)
                if fields.items() <= entry.items():
                    return entry
            await asyncio.sleep(0.05)
        raise AssertionError(f"no line with {fields}")


def nothing(_document: dict[str, Any]) -> None:
    """The change that changes nothing."""


@asynccontextmanager
async def gateway(
    folder: Path, upstream: Upstream, *processors: Processor, change: Change = nothing, **settings: Any
) -> AsyncIterator[Gateway]:
    """`change` edits the bootstrap before Envoy gets it; `settings` replace what is in gateway.yaml."""
    file = folder / "gateway.yaml"
    own = {"workers": max(1, len(processors)), **settings}
    file.write_text(yaml.safe_dump(configuration(upstream, **own)))
    (folder / "state").mkdir(mode=0o700)
    document = yaml.safe_load(to_yaml(bootstrap(load(file))))
    change(document)
    async with AsyncExitStack() as stack:
        for index, processor in enumerate(processors):
            await processor.start(folder / f"state/worker-{index}.sock")
            stack.push_async_callback(processor.stop)
        envoy = Envoy(find_envoy(None), on_log=lambda _line: None)
        stack.push_async_callback(envoy.stop)
        await envoy.start(yaml.safe_dump(document), folder, concurrency=1)
        http = httpx.AsyncClient(
            base_url="http://{}:{}".format(*envoy.address), headers={"host": "gw.localhost"}, timeout=10
        )
        yield Gateway(folder, envoy.address, await stack.enter_async_context(http))


def connection_manager(document: dict[str, Any]) -> dict[str, Any]:
    """The connection manager in a bootstrap."""
    (listener,) = document["static_resources"]["listeners"]
    manager: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def http_filter(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The configuration of an HTTP filter in a bootstrap."""
    filters = connection_manager(document)["http_filters"]
    config: dict[str, Any] = next(found["typed_config"] for found in filters if found["name"] == name)
    return config


def mutation(fields: Iterable[tuple[str, str]], remove: Iterable[str] = ()) -> Any:
    """Header changes as the project makes them: the second value of a name joins the first."""
    options, seen = [], set()
    for name, value in fields:
        option = HeaderValueOption(header=HeaderValue(key=name, raw_value=value.encode()))
        option.append.value = name in seen
        seen.add(name)
        options.append(option)
    return ext_proc.HeaderMutation(set_headers=options, remove_headers=remove)


def passing(phase: str, part: Any = None) -> list[Reply]:
    """What changes nothing. `part`: the response body that was sent, where the phase is that."""
    if phase == "response_body":
        return [piece(part.body, end=part.end_of_stream)]
    if phase == "request_body":
        return [Reply(request_body=ext_proc.BodyResponse())]
    if phase.endswith("trailers"):
        return [Reply(**{phase: ext_proc.TrailersResponse()})]
    return [Reply(**{phase: ext_proc.HeadersResponse()})]


def opened(
    body: bytes = b"",
    fields: Mapping[str, str] = MappingProxyType({}),
    remove: Iterable[str] = ("content-type",),
) -> Reply:
    """The reply to the request's body that puts an inner request in its place. `fields` replace its own."""
    line = {**INNER, "content-length": str(len(body)), **fields}
    common = ext_proc.CommonResponse(
        header_mutation=mutation(((name, value) for name, value in line.items() if value), remove),
        body_mutation=ext_proc.BodyMutation(body=body),
        clear_route_cache=True,
    )
    return Reply(request_body=ext_proc.BodyResponse(response=common))


def changed(phase: str, change: Any) -> Reply:
    """The reply to headers or trailers that makes a `mutation`."""
    if phase.endswith("trailers"):
        return Reply(**{phase: ext_proc.TrailersResponse(header_mutation=change)})
    return Reply(
        **{phase: ext_proc.HeadersResponse(response=ext_proc.CommonResponse(header_mutation=change))}
    )


def piece(data: bytes, *, end: bool) -> Reply:
    """A body reply in FULL_DUPLEX_STREAMED."""
    streamed = ext_proc.StreamedBodyResponse(body=data, end_of_stream=end)
    common = ext_proc.CommonResponse(body_mutation=ext_proc.BodyMutation(streamed_response=streamed))
    return Reply(response_body=ext_proc.BodyResponse(response=common))


def immediate(status: int, body: bytes = b"", **metadata: str) -> Reply:
    """The reply that ends the exchange, with metadata of the link."""
    reply = Reply(immediate_response=ext_proc.ImmediateResponse(body=body))
    reply.immediate_response.status.code = status
    if metadata:
        reply.dynamic_metadata.update({"extproc.link": metadata})
    return reply
