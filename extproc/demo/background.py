"""A server of the demo, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Self


class BackgroundServer(ThreadingHTTPServer):
    """Its connections do not keep a process from ending."""

    daemon_threads = True

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve in the background for as long as the block runs."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
