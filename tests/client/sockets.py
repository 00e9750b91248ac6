"""The gateway double behind a real socket of loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.client.gateway import Answering, Gateway


def raw(answer: bytes) -> Answering:
    """These bytes in the place of an answer; then the connection closes."""
    return lambda _: httpx.Response(200, extensions={"raw": answer})


@contextmanager
def listening(gateway: Gateway) -> Iterator[str]:
    """The link's origin. The directory is for it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = httpx.Request(self.command, self.path, headers=self.headers.items(), content=content)
            response = gateway.handle(request)
            self.close_connection = "raw" in response.extensions
            self.wfile.write(response.extensions["raw"] if self.close_connection else _serialized(response))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    origin = f"http://127.0.0.1:{server.server_port}"
    gateway.links = (origin,)
    try:
        yield origin
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _serialized(response: httpx.Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status_code} {response.reason_phrase}".encode("ascii")]
    lines += [name + b": " + value for name, value in response.headers.raw]
    return b"\r\n".join([*lines, b"", b""]) + response.content
