"""`extproc envoy --snippet`, pasted into a bootstrap that somebody else has written.

Invariant: put where its comments say, and nowhere else, it makes a gateway of any Envoy.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import yaml

from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.client import AsyncLinkTransport
from extproc.config.load import load
from extproc.server.workers import Supervisor
from tests.e2e.stack import LINK, configuration
from tests.e2e.upstream import Upstream

OWN = """
admin:
  address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }}
{bootstrap}
static_resources:
{static_resources}
  listeners:
  - name: link
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }}
{listener}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {type}.network.http_connection_manager.v3.HttpConnectionManager
{manager}
"""
TYPE = "type.googleapis.com/envoy.extensions.filters"
# "Filters of your own go after these, before the router."
OWN_FILTERS = f"""\
- name: own.header
  typed_config:
    "@type": {TYPE}.http.lua.v3.Lua
    default_source_code:
      inline_string: |
        function envoy_on_request(handle)
          handle:headers():add("x-own", handle:headers():get(":path"))
        end
- name: envoy.filters.http.router
  typed_config: {{ "@type": {TYPE}.http.router.v3.Router }}
"""


def extproc(*arguments: str, folder: Path) -> str:
    command = [sys.executable, "-m", "extproc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout


def parts(snippet: str) -> dict[str, str]:
    """The parts, each by where it goes: the first sentence of the comment above it."""
    found = re.findall(r"^# (Into [^.]*)\..*\n(?:#.*\n)*((?:(?!# ).*\n)*)", snippet, re.M)
    return dict(found)


def pasted(snippet: str) -> str:
    """A bootstrap of its own, with every part of the snippet in its place."""
    part = parts(snippet)
    filters = re.compile(r"^http_filters:\n(?:(?:[- ].*)?\n)*", re.M)
    manager = filters.sub(lambda found: found[0] + OWN_FILTERS, part.pop("Into its HTTP connection manager"))
    text = OWN.format(
        type=TYPE,
        bootstrap=part.pop("Into the bootstrap itself"),
        static_resources=textwrap.indent(part.pop("Into static_resources"), "  "),
        listener=textwrap.indent(part.pop("Into the listener"), "    "),
        manager=textwrap.indent(manager, "          "),
    )
    assert not part
    return text


async def test_sealed_requests_through_an_envoy_of_ones_own(tmp_path: Path) -> None:
    with Upstream() as upstream:
        (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(configuration(upstream, workers=1)))
        extproc("keys", "init", "--root", "root.pem", folder=tmp_path)
        root = (tmp_path / "keys/root.pub").read_text().strip()
        envoy = Envoy(find_envoy())
        try:
            async with Supervisor(tmp_path / "gateway.yaml", load(tmp_path / "gateway.yaml")):
                text = pasted(extproc("envoy", "--snippet", folder=tmp_path))
                await envoy.start(text, tmp_path, log_level="error", concurrency=1)
                sealed = AsyncLinkTransport(LINK, roots=[root], transport=Dial(envoy.address))
                async with httpx.AsyncClient(transport=sealed) as client:
                    answer = await client.get("https://shop.example.com/echo?q=1")
                    streamed = await client.post("https://shop.example.com/echo?q=2", content=pieces())
                fields = {"host": "shop.example.com", "x-link-opened": "1"}
                async with httpx.AsyncClient(transport=Dial(envoy.address)) as client:
                    refused = await client.get("http://shop.example.com/echo", headers=fields)
        finally:
            await envoy.stop()
    assert (answer.status_code, streamed.status_code, refused.status_code) == (200, 200, 403)
    assert [(seen.target, seen.all("x-own")) for seen in upstream.seen] == [
        ("/echo?q=1", ["/echo?q=1"]),
        ("/echo?q=2", ["/echo?q=2"]),
    ]
    assert upstream.last().body == bytes(3 * 2**20)


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield bytes(2**20)


class Dial(httpx.AsyncBaseTransport):
    """Sends everything to one address, as a hosts file would."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._host, self._port = address
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(host=self._host, port=self._port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
