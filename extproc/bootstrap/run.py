"""Running an Envoy as a child process: start it, know when it is ready, drain it, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import tempfile
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Final

from extproc.bootstrap.admin import Admin
from extproc.bootstrap.complaints import complaint
from extproc.bootstrap.names import LISTENER, STAT_PREFIX
from extproc.config.keyfiles import plain_errors
from extproc.errors import UserError

_POLL_S: Final = 0.02
_DRAIN_POLL_S: Final = 0.1
_READY_S: Final = 30.0  # names of upstreams may have to be resolved, and health checks to time out
_KEPT_LINES: Final = 100
_CHUNK: Final = 2**16  # bytes
# Killed outright, this process can stop nobody: the kernel then ends Envoy (PR_SET_PDEATHSIG, SIGTERM).
_TIED: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
try:
    os.execv(sys.argv[1], sys.argv[1:])
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error.strerror}")
"""
_ACTIVE: Final = f"http.{STAT_PREFIX}.downstream_rq_active"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


class Envoy:
    """One Envoy. After `start`: `address` (where clients come in) and `admin` (its admin interface).

    Its log goes line by line to `on_log`; its standard output is this process's.
    """

    address: tuple[str, int]
    admin: Admin

    def __init__(self, binary: Path, *, on_log: Callable[[str], None] = _to_stderr) -> None:
        self._binary = binary
        self._on_log = on_log
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._scratch = contextlib.ExitStack()

    async def start(
        self,
        bootstrap_yaml: str,
        cwd: Path,
        *,
        log_level: str = "warning",
        concurrency: int | None = None,
        drain_s: float = 15.0,
        scratch: Path | None = None,
    ) -> None:
        """Start in `cwd`, where relative paths begin, and return when it serves. UserError: it does not.

        `scratch`: a folder of this Envoy's alone, where two files lie while it runs. What a process that was
        killed has left there is written over; without `scratch`, it would stay in a temporary folder.
        """
        config, admin_file = self._files(scratch)
        options = ["--config-path", str(config), "--admin-address-path", str(admin_file)]
        options += ["--log-level", log_level, "--disable-hot-restart", "--file-flush-interval-msec", "500"]
        options += ["--drain-strategy", "immediate", "--drain-time-s", str(math.ceil(drain_s))]
        options += [] if concurrency is None else ["--concurrency", str(concurrency)]
        try:
            with plain_errors(config):
                config.write_text(bootstrap_yaml, encoding="utf-8")
            process = await self._spawn(options, cwd)
            await self._until_ready(process, admin_file)
        except BaseException:
            await self.stop()
            raise

    async def drain(self, within_s: float) -> None:
        """Send clients elsewhere, and wait until no request is open, or for `within_s`."""
        with contextlib.suppress(OSError, HTTPException, TimeoutError):
            async with asyncio.timeout(within_s):
                await self.admin.post("/healthcheck/fail")
                await self.admin.post("/drain_listeners?graceful")
                await self._until_quiet()

    async def stop(self, within_s: float = 5.0) -> None:
        """End it: asked first, and after `within_s` made to. Does nothing when it has ended."""
        with self._scratch:
            if self._process is not None and self._process.returncode is None:
                await _terminate(self._process, within_s)
            if self._reader is not None:
                await self._reader  # the log ends with the process

    async def wait(self) -> int:
        """Its exit status, once it has ended by itself or by `stop`; negative for a signal."""
        if self._process is None:
            raise RuntimeError("Envoy has not been started")
        return await self._process.wait()

    def _files(self, scratch: Path | None) -> tuple[Path, Path]:
        """Its configuration, and where it writes its admin interface's address. Gone when it has ended."""
        if scratch is None:
            scratch = Path(self._scratch.enter_context(tempfile.TemporaryDirectory(prefix="extproc-")))
        config, admin_file = scratch / "envoy.yaml", scratch / "envoy.admin"
        for file in (config, admin_file):
            file.unlink(missing_ok=True)
            self._scratch.callback(file.unlink, missing_ok=True)
        return config, admin_file

    async def _spawn(self, options: list[str], cwd: Path) -> Process:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *_command(self._binary),
                *options,
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                umask=0o077,  # what it writes is for this user alone, its access log above all
                start_new_session=True,  # Ctrl-C is for this process, which then drains and stops its Envoy
            )
        except OSError as error:
            raise UserError(f"{self._binary} does not start: {error.strerror}") from error
        if self._process.stderr is not None:
            self._reader = asyncio.create_task(self._read_log(self._process.stderr))
        return self._process

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        """To its end, whatever is in it: an Envoy whose log is not read stands still."""
        rest = b""
        while chunk := await stream.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace")
                self._last_lines.append(text)
                with contextlib.suppress(OSError):  # nobody reads ours
                    self._on_log(text)

    async def _until_ready(self, process: Process, admin_file: Path) -> None:
        try:
            async with asyncio.timeout(_READY_S):
                while not await self._is_ready(admin_file):
                    if process.returncode is not None:
                        await self.stop()
                        raise UserError(f"Envoy does not start: {complaint(self._last_lines)}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            last = complaint(self._last_lines)
            raise UserError(f"Envoy is not ready after {_READY_S:.0f} s; its log: {last}") from None
        self.address = await self.admin.listener(LISTENER)

    async def _is_ready(self, admin_file: Path) -> bool:
        address = _admin_address(admin_file)
        if address is None:
            return False
        self.admin = Admin(address)
        try:
            return await self.admin.is_ready()
        except (OSError, HTTPException):
            return False

    async def _until_quiet(self) -> None:
        while True:
            if not await self.admin.counter(_ACTIVE):
                return
            await asyncio.sleep(_DRAIN_POLL_S)


def _command(binary: Path) -> list[str]:
    tie = [sys.executable, "-ISc", _TIED] if sys.platform == "linux" else []
    return [*tie, str(binary)]


async def _terminate(process: Process, within_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        process.kill()
        await process.wait()


def _admin_address(file: Path) -> tuple[str, int] | None:
    """What Envoy has written there, as soon as it has."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    host, _, port = text.strip().rpartition(":")
    return (host.strip("[]"), int(port)) if port else None
