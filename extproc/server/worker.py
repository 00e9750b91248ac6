"""One worker process: `python -m extproc.server.worker CONFIG INDEX [DESCRIPTOR]`.

DESCRIPTOR is its end of a socket pair. The worker writes one line of JSON to it, {"ready": ADDRESS} or
{"error": SENTENCE}, and when the other end is closed the supervisor has gone, and the worker ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from pathlib import Path

from extproc.config.assembly import streams_per_worker
from extproc.config.load import load
from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.server import cores, loops, signals, telemetry
from extproc.server.clockguard import ClockGuard
from extproc.server.grpc_aio import GrpcServer
from extproc.server.keywatch import KeyWatch
from extproc.server.service import Service
from extproc.server.stores import open_store
from extproc.server.wire.server import WireServer


class Channel:
    """The line to the supervisor; `None` when the worker was started by hand."""

    def __init__(self, descriptor: int | None) -> None:
        self._socket = None if descriptor is None else socket.socket(fileno=descriptor)

    def send(self, **message: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(BrokenPipeError):  # `cancel_when_closed` sees to that
                self._socket.sendall(json.dumps(message).encode() + b"\n")

    def cancel_when_closed(self) -> None:
        """Cancel the current task when the supervisor, which never writes, can be read from: it has gone."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if self._socket is None or task is None:
            return
        descriptor = self._socket.fileno()

        def closed() -> None:
            loop.remove_reader(descriptor)
            task.cancel()

        loop.add_reader(descriptor, closed)


def main(arguments: list[str]) -> int:
    """The exit code: 0 when it was told to stop, 2 for what an operator can mend."""
    config, index, *descriptor = arguments
    channel = Channel(int(descriptor[0]) if descriptor else None)
    try:
        settings = load(Path(config))
        cores.pin(settings.processor.cores, int(index))
        signals.run(lambda asked: _serve(settings, int(index), channel, asked), loops.new_event_loop)
    except UserError as error:
        if not descriptor:
            print(f"extproc: {error}", file=sys.stderr)
        channel.send(error=str(error))
        return 2
    return 0


async def _serve(settings: Settings, index: int, channel: Channel, asked: asyncio.Event) -> None:
    log = telemetry.configure(settings.log, worker=index)
    channel.cancel_when_closed()
    keys = KeyWatch(settings, log)
    now_ms = time.time_ns() // 1_000_000
    store = ClockGuard(open_store(settings, now_ms), now_ms)
    signals.on_hangup(keys.ask)
    service = Service(keys.load(), store, max_streams=streams_per_worker(settings), log=log)
    server = (WireServer if settings.processor.is_wire else GrpcServer)(service, settings, index, log)
    channel.send(ready=await server.start())
    following = asyncio.create_task(keys.follow(service))
    try:
        await asked.wait()
        await server.drain(settings.drain.total_seconds())
    finally:
        following.cancel()
        log.info("worker.stopped", cut=await server.stop(), **server.counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
