"""The supervisor: N worker processes, each started again when it dies, all drained at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.server.state import exclusive

_START_S: Final = 30.0  # for a worker to be ready
_STOP_S: Final = 3.0  # for a worker to end, beyond its drain
_SHORTEST_DELAY_S: Final = 0.1  # before a dead worker is started again; doubled while it dies young
_LONGEST_DELAY_S: Final = 5.0
_YOUNG_S: Final = 10.0
_ATTEMPTS: Final = 3  # of a worker that has never been ready
# Bodies pass in pieces of up to a megabyte. Left to itself glibc maps and unmaps each of them, and to clear
# their pages is half of what a large transfer costs.
_ENVIRONMENT: Final = {
    "GRPC_VERBOSITY": "ERROR",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}


class Supervisor:
    """The workers of one `gateway.yaml`, as an async context.

    Entering it returns when all of them serve, and raises UserError when one of them can't, or another
    supervisor holds the state folder. Leaving it drains them; left by an exception, and that is also what a
    cancellation is, it ends them at once.
    """

    def __init__(self, config: Path, settings: Settings) -> None:
        self._settings = settings
        self._stack = contextlib.AsyncExitStack()
        self._workers = [_Worker(config, index) for index in range(settings.workers)]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(exclusive(self._settings.path(self._settings.state_dir)))
            stack.push_async_callback(self._kill)
            self._tasks = [asyncio.create_task(worker.run()) for worker in self._workers]
            await self._all_ready()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._stack:
            if kind is None:
                await self._drain()

    def look_at_keys(self) -> None:
        """Have each worker take up at once what is new in the folder of keys."""
        for worker in self._workers:
            worker.look_at_keys()

    @property
    def pids(self) -> list[int | None]:
        """The process of each worker; None for one that is being started again."""
        return [worker.pid for worker in self._workers]

    @property
    def addresses(self) -> list[str]:
        """Where each worker listens, in gRPC's form."""
        return [worker.address for worker in self._workers]

    async def _all_ready(self) -> None:
        ready = asyncio.create_task(_wait_for_each([worker.ready for worker in self._workers]))
        try:
            # Before the workers are told to stop, a task ends by its exception alone.
            done, _ = await asyncio.wait({ready, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            ready.cancel()

    async def _drain(self) -> None:
        for worker, task in zip(self._workers, self._tasks, strict=True):
            if not worker.terminate():
                task.cancel()
        await asyncio.wait(self._tasks, timeout=self._settings.drain.total_seconds() + _STOP_S)

    async def _kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _wait_for_each(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


class _Worker:
    """One place among the workers: its process, and the next one when that dies."""

    def __init__(self, config: Path, index: int) -> None:
        self.ready = asyncio.Event()  # set for good when it has served once
        self.address = ""
        self._index = index
        self._deaths = 0
        self._command = [sys.executable, "-P", "-m", "extproc.server.worker", str(config), str(index)]
        self._log = structlog.get_logger().bind(worker=index)
        self._process: Process | None = None
        self._serves = False
        self._terminated = False

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def terminate(self) -> bool:
        """Ask the process to drain, and start no other. False when there is none."""
        self._terminated = True
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            return True
        return False

    def look_at_keys(self) -> None:
        """One that does not serve yet looks by itself; it may not know what SIGHUP means."""
        if self._serves and self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    async def run(self) -> None:
        """Until it is terminated. Cancelled, it kills the process. UserError if it never can serve."""
        clock = asyncio.get_running_loop().time
        delay_s = _SHORTEST_DELAY_S
        while True:
            began = clock()
            code = await self._one_life()
            if self._terminated:
                return
            lived_s = clock() - began
            self._log.error("worker.died", code=code, lived_s=round(lived_s, 1))
            self._give_up_if_hopeless(code)
            delay_s = _SHORTEST_DELAY_S if lived_s > _YOUNG_S else min(2 * delay_s, _LONGEST_DELAY_S)
            await asyncio.sleep(delay_s)

    def _give_up_if_hopeless(self, code: int | None) -> None:
        self._deaths += 1
        if self._deaths >= _ATTEMPTS and not self.ready.is_set():
            raise UserError(
                f"worker {self._index} died {self._deaths} times before it could serve, the last time "
                f"{_manner(code)}; expected it to say why in the log above"
            )

    async def _one_life(self) -> int | None:
        """From start to death: the exit code, or minus the signal; None when it could not be started."""
        ours, theirs = socket.socketpair()
        with ours:
            try:
                with theirs:
                    self._process = await self._start(theirs.fileno())
                return await self._attend(self._process, ours)
            except OSError as error:  # a TimeoutError among them
                self._log.error("worker.not_ready", reason=str(error) or f"not within {_START_S} s")
                return None
            finally:
                self._process, self._serves = None, False

    async def _start(self, descriptor: int) -> Process:
        # In a session of its own, or Ctrl-C in a terminal would reach it beside the supervisor's SIGTERM.
        # gRPC's C core has a log of its own, with a line for every stranger's TLS handshake.
        return await asyncio.create_subprocess_exec(
            *self._command,
            str(descriptor),
            pass_fds=[descriptor],
            stdin=DEVNULL,
            start_new_session=True,
            env={**_ENVIRONMENT, **os.environ},
        )

    async def _attend(self, process: Process, line: socket.socket) -> int:
        """Hear whether it can serve, and wait for its end; cancelled, or for an error, put an end to it."""
        try:
            self._heard(await asyncio.wait_for(_read_line(line), _START_S))
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _heard(self, line: bytes) -> None:
        message = json.loads(line or b"{}")
        if "ready" in message:
            self.address = message["ready"]
            self._log.info("worker.ready", address=self.address, pid=self.pid)
            self._serves = True
            self.ready.set()
        elif "error" in message and self.ready.is_set():
            # It could serve before: perhaps an edit is half done. The other workers need not stop for it.
            self._log.error("worker.refused", reason=message["error"])
        elif "error" in message:
            raise UserError(message["error"])


def _manner(code: int | None) -> str:
    """How a process ended, by `Process.returncode`; None: it was ended for not being ready."""
    if code is None:
        return "since it was not ready in time"
    if code < 0:
        return f"by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"
    return f"with exit code {code}"


async def _read_line(sock: socket.socket) -> bytes:
    sock.setblocking(False)
    line = b""
    while not line.endswith(b"\n"):
        piece = await asyncio.get_running_loop().sock_recv(sock, 4096)
        if not piece:
            break
        line += piece
    return line
