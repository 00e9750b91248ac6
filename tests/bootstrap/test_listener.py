"""The listener in a running Envoy: TLS, HTTP/2, limits, WebSockets, the access log, time-outs.

Invariant: what `gateway.yaml` says of the way in is what a client meets.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

from tests.bootstrap.running import Gateway, echoed, gateway
from tests.e2e.upstream import Upstream

LINK = {"origins": ["http://gw.example.com"], "max_request": "100KiB", "stream_buffer": "64KiB"}


def padded(length: int) -> bytes:
    return json.dumps({"path": "/echo"}).encode().ljust(length)


@pytest.mark.parametrize("http2", [False, True])
async def test_an_envelope_over_max_request_is_413(tmp_path: Path, http2: bool) -> None:
    async with gateway(tmp_path, http2=http2, link=LINK) as running:
        for length, status in [(100 * 1024, "200"), (100 * 1024 + 1, "413")]:
            answer = await running.http.post(
                "/_link", content=padded(length), headers={"host": "gw.example.com"}
            )
            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert answer.headers["x-inner-status"] == status


async def test_a_plain_upload_has_no_such_limit(tmp_path: Path) -> None:
    async with gateway(tmp_path, link=LINK) as running:
        answer = await running.http.post("/echo", content=bytes(2**20), headers={"host": "open.example.com"})
        assert answer.status_code == 200
        assert len(running.seen()[-1].body) == 2**20


async def test_an_inner_request_may_have_200_headers_of_64_kib(tmp_path: Path) -> None:
    headers = {f"x-header-{number:03}": "v" * 315 for number in range(200)}
    async with await asyncio.start_server(_count_headers, "127.0.0.1", 0, limit=2**20) as server:
        upstreams = {"shop": {"endpoints": ["{}:{}".format(*server.sockets[0].getsockname())]}}
        async with gateway(tmp_path, upstreams=upstreams) as running:
            answer = await running.link("/", headers=headers)
    assert answer.headers["x-inner-status"] == "200"
    assert int(answer.text) == 200


async def test_tls_offers_http2_and_http1(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("gw.example.com")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    tls = {"certificate": "chain.pem", "private_key": "key.pem"}
    async with gateway(tmp_path, toy=False, tls=tls) as running:
        host, port = running.envoy.address
        for http2 in [False, True]:
            async with httpx.AsyncClient(verify=trust, http2=http2) as client:
                answer = await client.get(
                    f"https://{host}:{port}/echo",
                    headers={"host": "open.example.com"},
                    extensions={"sni_hostname": "gw.example.com"},
                )
            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert echoed(answer)["x-forwarded-proto"] == "https"


async def test_websockets_pass_on_routes_that_say_so(tmp_path: Path) -> None:
    async with serve(_echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        routes = [
            {"host": "ws.example.com", "upstream": "ws", "access": "any", "websocket": True},
            {"host": "open.example.com", "upstream": "ws", "access": "any"},
            {"host": "shop.example.com", "upstream": "ws"},
        ]
        upstreams = {"ws": {"endpoints": [f"127.0.0.1:{port}"]}}
        async with gateway(tmp_path, toy=False, routes=routes, upstreams=upstreams) as running:
            async with _websocket(running, "ws.example.com") as socket:
                await socket.send("hello")
                assert await socket.recv() == "hello"
            for host in ["open.example.com", "shop.example.com", "gw.example.com"]:
                with pytest.raises(InvalidStatus, match="403"):
                    await _websocket(running, host)


async def test_silence_is_limited_and_length_is_not(tmp_path: Path) -> None:
    """By the upstream's idle time-out or the route's, and not on live routes."""
    routes = [
        {"host": "shop.example.com", "upstream": "shop"},
        {"host": "open.example.com", "upstream": "shop", "idle_timeout": "0s", "access": "any"},
        {"host": "live.example.com", "upstream": "shop", "live": True},
    ]
    with Upstream() as upstream:
        upstreams = {"shop": {"endpoints": [f"127.0.0.1:{upstream.port}"], "idle_timeout": "300ms"}}
        async with gateway(tmp_path, routes=routes, upstreams=upstreams) as running:
            started = time.monotonic()
            assert await running.inner_status("/sleep?s=5") == 504
            assert 0.2 < time.monotonic() - started < 2
            assert (await running.ask("open.example.com", "/sleep?s=0.6")).status_code == 200
            assert await running.inner_status("/sleep?s=0.6", host="live.example.com") == 200


async def test_the_access_log_has_the_inner_request_and_no_query(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        answer = await running.link("/echo?secret=1", host="shop.example.com")
        line = await _logged(tmp_path / "access.log", answer.headers["x-request-id"])
    assert "secret" not in json.dumps(line)
    expected = {
        "client": "127.0.0.1",
        "method": "GET",
        "host": "shop.example.com",
        "path": "/echo",
        "route": "shop.example.com/",
        "status": 200,
        "outcome": "ok",
        "key_id": "00ff",
        "upstream": "upstream_shop",
    }
    assert expected.items() <= line.items()
    assert "fault" not in line


async def test_no_access_log_when_there_is_none_to_write(tmp_path: Path) -> None:
    async with gateway(tmp_path, toy=False, log={"access": ""}) as running:
        assert (await running.ask("open.example.com", "/echo")).status_code == 200
    assert not (tmp_path / "access.log").exists()


async def _count_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    count = (await reader.readuntil(b"\r\n\r\n")).count(b"\r\nx-header-")
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n%d" % count)
    writer.close()


async def _echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def _websocket(running: Gateway, host: str) -> connect:
    address, port = running.envoy.address
    return connect(f"ws://{host}/", host=address, port=port, proxy=None)


async def _logged(file: Path, request_id: str) -> dict[str, object]:
    for _ in range(100):
        if found := _lines(file, request_id):
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError(f"no line for {request_id}")


def _lines(file: Path, request_id: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line for line in lines if line["request_id"] == request_id]
