"""`python -m bench.profile`: where the time of a sealed exchange of 1 KiB goes, in a worker.

One exchange after the other passes through the wire transport and what is behind it, in this process and
without a socket: what the kernel and the event loop take comes on top. The messages are those that Envoy
sends for such an exchange, and what is measured is what a worker runs: keys, replay store, settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import hpack
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest

from bench.props import furnish
from bench.services import config_file
from bench.turns import Link, Sender
from extproc import envoy_api
from extproc.config.load import load
from extproc.exchange import request
from extproc.exchange.context import Context
from extproc.server import service, telemetry
from extproc.server.clockguard import ClockGuard
from extproc.server.keywatch import KeyWatch
from extproc.server.service import Service, Stream
from extproc.server.serving import SERVICE_NAME, Tally
from extproc.server.stores import open_store
from extproc.server.wire import frames
from extproc.server.wire.calls import Calls
from extproc.server.wire.health import Health
from extproc.server.wire.session import Session
from extproc.server.wire.state import Limits

_EXCHANGES: Final = 4000
_SIZE: Final = 1024
# By their names in the table: what is timed, and what it is called where it is called.
_PARTS: Final[dict[str, tuple[Any, str]]] = {
    "Envoy's messages read": (envoy_api, "event"),
    "envelope opened": (request, "open_request"),
    "replay store asked": (service, "ask"),
    "request validated, carried over": (request, "inner_request"),
    "answer sealed": (Context, "seal"),
    "replies written": (envoy_api, "reply"),
}
_BEHIND: Final = "all behind the transport"
_ALL: Final = "an exchange"


_LINE: Final = (":authority", "127.0.0.1"), (":path", "/_link"), (":method", "POST"), (":scheme", "http")
_ATTRIBUTES: Final = {
    "envoy.filters.http.ext_proc": {"fields": {"source.address": {"string_value": "127.0.0.1:1"}}}
}


class Clock:
    """Microseconds that each part has taken, for each time that it ran."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def exchange(self) -> dict[str, float]:
        """What has been spent since it was last asked."""
        spent, self.spent = self.spent, {}
        return spent

    @contextlib.contextmanager
    def timing(self, name: str, owner: Any, called: str) -> Iterator[None]:
        """Let calls of `owner.called` count as `name`."""
        function = getattr(owner, called)

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.spent[name] = self.spent.get(name, 0.0) + (time.perf_counter() - began) * 1e6

        setattr(owner, called, timed)
        try:
            yield
        finally:
            setattr(owner, called, function)


class Envoy:
    """Its end of the connection: the bytes of an exchange, as far as they follow from no answer."""

    def __init__(self, link: Link) -> None:
        self._sender = Sender(link, "sealed", _SIZE)
        self._encoder = hpack.Encoder()
        self._stream_id = -1
        self._body = bytes(_SIZE)

    def greeting(self) -> bytes:
        return frames.PREFACE + frames.settings(())

    def exchange(self) -> list[bytes]:
        """What comes in, read by read."""
        head, _, envelope = self._sender.turn().request.partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
        outer = [(name, value) for name, _, value in lines]
        self._stream_id += 2
        return [
            self._open() + self._message(request_headers=_headers(*_LINE, *outer), attributes=_ATTRIBUTES),
            self._message(request_body={"body": envelope, "end_of_stream": True}),
            self._message(response_headers=_headers((":status", "200"), ("content-length", str(_SIZE)))),
            self._message(response_body={"body": self._body}),
            self._message(response_body={"end_of_stream": True}),
            frames.frame(frames.DATA, frames.END_STREAM, self._stream_id)
            + frames.window_update(0, 4 * _SIZE),
        ]

    def _open(self) -> bytes:
        line: dict[bytes | str, bytes | str] = {
            ":method": "POST",
            ":path": f"/{SERVICE_NAME}/Process",
            ":scheme": "http",
            ":authority": "a",
        }
        block = self._encoder.encode({**line, "te": "trailers", "content-type": "application/grpc"})
        return frames.frame(frames.HEADERS, frames.END_HEADERS, self._stream_id, block)

    def _message(self, **fields: Any) -> bytes:
        message = ProcessingRequest(**fields).SerializeToString()
        prefixed = b"\x00" + len(message).to_bytes(4, "big") + message
        return frames.frame(frames.DATA, 0, self._stream_id, prefixed)


def _headers(*fields: tuple[str, str]) -> dict[str, Any]:
    headers = [{"key": key, "raw_value": value.encode()} for key, value in fields]
    return {"headers": {"headers": headers}}


def _worker(folder: Path) -> Service:
    """As `extproc.server.worker` has it. The configuration that `furnish` has written."""
    settings = load(config_file(folder, "wire"))
    log = telemetry.configure(settings.log, worker=0)
    now_ms = time.time_ns() // 1_000_000
    store = ClockGuard(open_store(settings, now_ms), now_ms)
    return Service(KeyWatch(settings, log).load(), store, log=log)


def _never(_seconds: float, _function: Callable[[], None]) -> NoReturn:
    raise ValueError("an exchange that fails")


def _carried(session: Session, reads: list[bytes]) -> float:
    """One exchange: microseconds. ValueError when it did not come off."""
    began = time.perf_counter()
    sent = 0
    for data in reads:
        session.receive(data, began)
        sent += len(session.take())
    took_us = (time.perf_counter() - began) * 1e6
    if sent < 2 * _SIZE:  # what opened, and the sealed answer
        raise ValueError("an exchange was refused")
    return took_us


def profiled(service: Service, link: Link) -> dict[str, float]:
    """Microseconds of an exchange by part, the median of each."""
    calls = Calls(service, Health(), Tally(service.log), limit=2**22)
    session, envoy, clock = Session(calls, Limits(), _never, lambda: None), Envoy(link), Clock()
    session.receive(envoy.greeting(), 0)
    exchanges = [envoy.exchange() for _ in range(_EXCHANGES)]
    found = []
    with contextlib.ExitStack() as stack:
        for name, (owner, called) in {**_PARTS, _BEHIND: (Stream, "receive")}.items():
            stack.enter_context(clock.timing(name, owner, called))
        for reads in exchanges:
            total = _carried(session, reads)
            found.append({**clock.exchange(), _ALL: total})
    medians = {name: statistics.median(each[name] for each in found) for name in found[0]}
    behind, total = medians.pop(_BEHIND), medians.pop(_ALL)
    return {
        "HTTP/2 and gRPC": total - behind,
        **{name: medians[name] for name in _PARTS},
        "states and steps between them": behind - sum(medians.values()),
        _ALL: total,
    }


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="extproc-bench-") as name:
        folder = Path(name)
        target = await furnish(folder, origin="1", workers=1, tls=False)
        link = Link(target.link, (folder / "keys/directory.bin").read_bytes().hex())
        table = profiled(_worker(folder), link)
    for part, took_us in table.items():
        print(f"{part:34} {took_us:6.1f} us {took_us / table[_ALL]:6.0%}")


if __name__ == "__main__":
    asyncio.run(main())
