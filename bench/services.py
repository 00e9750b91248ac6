"""The external processors that are compared. They take turns at the same sockets, behind the same Envoy."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bench import proc
from bench.processes import Child, running

Kind = Literal["bare", "grpcio", "wire"]
TRANSPORTS: Final[tuple[Kind, ...]] = ("grpcio", "wire")  # of `extproc serve`


@dataclass(frozen=True, slots=True)
class Service:
    """One that runs."""

    kind: Kind
    process: Child
    log: Path

    @property
    def pids(self) -> list[int]:
        """Of those that carry exchanges, as of now."""
        return [self.process.pid] if self.kind == "bare" else proc.children(self.process.pid)

    async def end(self) -> list[dict[str, Any]]:
        """And give what its workers have logged."""
        await self.process.stop()
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def config_file(folder: Path, kind: Kind) -> Path:
    """The gateway.yaml of this service; the bare one listens where ours would."""
    return folder / f"{'wire' if kind == 'bare' else kind}.yaml"


@contextlib.asynccontextmanager
async def started(kind: Kind, folder: Path) -> AsyncIterator[Service]:
    """It listens when the block begins, and ends with it. ChildError when it can't."""
    config, log = str(config_file(folder, kind)), folder / f"{kind}.log"
    module, *arguments = ["bench.bare", config] if kind == "bare" else ["extproc", "serve", "-c", config]
    async with running(module, *arguments, log=log) as process:
        await process.line()
        yield Service(kind, process, log)
