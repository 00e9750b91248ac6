"""The shell on asyncio: one connection. All answers to what one read has brought leave in one write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from extproc.server.wire.calls import Calls
from extproc.server.wire.session import Session
from extproc.server.wire.state import Limits


class WireProtocol(asyncio.Protocol):
    """`progressed` is called after whatever has happened, `closed`, with itself, at the end."""

    def __init__(
        self,
        calls: Calls,
        limits: Limits,
        progressed: Callable[[], None],
        closed: Callable[[WireProtocol], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = Session(calls, limits, self._loop.call_later, self._flush)
        self._progressed = progressed
        self._closed = closed
        self._transport: asyncio.Transport | None = None

    @property
    def open_streams(self) -> int:
        return self._session.open_streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of it
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._session.receive(data, self._loop.time())
        self._flush()

    def eof_received(self) -> None:
        """Nothing more will come: asyncio closes the transport."""

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._session.close()
        self._closed(self)
        self._progressed()

    def pause_writing(self) -> None:
        """Envoy does not read: nothing more is read from it, or answered, until it does."""
        self._session.pause()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()
        self._session.resume()
        self._flush()

    def leave(self, *, final: bool) -> None:
        """Tell Envoy that the worker goes."""
        self._session.leave(final=final)
        self._flush()

    def close(self) -> None:
        """Cut off what is open, and hang up when all that was written has left."""
        self._session.cut()
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None:
            if data := self._session.take():
                self._transport.write(data)
            if self._session.is_over:
                self._transport.close()
        self._progressed()
