"""The shop: a small upstream over HTTP/1.1 that knows nothing of the link.

    python -m extproc.demo.shop --listen 127.0.0.1:8080

It prints its address once it listens; port 0 takes a free one.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, NoReturn

from extproc.demo.background import BackgroundServer
from extproc.demo.endpoints import Answer, Body, Received, Shop, Stream

_PIECE: Final = 2**16


class ShopServer(BackgroundServer):
    """Serves `shop` on `host` and `port`; `port` 0 takes a free one."""

    def __init__(self, shop: Shop, host: str = "127.0.0.1", port: int = 0) -> None:
        self.shop = shop
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def authority(self) -> str:
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"{host!s}:{port}"

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """A peer that has gone is no error; the rest is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ShopServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes; together they would wait for an ACK

    def __getattr__(self, name: str) -> Callable[[], None]:
        """`do_GET` and its like: the shop knows which methods it has, so every one of them goes there."""
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def _respond(self) -> None:
        try:
            body = Body.of(self._pieces())
        except ValueError:
            self.close_connection = True
            self.send_error(400)
            return
        self._send(
            self.server.shop.answer(Received(self.command, self.path, tuple(self.headers.items()), body))
        )

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if not isinstance(answer.body, bytes):
            self.send_header("transfer-encoding", "chunked")
        elif answer.status != 204:
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(answer.body, bytes):
            self.wfile.write(answer.body)
        else:
            self.wfile.writelines(_chunked(answer.body))

    def _pieces(self) -> Iterator[bytes]:
        """The request's body; ValueError when its framing is broken, ConnectionError when it is cut short."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        return self._read(int(self.headers.get("content-length", "0")))

    def _chunks(self) -> Iterator[bytes]:
        """RFC 9112, 7.1; extensions and trailers are passed over."""
        while size := int(self.rfile.readline(1024).partition(b";")[0], 16):
            yield from self._read(size)
            self.rfile.readline(3)
        while self.rfile.readline(65537) not in {b"\r\n", b"\n", b""}:
            pass

    def _read(self, size: int) -> Iterator[bytes]:
        if size < 0:
            raise ValueError(f"{size} bytes")
        while size:
            piece = self.rfile.read(min(size, _PIECE))
            if not piece:
                raise ConnectionAbortedError(f"{size} bytes are missing")
            size -= len(piece)
            yield piece

    def version_string(self) -> str:
        return "shop"

    def log_message(self, *_: object) -> None:
        """Say nothing: a request line has a query, and a query may be a secret."""


def _chunked(body: Stream) -> Iterator[bytes]:
    """RFC 9112, 7.1."""
    try:
        while True:
            piece = next(body)
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    except StopIteration as end:
        trailers = (f"{name}: {value}\r\n" for name, value in end.value)
        yield f"0\r\n{''.join(trailers)}\r\n".encode()


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m extproc.demo.shop", description="A small upstream.")
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT")
    listen = parser.parse_args(arguments).listen
    host, _, port = listen.rpartition(":")
    if not (host and port.isdecimal() and int(port) <= 65535):
        parser.error(f"--listen: expected host:port such as 127.0.0.1:8080, not {listen}")
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        server = ShopServer(Shop(), host.strip("[]"), int(port))
    except OSError as error:
        parser.error(f"--listen: {listen}: {error.strerror}")
    print(f"shop on http://{server.authority}", flush=True)
    with server:
        server.serve_forever()


def _end(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
