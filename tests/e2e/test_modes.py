"""Through a real Envoy: what gateway.yaml can choose, each in a gateway of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from extproc.client import AsyncLinkTransport
from extproc.link.directory import decode
from extproc.link.suites import Kem
from tests.e2e.stack import LINK, Sealer, Stack, configuration, running
from tests.e2e.upstream import Upstream

ENVELOPE = {"content-type": "application/privatelink"}
# Runs between the processor and the router, where a firewall would.
WATCHER = """
- name: envoy.filters.http.lua
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
    default_source_code:
      inline_string: |
        function envoy_on_request(handle)
          handle:headers():add("x-watched", handle:headers():get(":path"))
        end
        function envoy_on_response(handle)
          handle:headers():add("x-watched", handle:headers():get("x-upstream") or "nothing")
        end
"""


@pytest.mark.parametrize("kem", list(Kem))
def test_either_kem_opens(stack: Stack, kem: Kem) -> None:
    directory = decode(stack.http.get("/_link/keys").content)
    (key,) = [entry.key for entry in directory.keys if entry.key.kem is kem]
    body, opener = Sealer(key).seal(path="/echo")
    assert opener.open(stack.http.post("/_link", content=body, headers=ENVELOPE).content).status == 200


async def test_the_async_sdk(stack: Stack) -> None:
    class Dial(httpx.AsyncBaseTransport):
        """Sends what is meant for the link's origin to the address that Envoy listens on."""

        def __init__(self) -> None:
            self.inner = httpx.AsyncHTTPTransport()

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            address = httpx.URL(stack.address)
            request.url = request.url.copy_with(host=address.host, port=address.port)
            return await self.inner.handle_async_request(request)

        async def aclose(self) -> None:
            await self.inner.aclose()

    transport = AsyncLinkTransport(LINK, roots=[stack.root], transport=Dial())
    async with httpx.AsyncClient(transport=transport) as client:
        answers = await asyncio.gather(*(client.get(f"https://shop.example.com/{n}") for n in range(8)))
    assert {answer.text for answer in answers} == {"hello from the upstream"}


def test_a_filter_of_the_users_own_sees_the_inner_request_and_the_open_answer(
    tmp_path: Path, upstream: Upstream
) -> None:
    (tmp_path / "filters.yaml").write_text(WATCHER)
    with running(tmp_path, upstream, configuration(upstream, filters="filters.yaml")) as stack:
        body, opener = stack.sealer.seal(path="/echo?q=1")
        answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
        inner = opener.open(answer.content)
    assert upstream.last().all("x-watched") == ["/echo?q=1"]
    assert ("x-watched", b"secret-header") in [(h.name, h.value) for h in inner.headers]
    assert "x-watched" not in answer.headers


def test_padding_hides_small_differences(tmp_path: Path, upstream: Upstream) -> None:
    config = configuration(upstream, link={"origins": [LINK], "padding": "padme"})
    with running(tmp_path, upstream, config) as stack:

        def length(size: int) -> int:
            body, opener = stack.sealer.seal(path=f"/bytes?n={size}")
            answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
            assert len(opener.open(answer.content).body) == size
            return len(answer.content)

        assert length(20_000) == length(20_010)


def cookies_outside(stack: Stack) -> tuple[list[str], list[bytes]]:
    """The outer set-cookie lines and the inner ones."""
    body, opener = stack.sealer.seal(path="/cookies", cookie_binding=bytes(32))
    answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
    inner = opener.open(answer.content)
    stack.http.cookies.clear()
    lines = [header.value for header in inner.headers if header.name == "set-cookie"]
    return answer.headers.get_list("set-cookie"), lines


def test_cookies_that_stay_inside(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, upstream, configuration(upstream, cookies={"mode": "inside"})) as stack:
        outside, inside = cookies_outside(stack)
        assert (outside, len(inside)) == ([], 5)
        body, opener = stack.sealer.seal(path="/", cookie_binding=bytes(32))
        answer = stack.http.post("/_link", content=body, headers={**ENVELOPE, "cookie": "outer=1"})
        assert opener.open(answer.content).status == 200
        assert upstream.last().all("cookie") == []


def test_cookies_in_the_plain(tmp_path: Path, upstream: Upstream) -> None:
    one_host = {
        "routes": [{"host": "shop.example.com", "upstream": "main"}],
        "rate_limits": [],
        "cookies": {"mode": "plain"},
    }
    with running(tmp_path, upstream, configuration(upstream, **one_host)) as stack:
        outside, _ = cookies_outside(stack)
        assert len(outside) == 5
        assert all("Path=/" in line.split("; ") and "Domain" not in line for line in outside)
        body, opener = stack.sealer.seal(path="/", cookie_binding=bytes(32))
        answer = stack.http.post("/_link", content=body, headers={**ENVELOPE, "cookie": "sid=s1"})
        assert opener.open(answer.content).status == 200
        assert upstream.last().all("cookie") == ["sid=s1"]


def test_rate_limits_by_route_and_client_address(tmp_path: Path, upstream: Upstream) -> None:
    """On sealed and plain requests alike: the address is the peer's, whatever a header claims."""
    limit: dict[str, Any] = {"match": {"prefix": "/orders"}, "by": ["client_address"], "limit": "2/h"}
    with running(tmp_path, upstream, configuration(upstream, rate_limits=[limit])) as stack:

        def sealed(path: str) -> int:
            fields = [{"name": "x-forwarded-for", "value": os.urandom(4).hex().encode()}]
            body, opener = stack.sealer.seal(path=path, headers=fields)
            answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
            return opener.open(answer.content).status

        assert [sealed("/orders/1") for _ in range(3)] == [200, 200, 429]
        assert sealed("/prices") == 200
        plain = stack.http.get("/orders", headers={"host": "open.example.com", "x-forwarded-for": "9.9.9.9"})
        assert plain.status_code == 429


@pytest.fixture
def command(tmp_path: Path, stack: Stack) -> Iterator[subprocess.Popen[str]]:
    """`extproc up` as a process, with the keys of `stack`, so that the same client can talk to both."""
    config = configuration(
        stack.upstream, workers=1, link={"origins": [LINK], "keys": str(stack.folder / "keys")}
    )
    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(config | {"log": {"access": ""}}))
    process = subprocess.Popen(
        [sys.executable, "-m", "extproc", "up", "-c", "gateway.yaml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        yield process
        process.kill()


def test_up_finishes_the_exchange_under_way_and_ends_with_0(
    command: subprocess.Popen[str], stack: Stack
) -> None:
    address = _address(command)
    body, opener = _without_a_wait(stack, path="/sleep?s=1.5")
    answers: list[httpx.Response] = []

    def send() -> None:
        headers = {**ENVELOPE, "host": "gw.localhost"}
        answers.append(httpx.post(f"{address}/_link", content=body, headers=headers, timeout=10))

    sender = threading.Thread(target=send)
    sender.start()
    while "/sleep?s=1.5" not in [seen.target for seen in stack.upstream.seen]:
        assert sender.is_alive()
        time.sleep(0.01)
    command.send_signal(signal.SIGTERM)
    sender.join(10)
    inner = opener.open(answers[0].content)
    assert (inner.fault, inner.status, inner.body) == ("", 200, b"hello from the upstream")
    assert command.wait(10) == 0


def test_an_envoy_ends_with_an_up_that_is_killed(command: subprocess.Popen[str]) -> None:
    address = httpx.URL(_address(command))
    command.kill()
    for _ in range(100):
        try:
            socket.create_connection((address.host, address.port or 0), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    raise AssertionError("Envoy still listens")


def _address(command: subprocess.Popen[str]) -> str:
    """What `extproc up` says that it listens on."""
    assert command.stdout is not None
    words = command.stdout.readline().split()
    return next(word for word in words if word.startswith("http")).rstrip(",")


def _without_a_wait(stack: Stack, path: str) -> tuple[bytes, Any]:
    """An envelope that a store made a second ago accepts: dated almost 30 s on, as by a fast clock."""
    time.sleep(1)
    return stack.sealer.seal(path=path, sent_at_ms=time.time_ns() // 1_000_000 + 29_500)


def test_a_clients_trailers_never_reach_the_upstream(stack: Stack) -> None:
    body, opener = stack.sealer.seal(method="POST", path="/echo", body=b"order")
    head = "POST /_link HTTP/1.1\r\nhost: gw.localhost\r\ncontent-type: application/privatelink\r\n"
    head += "transfer-encoding: chunked\r\ntrailer: x-evil\r\nconnection: close\r\n\r\n"
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n"
    with stack.dial() as connection:
        connection.sendall(head.encode() + chunk + b"x-evil: 1\r\nx-link-opened: 1\r\n\r\n")
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    answer, _, sealed = raw.partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    size, _, rest = sealed.partition(b"\r\n")
    inner = opener.open(rest[: int(size, 16)])
    assert json.loads(inner.body)["body"] == "order"
    seen = stack.upstream.last()
    assert seen.trailers == []
    assert [name for name, _ in seen.headers if name in {"x-evil", "trailer", "transfer-encoding"}] == []
