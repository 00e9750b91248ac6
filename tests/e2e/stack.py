"""The whole gateway on loopback: a real Envoy, the real workers, a real upstream, in a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.client import AsyncLinkTransport, LinkTransport
from extproc.config.load import load
from extproc.config.settings import Settings
from extproc.link.directory import decode
from extproc.link.envelope import LinkSecret, ResponseOpener, seal_request, seal_stream
from extproc.link.keys import PublicKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import StreamWriter
from extproc.server.workers import Supervisor
from tests.e2e.upstream import Upstream

LINK = "http://gw.localhost"
SHOP = "https://shop.example.com"
_GAUGES = {"http.ingress.downstream_rq_active", "cluster.ext_proc.upstream_rq_active"}
T = TypeVar("T")


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(upstream: Upstream, **changes: Any) -> dict[str, Any]:
    """gateway.yaml for the suite; `changes` replace whole sections.

    $TRANSPORT is the `transport` of every processor that has none of its own.
    """
    here, dead = f"127.0.0.1:{upstream.port}", f"127.0.0.1:{free_port()}"
    sealed = ["shop", "account.shop", "other", "limited", "admin"]
    config: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "workers": 2,
        "link": {"origins": [LINK], "max_request": "768KiB", "max_response": "512KiB"},
        "upstreams": {
            "main": {"endpoints": [here]},
            "hasty": {"endpoints": [here], "idle_timeout": "400ms"},
            "dead": {"endpoints": [dead]},
        },
        "routes": [
            *({"host": f"{name}.example.com", "upstream": "main"} for name in sealed),
            {"host": "dead.example.com", "upstream": "dead"},
            {"host": "slow.example.com", "upstream": "main", "idle_timeout": "400ms"},
            {"host": "hasty.example.com", "upstream": "hasty"},
            {"host": "live.example.com", "upstream": "hasty", "live": True},
            {"host": "open.example.com", "upstream": "main", "access": "any", "websocket": True},
        ],
        "cors": {"origins": [SHOP], "credentials": True},
        "rate_limits": [
            {"match": {"host": "limited.example.com"}, "by": ["x-user-id"], "limit": "2/h"},
        ],
        "drain": "3s",
        "log": {"level": "debug", "access": "access.log"},
    }
    transport = {"transport": os.environ.get("TRANSPORT", "auto")}
    return config | changes | {"processor": transport | changes.get("processor", {})}


@dataclass
class Stack:
    """A running gateway."""

    folder: Path
    settings: Settings
    upstream: Upstream
    address: str
    admin: str
    root: str
    envoy_pid: int
    supervisor: Supervisor | None
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        # The wire below the SDK: what a browser or an attacker would send to the link's origin.
        self.http = httpx.Client(base_url=self.address, headers={"host": "gw.localhost"}, timeout=10)

    def transport(self, **options: Any) -> LinkTransport:
        """The SDK, which reaches the link by the address that Envoy listens on."""
        return LinkTransport(LINK, roots=[self.root], transport=self.dialer(), **options)

    def dialer(self, verify: ssl.SSLContext | bool = True) -> httpx.BaseTransport:
        return _Dial(self.address, verify)

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(transport=self.transport(**options), timeout=10)

    def async_client(self, http: str = "HTTP/1.1") -> httpx.AsyncClient:
        transport = AsyncLinkTransport(LINK, roots=[self.root], transport=_AsyncDial(self.address, http))
        return httpx.AsyncClient(transport=transport, timeout=10)

    def access_log(self, request_id: str) -> dict[str, Any]:
        """The line of Envoy's access log for one request, once it is written."""
        for _ in range(100):
            for line in (self.folder / "access.log").read_text().splitlines():
                entry: dict[str, Any] = json.loads(line)
                if entry.get("request_id") == request_id:
                    return entry
            time.sleep(0.05)
        raise AssertionError(f"no line for {request_id}")

    def is_quiet(self) -> bool:
        """Whether nothing of any exchange is left in Envoy, or is no more after a second or two."""
        stats = f"{self.admin}/stats?filter=^(cluster|http.ingress).*rq_active$"
        for _ in range(100):
            active = dict(line.split(": ") for line in self.http.get(stats).text.splitlines())
            assert active.keys() >= _GAUGES
            if set(active.values()) == {"0"}:
                return True
            time.sleep(0.02)
        return False

    def dial(self) -> socket.socket:
        """A connection to Envoy."""
        url = httpx.URL(self.address)
        return socket.create_connection((url.host, url.port or 0), timeout=5)

    @cached_property
    def sealer(self) -> Sealer:
        """Seals by hand, to the key that clients prefer."""
        return Sealer(decode(self.http.get("/_link/keys").content).keys[0].key)


class Sealer:
    """Makes envelopes by hand, for what the SDK would never send."""

    def __init__(self, key: PublicKey) -> None:
        self.secret = LinkSecret.draw(key, os.urandom(32))

    def seal(self, **fields: Any) -> tuple[bytes, ResponseOpener]:
        return seal_request(self.secret, _inner(fields), nonce=os.urandom(16))

    def stream(self, **fields: Any) -> tuple[bytes, StreamWriter, ResponseOpener]:
        return seal_stream(self.secret, _inner(fields), nonce=os.urandom(16))


def _inner(fields: dict[str, Any]) -> pb.InnerRequest:
    good: dict[str, Any] = {
        "method": "GET",
        "scheme": "https",
        "authority": "shop.example.com",
        "path": "/echo",
        "sent_at_ms": time.time_ns() // 1_000_000,
        "exchange_id": os.urandom(16),
    }
    return pb.InnerRequest(**good | fields)


class _Dial(httpx.BaseTransport):
    """Sends what is meant for the link's origin to a loopback address, as a hosts file would."""

    def __init__(self, address: str, verify: ssl.SSLContext | bool) -> None:
        self._address = httpx.URL(address)
        self._inner = httpx.HTTPTransport(verify=verify)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(_dialed(request, self._address))

    def close(self) -> None:
        self._inner.close()


class _AsyncDial(httpx.AsyncBaseTransport):
    """As _Dial, over HTTP/1.1 or HTTP/2."""

    def __init__(self, address: str, http: str) -> None:
        self._address = httpx.URL(address)
        self._inner = httpx.AsyncHTTPTransport(http1=http == "HTTP/1.1", http2=http == "HTTP/2")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(_dialed(request, self._address))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _dialed(request: httpx.Request, address: httpx.URL) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address.host, port=address.port),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


class _Loop:
    """An event loop in a thread, for tests that are synchronous."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@contextmanager
def running(
    folder: Path, upstream: Upstream, config: dict[str, Any], *, workers: bool = True
) -> Iterator[Stack]:
    """Keys by `extproc keys init`, then the workers (unless told) and Envoy, until the block ends."""
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(config))
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "from extproc.cli.keys import app; app()",
            "init",
            "-c",
            str(file),
            "--root",
            "root.pem",
            "--json",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    settings = load(file)
    loop = _Loop()
    supervisor = Supervisor(file, settings) if workers else None
    envoy = Envoy(find_envoy(None), on_log=lambda _line: None)
    try:
        if supervisor is not None:
            loop.run(supervisor.__aenter__())
        loop.run(envoy.start(to_yaml(bootstrap(settings)), folder, concurrency=1))
        assert envoy._process is not None
        stack = Stack(
            folder=folder,
            settings=settings,
            upstream=upstream,
            address=_url(settings, envoy.address),
            admin="http://{}:{}".format(*envoy.admin.address),
            root=json.loads(shown.stdout)["roots"][0],
            envoy_pid=envoy._process.pid,
            supervisor=supervisor,
        )
        yield stack
        stack.http.close()
    finally:
        loop.run(envoy.stop())
        if supervisor is not None:
            loop.run(supervisor.__aexit__(None, None, None))
        loop.close()


def _url(settings: Settings, address: tuple[str, int]) -> str:
    scheme = "http" if settings.tls is None else "https"
    return f"{scheme}://{address[0]}:{address[1]}"
