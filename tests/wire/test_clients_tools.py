"""curl and h2load (both on nghttp2) as clients, where they are installed.

Invariant: they get whole answers, one by one and by the thousand.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from tests.exchange import link
from tests.wire.caller import CHECK, PROCESS, asked, keys_request
from tests.wire.served import Served

GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_h2load = pytest.mark.skipif(
    shutil.which("h2load") is None, reason="h2load is not installed (Debian: nghttp2-client)"
)


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    text = output.decode("utf-8", "backslashreplace")
    assert process.returncode == 0, text
    return text


async def curl(where: list[str], url: str, body: Path | None, *more: str) -> str:
    """The answer with its fields, trailers among them."""
    sent = ("--data-binary", f"@{body}") if body else ()
    return await run("curl", "-sS", "-i", "--http2-prior-knowledge", *where, *more, *sent, url)


@pytest.fixture
def question(tmp_path: Path) -> Path:
    path = tmp_path / "question"
    path.write_bytes(asked())
    return path


@needs_curl
async def test_curl_on_a_unix_socket(served: Served, question: Path) -> None:
    answer = await curl(["--unix-socket", served.path], f"http://localhost{CHECK}", question, *GRPC)
    assert answer.startswith("HTTP/2 200")
    assert "\0\0\0\0\2\x08\x01" in answer
    assert "grpc-status: 0" in answer


@needs_curl
async def test_curl_on_tcp(tcp: Served, question: Path) -> None:
    assert "grpc-status: 0" in await curl([], f"http://{tcp.address}{CHECK}", question, *GRPC)


@needs_curl
async def test_curl_without_grpc(served: Served) -> None:
    """HTTP, not gRPC, says what is wrong."""
    where = ["--unix-socket", served.path]
    assert (await curl(where, f"http://localhost{CHECK}", None, "-X", "POST")).startswith("HTTP/2 415")
    assert (await curl(where, f"http://localhost{CHECK}", None)).startswith("HTTP/2 405")


@needs_curl
async def test_curl_with_a_body_of_many_windows(served: Served, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(keys_request(padding=8 * 2**20))
    answer = await curl(["--unix-socket", served.path], f"http://localhost{PROCESS}", body, *GRPC)
    assert "a signed directory" in answer
    assert "grpc-status: 0" in answer


@needs_h2load
@pytest.mark.parametrize("clients", [1, 8])
async def test_h2load_of_calls(served: Served, question: Path, clients: int) -> None:
    assert await load(served, CHECK, question, "-n", "4000", "-c", str(clients), "-m", "50") == 4000


@needs_h2load
async def test_h2load_of_long_answers(tmp_path: Path) -> None:
    """400 of 100 KB, through windows of 64 KiB a stream and a connection."""
    body = tmp_path / "body"
    body.write_bytes(keys_request())
    async with Served(tmp_path, link.gateway(directory=bytes(100_000))).running() as served:
        count = await load(served, PROCESS, body, "-n", "400", "-c", "4", "-m", "20", "-w", "16", "-W", "16")
        assert count == 400


async def load(served: Served, path: str, body: Path, *more: str) -> int:
    """How many requests had an answer of 200."""
    output = await run(
        *("h2load", *more, "-d", str(body), *GRPC, "-B", f"unix:{served.path}", f"http://localhost{path}")
    )
    match = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", output)
    assert match, output
    assert served.events == []
    return int(match[1])
