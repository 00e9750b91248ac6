"""A processor that replies what a test tells it to, behind a real Envoy: to see what Envoy makes of that.

The bootstrap is the project's own, changed where a test says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import grpc
import httpx
import yaml
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse as Reply
from grpc_health.v1 import health, health_pb2_grpc

from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.config.load import load
from tests.e2e.replies import passing
from tests.e2e.stack import configuration
from tests.e2e.upstream import Upstream

Replies = Iterable[Reply] | grpc.StatusCode  # a status ends the stream with it
Script = Callable[[Any], Replies | Awaitable[Replies]]  # of one part of a ProcessingRequest: headers, a body
Change = Callable[[dict[str, Any]], None]

ENVELOPE: Final = {"content-type": "application/privatelink"}


@dataclass
class Processor:
    """Replies by `scripts`, one for a phase by its name in ProcessingRequest; else lets everything pass."""

    scripts: dict[str, Script] = field(default_factory=dict)
    messages: list[Any] = field(default_factory=list)
    _server: Any = None

    def play(self, **scripts: Script) -> None:
        """For exchanges that begin from here on: these scripts, and nothing heard yet."""
        self.scripts, self.messages = scripts, []

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
        scripts, heard = self.scripts, self.messages  # to its end, which may be after the client has gone on
        async for message in messages:
            heard.append(message)
            phase = message.WhichOneof("request")
            replies = scripts.get(phase, partial(passing, phase))(getattr(message, phase))
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


class Stream:
    """An exchange that a test carries on message by message. What waits, waits for 5 s at most."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self._taken = asyncio.Semaphore(0)
        self._status: asyncio.Future[grpc.StatusCode] = asyncio.get_running_loop().create_future()

    async def hear(self, phase: str) -> Any:
        """The next message, which is of this phase: its headers, body or trailers."""
        message = await self._next()
        assert message is not None, f"the stream is over, before {phase}"
        assert message.WhichOneof("request") == phase
        return getattr(message, phase)

    async def say(self, *replies: Reply) -> None:
        for reply in replies:
            await self._context.write(reply)

    def end(self, status: grpc.StatusCode) -> None:
        self._status.set_result(status)

    async def rest(self) -> list[str]:
        """The phases of what comes until Envoy ends the stream."""
        phases = []
        while (message := await self._next()) is not None:
            phases.append(message.WhichOneof("request"))
        return phases

    async def carry(self, messages: AsyncIterator[Any]) -> None:
        """Until the test or Envoy ends the stream."""
        listening: asyncio.Future[Any] = asyncio.create_task(self._listen(messages))
        try:
            await asyncio.wait([listening, self._status], return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            self._heard.put_nowait(None)
        if self._status.done() and self._status.result() is not grpc.StatusCode.OK:
            await self._context.abort(self._status.result(), "as told")

    async def _listen(self, messages: AsyncIterator[Any]) -> None:
        async for message in messages:
            self._heard.put_nowait(message)
            await self._taken.acquire()  # what the test has not taken holds up what follows

    async def _next(self) -> Any:
        async with asyncio.timeout(5):
            message = await self._heard.get()
        self._taken.release()
        return message


class ProcessorByHand(Processor):
    """Replies what a test says, when it says so."""

    def __init__(self) -> None:
        super().__init__()
        self._streams: asyncio.Queue[Stream] = asyncio.Queue()

    async def stream(self) -> Stream:
        """The next that Envoy opens."""
        async with asyncio.timeout(5):
            return await self._streams.get()

    async def process(self, messages: AsyncIterator[Any], context: Any) -> None:
        stream = Stream(context)
        self._streams.put_nowait(stream)
        await stream.carry(messages)


def nothing(_document: dict[str, Any]) -> None:
    """The change that changes nothing."""


@asynccontextmanager
async def gateway(
    folder: Path, upstream: Upstream, *processors: Processor, change: Change = nothing, **settings: Any
) -> AsyncIterator[Gateway]:
    """`change` edits the bootstrap before Envoy gets it; `settings` replace what is in gateway.yaml."""
    config = configuration(upstream, **{"workers": max(1, len(processors)), **settings})
    # In a thread: the processor of another gateway may have to answer meanwhile.
    document = await asyncio.to_thread(_bootstrap, folder, config, change)
    async with AsyncExitStack() as stack:
        for index, processor in enumerate(processors):
            await processor.start(folder / f"state/worker-{index}.sock")
            stack.push_async_callback(processor.stop)
        envoy = Envoy(find_envoy(None), on_log=lambda _line: None)
        stack.push_async_callback(envoy.stop)
        await envoy.start(document, folder, concurrency=1)
        http = httpx.AsyncClient(
            base_url="http://{}:{}".format(*envoy.address), headers={"host": "gw.localhost"}, timeout=10
        )
        yield Gateway(folder, envoy.address, await stack.enter_async_context(http))


def _bootstrap(folder: Path, config: dict[str, Any], change: Change) -> str:
    """Envoy's configuration, as YAML; and the folder as Envoy needs it."""
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(config))
    (folder / "state").mkdir(mode=0o700)
    document = yaml.safe_load(to_yaml(bootstrap(load(file))))
    change(document)
    return yaml.safe_dump(document)


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
