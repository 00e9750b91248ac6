"""A real Envoy with the bootstrap of a gateway.yaml, in front of a real upstream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.config.load import load
from extproc.config.settings import Settings
from tests.bootstrap.toy import Toy, serving
from tests.e2e.upstream import Seen, Upstream


def settings(folder: Path, port: int = 9, **changes: Any) -> Settings:
    """A small gateway.yaml in `folder`, loaded; `changes` replace whole sections."""
    sections: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "workers": 1,
        "link": {"origins": ["http://gw.example.com"]},
        "upstreams": {"shop": {"endpoints": [f"127.0.0.1:{port}"]}},
        "routes": [
            {"host": "shop.example.com", "upstream": "shop"},
            {"host": "open.example.com", "upstream": "shop", "access": "any"},
        ],
        "log": {"access": "access.log"},
    }
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(sections | changes))
    return load(file)


@dataclass
class Gateway:
    """A running Envoy and what is behind it. A host in the URL is only what Envoy is told."""

    envoy: Envoy
    http: httpx.AsyncClient
    upstream: Upstream
    toy: Toy | None

    async def ask(
        self, host: str, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> httpx.Response:
        """A plain request, its path as it is."""
        url = self.http.base_url.copy_with(raw_path=path.encode())
        return await self.http.request(method, url, headers={"host": host} | (headers or {}))

    async def link(self, path: str, **inner: Any) -> httpx.Response:
        """A request through the link, as the toy processor understands it."""
        return await self.http.post("/_link", json={"path": path} | inner, headers={"host": "gw.example.com"})

    async def stream(self, path: str, body: AsyncIterable[bytes], **inner: Any) -> httpx.Response:
        """A streamed request through the link: `body` goes on as it comes."""
        head = json.dumps({"path": path, "method": "POST"} | inner).encode() + b"\n"

        async def sent() -> AsyncIterator[bytes]:
            yield head
            async for piece in body:
                yield piece

        return await self.http.post("/_link/stream", content=sent(), headers={"host": "gw.example.com"})

    async def inner_status(self, path: str, **inner: Any) -> int:
        return int((await self.link(path, **inner)).headers["x-inner-status"])

    def seen(self) -> list[Seen]:
        """What the upstream got, health checks apart."""
        return [request for request in self.upstream.seen if request.target != "/healthz"]


@asynccontextmanager
async def gateway(
    folder: Path, *, toy: bool = True, http2: bool = False, **changes: Any
) -> AsyncIterator[Gateway]:
    """Everything started, in `folder`; without the `toy`, processors are the test's own."""
    async with AsyncExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        own = settings(folder, upstream.port, **changes)
        processor = None
        if toy:
            (folder / "state").mkdir()
            processor = await stack.enter_async_context(serving(f"unix:{folder}/state/worker-0.sock"))
        envoy = Envoy(find_envoy())
        stack.push_async_callback(envoy.stop)
        await envoy.start(to_yaml(bootstrap(own)), folder, log_level="error", concurrency=1)
        client = httpx.AsyncClient(
            base_url="http://{}:{}".format(*envoy.address), http1=not http2, http2=http2, timeout=30
        )
        yield Gateway(envoy, await stack.enter_async_context(client), upstream, processor)


def echoed(response: httpx.Response) -> dict[str, str]:
    """The headers with which a request reached the upstream's /echo."""
    return dict(json.loads(response.content)["headers"])
