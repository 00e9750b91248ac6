"""Where a client sends its requests: at one URL of one Envoy, through the link or without it."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from extproc.client import LinkTransport

TIMEOUT_S = 20.0  # of silence: what takes longer hangs


@dataclass(frozen=True, slots=True)
class Target:
    """`link`: the link's origin. Its route takes plain requests for the same URLs, too: `is_sealed` alone
    decides which way they go."""

    link: str
    root: str
    authority: str = ""  # who signed the link's certificate, a PEM file, where it has one
    is_sealed: bool = True

    @contextlib.contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A client that has made its first request: it is connected, and has the key directory."""
        verify = ssl.create_default_context(cafile=self.authority) if self.authority else True
        transport: httpx.BaseTransport = httpx.HTTPTransport(verify=verify)
        if self.is_sealed:
            transport = LinkTransport(self.link, roots=[self.root], transport=transport)
        with httpx.Client(base_url=self.link, transport=transport, timeout=TIMEOUT_S) as client:
            client.get("/bytes").raise_for_status()
            yield client
