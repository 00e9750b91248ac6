"""A web server for a page, on an origin of its own, under a strict Content-Security-Policy."""

from __future__ import annotations

import mimetypes
import ssl
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from extproc.demo.background import BackgroundServer

# A body of its media type; one that comes piece by piece ends when its reader leaves.
Served = tuple[str, bytes | Iterator[bytes]]
Endpoint = Callable[[], Served]

_TYPES: Final = {".js": "text/javascript", ".map": "application/json", ".html": "text/html; charset=utf-8"}


def policy(*connect: str) -> str:
    """A Content-Security-Policy for pages that talk to their own origin and the origins `connect`, and have
    everything else from their own: no inline script or style, no eval."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            " ".join(["connect-src 'self'", *connect]),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class Site(BackgroundServer):
    """Serves files, and the answers of endpoints, to GET.

    `folders`: where the files below a path prefix lie, the longest prefix first; "/" is one. `policy` (its
    Content-Security-Policy) and `endpoints` may be set later than it begins to listen, so that its own
    origin can be known first.
    """

    def __init__(self, folders: Mapping[str, Path], tls: ssl.SSLContext | None = None) -> None:
        self.policy = policy()
        self.endpoints: dict[str, Endpoint] = {}
        self._folders = folders
        self._scheme = "http" if tls is None else "https"
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:  # each connection shakes hands in its own thread
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def origin(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def find(self, target: str) -> Served | None:
        """What there is at `target`, a path with or without a query."""
        path = unquote(urlsplit(target).path)
        if endpoint := self.endpoints.get(path):
            return endpoint()
        for prefix, folder in self._folders.items():
            if path.startswith(prefix):
                return _read(folder, path.removeprefix(prefix) or "index.html")
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser leaves when it likes, in the middle of a handshake too."""


def _read(folder: Path, name: str) -> Served | None:
    file = (folder / name).resolve()
    if not (file.is_relative_to(folder.resolve()) and file.is_file()):
        return None
    media_type = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    return media_type or "application/octet-stream", file.read_bytes()


class _Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        match self.server.find(self.path):
            case None:
                self._begin(404, "text/plain", 0)
            case media_type, bytes(body):
                self._begin(200, media_type, len(body))
                self.wfile.write(body)
            case media_type, pieces:
                self._begin(200, media_type, None)
                self.wfile.writelines(pieces)

    def _begin(self, status: int, media_type: str, length: int | None) -> None:
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("cache-control", "no-store")
        self.send_header("x-content-type-options", "nosniff")
        self.send_header("referrer-policy", "no-referrer")
        self.send_header("content-security-policy", self.server.policy)
        if length is None:
            self.send_header("connection", "close")
            self.close_connection = True
        else:
            self.send_header("content-length", str(length))
        self.end_headers()

    def version_string(self) -> str:
        return "page"

    def log_message(self, *_: object) -> None:
        """Say nothing."""
