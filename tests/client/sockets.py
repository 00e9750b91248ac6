"""The gateway double behind a real socket of loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase

import httpx

from tests.client.gateway import Answering, Gateway
from tests.client.pieces import Pieces


def raw(answer: bytes) -> Answering:
    """These bytes in the place of an answer; then the connection closes."""
    return lambda _: httpx.Response(200, extensions={"raw": answer})


class _Handler(BaseHTTPRequestHandler):
    """`extensions["peer"]` of a request is the client's end of the connection. A body that comes in chunks is
    read as it is asked for; an answer that is there before its end is the last one of the connection."""

    protocol_version = "HTTP/1.1"
    gateway: Gateway

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""

    def _answer(self) -> None:
        body = _Body(self.rfile, self.headers.get("content-length", "0" if self.command == "GET" else None))
        request = httpx.Request(
            self.command,
            self.path,
            headers=self.headers.items(),
            content=body if body.length is None else b"".join(body),
            extensions={"peer": self.client_address},
        )
        self.close_connection = True
        with suppress(ConnectionError, httpx.TransportError):  # one side leaves
            response = self.gateway.handle(request)
            if "raw" in response.extensions:
                self.wfile.write(response.extensions["raw"])
                return
            self.wfile.write(_head(response))
            if isinstance(response.stream, Pieces):
                self._chunks(response.stream)
            else:
                self.wfile.write(response.content)
            self.close_connection = not body.is_read

    def _chunks(self, pieces: Pieces) -> None:
        for chunk in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")


class _Body:
    """Of a request; by its length, or as its chunks come."""

    def __init__(self, file: BufferedIOBase, length: str | None) -> None:
        self._file = file
        self.length = None if length is None else int(length)
        self.is_read = False

    def __iter__(self) -> Iterator[bytes]:
        if self.length is not None:
            yield self._file.read(self.length)
        else:
            while size := self._size():
                yield self._file.read(size + 2)[:-2]
            self._file.readline()
        self.is_read = True

    def _size(self) -> int:
        line = self._file.readline()
        if not line:
            raise ConnectionError("it breaks off")
        return int(line, 16)


@contextmanager
def listening(gateway: Gateway) -> Iterator[str]:
    """The link's origin. The directory is for it."""
    handler = type("Handler", (_Handler,), {"gateway": gateway})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
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


def _head(response: httpx.Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status_code} {response.reason_phrase}".encode("ascii")]
    lines += [name + b": " + value for name, value in response.headers.raw]
    if isinstance(response.stream, Pieces):
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join([*lines, b"", b""])
