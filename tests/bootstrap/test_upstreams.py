"""Upstream clusters in a running Envoy.

Invariant: a request goes to an endpoint that is there and is who it says, or is answered with 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.bootstrap.running import gateway
from tests.e2e.upstream import Upstream

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
DEAD = "127.0.0.1:9"  # the discard port


@pytest.mark.parametrize(
    ("certified", "status"), [("shop.example.com", 200), ("elsewhere.example.com", 503), ("127.0.0.1", 503)]
)
async def test_tls_to_an_upstream_by_the_name_in_sni(tmp_path: Path, certified: str, status: int) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "roots.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(certified).configure_cert(context)
    async with _answering(context) as endpoint:
        upstreams = {
            "shop": {"endpoints": [endpoint], "tls": True, "sni": "shop.example.com", "ca": "roots.pem"}
        }
        async with gateway(tmp_path, toy=False, upstreams=upstreams) as running:
            assert (await running.ask("open.example.com", "/")).status_code == status


async def test_an_authority_that_the_system_does_not_trust(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with _answering(context) as endpoint:
        upstreams = {"shop": {"endpoints": [endpoint], "tls": True, "sni": "localhost"}}
        async with gateway(tmp_path, toy=False, upstreams=upstreams) as running:
            assert (await running.ask("open.example.com", "/")).status_code == 503


async def test_nobody_sees_a_dead_endpoint_beside_a_live_one(tmp_path: Path) -> None:
    async with _answering() as endpoint:
        upstreams = {"shop": {"endpoints": [DEAD, endpoint]}}
        async with gateway(tmp_path, upstreams=upstreams) as running:
            assert [await running.inner_status("/") for _ in range(20)] == [200] * 20


async def test_a_dead_upstream_is_503(tmp_path: Path) -> None:
    async with gateway(tmp_path, upstreams={"shop": {"endpoints": [DEAD]}}) as running:
        assert await running.inner_status("/") == 503


async def test_health_checks_ask_for_a_host_that_is_served(tmp_path: Path) -> None:
    with Upstream() as upstream:
        upstreams = {"shop": {"endpoints": [f"localhost:{upstream.port}"], "health_check": "/healthz"}}
        async with gateway(tmp_path, toy=False, upstreams=upstreams) as running:
            assert (await running.ask("open.example.com", "/")).status_code == 200
        first = upstream.seen[0]
    assert (first.target, first.all("host")) == ("/healthz", ["shop.example.com"])


@pytest.mark.parametrize(("threshold", "status"), [(50, 404), (0, 503)])
async def test_an_upstream_that_is_all_sick(tmp_path: Path, threshold: int, status: int) -> None:
    """Above 0, all endpoints are used when too few are healthy."""
    with Upstream() as upstream:
        sick = {"endpoints": [f"127.0.0.1:{upstream.port}"], "panic_threshold": threshold}
        upstreams = {"shop": sick | {"health_check": "/status/500"}}
        async with gateway(tmp_path, toy=False, upstreams=upstreams) as running:
            assert (await running.ask("open.example.com", "/status/404")).status_code == status


@asynccontextmanager
async def _answering(context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    yield "{}:{}".format(*server.sockets[0].getsockname())
    server.close()
