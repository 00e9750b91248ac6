"""An upstream whose bodies are long, or have no known length: events, an export with trailers, uploads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROW = b"tea,340\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/events":
            self._stream(
                "text/event-stream", [b"data: %b\n\n" % item for item in (b"tea", b"coffee", b"cocoa")]
            )
            return
        # More than what lies between holds, so that the answer has begun at the reader's when it breaks off.
        is_cut = self.path.endswith("?cut=1")
        self._stream("text/csv", [ROW * 50_000] * (100 if is_cut else 10), cut=is_cut)

    def do_PUT(self) -> None:
        body = json.dumps({"bytes": self._length()}).encode()
        self.send_response(201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""

    def _stream(self, content_type: str, chunks: list[bytes], *, cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if cut:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\nx-checksum: %d\r\n\r\n" % sum(map(len, chunks)))

    def _length(self) -> int:
        """Of the body, which is read."""
        declared = self.headers.get("content-length")
        if declared is not None:
            return len(self.rfile.read(int(declared)))
        length = 0
        while size := int(self.rfile.readline(), 16):
            length += len(self.rfile.read(size + 2)) - 2
        self.rfile.readline()
        return length


@contextmanager
def depot() -> Iterator[str]:
    """Its host and port, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
