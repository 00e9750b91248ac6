"""The gateway that is measured: a real Envoy, real workers and the origin, in a folder of their own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import trustme

from bench import proc
from bench.processes import Child, running
from bench.target import Target
from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.config.load import load

# One route for both ways: what differs between them is the link, and nothing else.
_GATEWAY: Final = """\
listen: 127.0.0.1:{port}
admin: 127.0.0.1:0
link: {{ origins: ["{link}"] }}
upstreams: {{ origin: {{ endpoints: ["127.0.0.1:{origin}"] }} }}
routes: [{{ host: 127.0.0.1, upstream: origin, access: any }}]
workers: {workers}
log: {{ access: "" }}
"""
_TLS: Final = "tls: { certificate: server.pem, private_key: server.key }\n"
_ACTIVE: Final = {
    "requests of clients in Envoy": "http.ingress.downstream_rq_active",
    "streams from Envoy to workers": "cluster.ext_proc.upstream_rq_active",
    "requests from Envoy to the upstream": "cluster.upstream_origin.upstream_rq_active",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """All that runs."""

    target: Target
    envoy: Envoy
    envoy_pid: int
    gateway: Child  # `extproc serve`
    origin: str  # where it can be asked without Envoy
    log: Path  # of the workers

    @property
    def worker_pids(self) -> list[int]:
        return proc.children(self.gateway.pid)

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

    async def healthy_workers(self) -> int:
        """As Envoy sees them."""
        return await self.envoy.admin.counter("cluster.ext_proc.membership_healthy")

    async def upstream(self) -> dict[str, int]:
        """The origin's own counts."""
        async with httpx.AsyncClient() as client:
            counts: dict[str, int] = (await client.get(f"{self.origin}/status")).json()
        return counts

    async def end_workers(self) -> list[dict[str, Any]]:
        """And give what they have logged."""
        await self.gateway.stop()
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@contextlib.asynccontextmanager
async def raised(*, workers: int = 1, threads: int = 1, tls: bool = False) -> AsyncIterator[Stage]:
    """Everything started, and ended with the block. `threads`: Envoy's. UserError."""
    proc.check_system()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="extproc-bench-")))
        port, file, log = _free_port(), folder / "gateway.yaml", folder / "workers.log"
        origin = await (await stack.enter_async_context(running("bench.origin"))).line()
        link = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        settings = _GATEWAY.format(port=port, link=link, origin=origin, workers=workers)
        file.write_text(settings + (_TLS if tls else ""))
        authority = _certify(folder) if tls else ""
        root = await _make_keys(file)
        gateway = await stack.enter_async_context(running("extproc", "serve", "-c", str(file), log=log))
        await gateway.line()
        envoy = Envoy(find_envoy(None), on_log=lambda _line: None)
        stack.push_async_callback(envoy.stop)
        pid = await _start(envoy, file, threads)
        yield Stage(Target(link, root, authority), envoy, pid, gateway, f"http://127.0.0.1:{origin}", log)


def _free_port() -> int:
    """A port where nobody listens: the link's origin has to be known before Envoy can choose one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _certify(folder: Path) -> str:
    """A certificate for loopback and its key; where their authority's is."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "server.pem", append=number > 0)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    (folder / "server.key").chmod(0o600)
    return str(folder / "authority.pem")


async def _make_keys(config: Path) -> str:
    """The root that clients pin."""
    root = config.with_name("root.pem")
    command = ("keys", "init", "-c", str(config), "--root", str(root), "--json")
    async with running("extproc", *command) as making:
        roots: list[str] = (await making.result())["roots"]
    return roots[0]


async def _start(envoy: Envoy, config: Path, threads: int) -> int:
    """Its process: the one that is new among ours."""
    before = proc.children(os.getpid())
    await envoy.start(to_yaml(bootstrap(load(config))), config.parent, log_level="error", concurrency=threads)
    (pid,) = set(proc.children(os.getpid())) - set(before)
    return pid
