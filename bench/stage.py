"""The gateway that is measured: a real Envoy, a service behind it, the origin, in a folder of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench import proc
from bench.processes import ChildError, running
from bench.props import furnish
from bench.services import Kind, Service, config_file, started
from bench.target import Target
from bench.turns import Link
from bench.unfiltered import without_filter
from extproc.bootstrap.build import bootstrap
from extproc.bootstrap.dump import dump, fields
from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.config.load import load

_ACTIVE: Final = {
    "requests of clients in Envoy": "http.ingress.downstream_rq_active",
    "streams from Envoy to workers": "cluster.ext_proc.upstream_rq_active",
    "requests from Envoy to the upstream": "cluster.upstream_origin.upstream_rq_active",
}
_FOUND_S: Final = 10.0  # for Envoy to find healthy what listens


@dataclass
class Stage:
    """What stays, and the service that is behind it just now."""

    target: Target
    folder: Path
    envoy: Envoy
    envoy_pid: int
    origin: str  # where it can be asked without Envoy
    workers: int
    service: Service | None = None

    @contextlib.asynccontextmanager
    async def serving(self, kind: Kind) -> AsyncIterator[None]:
        """A service of this kind, which Envoy has found healthy, until the block ends. ChildError."""
        workers = 1 if kind == "bare" else self.workers
        try:
            async with started(kind, self.folder) as self.service:
                if not await self.all_serve(workers, _FOUND_S):
                    raise ChildError(f"Envoy has not found {workers} healthy workers in {_FOUND_S:.0f} s")
                yield
        finally:
            self.service = None

    @property
    def link(self) -> Link:
        """For clients that fetch no directory: the bare service has none."""
        return Link(self.target.link, (self.folder / "keys/directory.bin").read_bytes().hex())

    @property
    def worker_pids(self) -> list[int]:
        return [] if self.service is None else self.service.pids

    def processes(self) -> dict[int, str]:
        """Whose memory counts."""
        return {self.envoy_pid: "envoy"} | dict.fromkeys(self.worker_pids, "worker")

    def reset_peaks(self) -> None:
        for pid in self.processes():
            proc.reset_peak(pid)

    def peaks(self) -> dict[str, float]:
        """The most memory since, of the worker that took most and of Envoy."""
        workers = max(proc.peak_mib(pid) for pid in self.worker_pids)
        return {"worker_peak_mib": workers, "envoy_peak_mib": proc.peak_mib(self.envoy_pid)}

    async def under_way(self) -> dict[str, int]:
        """How many requests are open, by where they are."""
        found = {name: await self.envoy.admin.counter(stat) for name, stat in _ACTIVE.items()}
        return found | {"requests at the upstream": (await self.upstream())["active"]}

    async def upstream(self) -> dict[str, int]:
        """The origin's own counts."""
        async with httpx.AsyncClient() as client:
            counts: dict[str, int] = (await client.get(f"{self.origin}/status")).json()
        return counts

    async def end_workers(self) -> list[dict[str, Any]]:
        """And give what they have logged."""
        return [] if self.service is None else await self.service.end()

    async def all_serve(self, workers: int, within_s: float) -> bool:
        """Whether so many run, and Envoy finds them healthy; it is waited for."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            healthy = await self.envoy.admin.counter("cluster.ext_proc.membership_healthy")
            if len(self.worker_pids) == healthy == workers:
                return True
            await asyncio.sleep(0.02)
        return False


@contextlib.asynccontextmanager
async def set_up(*, workers: int = 1, threads: int = 1, tls: bool = False) -> AsyncIterator[Stage]:
    """All but a service started, and ended with the block. `threads`: Envoy's. UserError."""
    proc.check_system()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="extproc-bench-")))
        origin = await (await stack.enter_async_context(running("bench.origin"))).line()
        target = await furnish(folder, origin, workers, tls=tls)
        config = fields(bootstrap(load(config_file(folder, "wire"))))
        envoy, pid = await stack.enter_async_context(_envoy(config, folder, threads))
        yield Stage(target, folder, envoy, pid, f"http://127.0.0.1:{origin}", workers)


@contextlib.asynccontextmanager
async def raised(*, workers: int = 1, threads: int = 1, tls: bool = False) -> AsyncIterator[Stage]:
    """The whole gateway, as it is deployed. UserError."""
    async with set_up(workers=workers, threads=threads, tls=tls) as stage, stage.serving("wire"):
        yield stage


@contextlib.asynccontextmanager
async def unfiltered(stage: Stage) -> AsyncIterator[Stage]:
    """Another Envoy for the same upstream, whose configuration lacks the filter and nothing else."""
    config = without_filter(fields(bootstrap(load(config_file(stage.folder, "wire")))))
    (listener,) = config["static_resources"]["listeners"]
    listener["address"]["socket_address"]["port_value"] = 0  # the other one's is taken
    async with _envoy(config, stage.folder, threads=1) as (envoy, pid):
        target = Target("http://{}:{}".format(*envoy.address), root="", is_sealed=False)
        yield Stage(target, stage.folder, envoy, pid, stage.origin, stage.workers)


@contextlib.asynccontextmanager
async def _envoy(config: dict[str, Any], folder: Path, threads: int) -> AsyncIterator[tuple[Envoy, int]]:
    """It, and its process: the one that is new among ours."""
    envoy, before = Envoy(find_envoy(None), on_log=lambda _line: None), proc.children(os.getpid())
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(envoy.stop)
        await envoy.start(dump(config), folder, log_level="error", concurrency=threads)
        (pid,) = set(proc.children(os.getpid())) - set(before)
        yield envoy, pid
