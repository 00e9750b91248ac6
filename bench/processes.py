"""The parties' processes, each started, heard and ended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from extproc.errors import ExtprocError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

ROOT: Final = Path(__file__).parent.parent
_STOP_S: Final = 30.0  # a worker may still drain


class ChildError(ExtprocError):
    """A process did not do what it was started for."""


class Child:
    """A module in a process of its own."""

    def __init__(self, name: str, process: Process, log: Path | None) -> None:
        self._name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    async def line(self) -> str:
        """The next line of its standard output. ChildError when it ends instead."""
        output = self._process.stdout
        line = b"" if output is None else await output.readline()
        if not line:
            raise await self._failure()
        return line.decode().rstrip("\n")

    async def result(self) -> dict[str, Any]:
        """The JSON object that it prints, once it has ended. ChildError when it fails."""
        output, _ = await self._process.communicate()
        if self._process.returncode:
            raise await self._failure()
        found: dict[str, Any] = json.loads(output)
        return found

    def ask_to_end(self) -> None:
        """SIGTERM."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def stop(self) -> None:
        """End it: asked first, and made to after a while. Does nothing when it has ended."""
        if self._process.returncode is not None:
            return
        self.ask_to_end()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _failure(self) -> ChildError:
        code = await self._process.wait()
        why = "it says why above" if self._log is None else self._log.read_text(encoding="utf-8").strip()
        return ChildError(f"{self._name} has ended with exit code {code}: {why}")


@contextlib.asynccontextmanager
async def running(module: str, *arguments: str, log: Path | None = None) -> AsyncIterator[Child]:
    """`python -m MODULE ...` until the block ends. `log` takes its standard error, else it goes to ours."""
    with contextlib.ExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.tied", module, *arguments),
            cwd=ROOT,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=None if log is None else stack.enter_context(log.open("wb")),
            start_new_session=True,  # Ctrl-C is for this process, which then ends the others
        )
    child = Child(module, process, log)
    try:
        yield child
    finally:
        await child.stop()


async def done(module: str, task: DataclassInstance) -> dict[str, Any]:
    """What the client `module` has to say when it has done `task`."""
    async with running(module, as_argument(task)) as client:
        return await client.result()


def as_argument(task: DataclassInstance) -> str:
    """As a client takes it."""
    return json.dumps(dataclasses.asdict(task))


def read(kind: type[T], argument: str) -> T:
    """The task that `as_argument` has written, and the dataclasses in it."""
    kinds = get_type_hints(kind)
    given = json.loads(argument).items()
    return kind(**{name: kinds[name](**value) if isinstance(value, dict) else value for name, value in given})
