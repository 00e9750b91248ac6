"""The fetch command as a process of its own, at a real gateway; the upstream is answered by hand."""

from __future__ import annotations

import asyncio
import os
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.cli.fetching import Shell
from tests.e2e.by_hand import ByHand
from tests.e2e.stack import SHOP, Stack
from tests.e2e.streaming import by_hand

CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


@asynccontextmanager
async def fetching(
    stack: Stack, *arguments: str, stdout: int = PIPE, stderr: int = PIPE
) -> AsyncIterator[tuple[Process, ByHand]]:
    """The command, as a process of its own, and its request at the upstream."""
    path = by_hand()
    command = Shell(stack.address, stack.root).command(*arguments, SHOP + path)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    try:
        yield process, await stack.upstream.by_hand(path)
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read(process: Process) -> bytes:
    """What it writes next."""
    assert process.stdout is not None
    return await asyncio.wait_for(process.stdout.read(2**16), 10)


async def ended(process: Process) -> tuple[bytes, str]:
    """What it has still to say when it ends."""
    shown, said = await asyncio.wait_for(process.communicate(), 10)
    return shown, said.decode()


async def write(process: Process, data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    await process.stdin.drain()


async def has_grown(file: Path, length: int) -> bool:
    """Whether it has within 10 s."""
    for _ in range(1000):
        if _size(file) >= length:
            return True
        await asyncio.sleep(0.01)
    return False


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


class Terminal:
    """What is written to `write_to` is shown on it; `shown` is without colors and movements."""

    def __init__(self) -> None:
        self._reading, self.write_to = os.openpty()
        os.set_blocking(self._reading, False)
        self.shown = ""

    async def shows(self, pattern: str) -> bool:
        """Whether it does within 10 s."""
        for _ in range(1000):
            self._take()
            if re.search(pattern, self.shown):
                return True
            await asyncio.sleep(0.01)
        return False

    def close(self) -> None:
        os.close(self._reading)
        os.close(self.write_to)

    def _take(self) -> None:
        with suppress(BlockingIOError):
            self.shown += CONTROL.sub("", os.read(self._reading, 2**16).decode(errors="replace"))
