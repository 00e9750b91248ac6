"""`extproc up`: Envoy and the workers, under one supervisor."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from extproc.bootstrap.run import Envoy
    from extproc.config.settings import Settings

_RESTART_S: Final = 1.0  # before a dead Envoy is started again


def up(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The gateway's settings.")
    ] = Path("gateway.yaml"),
    envoy: Annotated[
        Path | None,
        typer.Option("--envoy", metavar="FILE", help="The Envoy to run. [default: the one that is found]"),
    ] = None,
) -> None:
    """Run the gateway: Envoy and its workers.

    SIGTERM or Ctrl-C drains Envoy first and then the workers, so that open exchanges can end; a second one
    ends them at once.

    \b
    Example:
      extproc up -c gateway.yaml
    """
    from extproc.bootstrap.find import find_envoy
    from extproc.config.load import load
    from extproc.server import signals, telemetry

    settings = load(config)
    telemetry.configure(settings.log)
    binary = find_envoy(envoy)
    signals.run(lambda asked: _up(binary, config, settings, asked))


async def _up(binary: Path, config: Path, settings: Settings, asked: asyncio.Event) -> None:
    from extproc.bootstrap.build import bootstrap, to_yaml
    from extproc.bootstrap.tls import check_authorities
    from extproc.server import signals
    from extproc.server.workers import Supervisor

    generated = to_yaml(bootstrap(settings))
    check_authorities(settings)
    workers = Supervisor(config, settings)
    signals.on_hangup(workers.look_at_keys)
    async with contextlib.AsyncExitStack() as stack:
        if await signals.unless(asked, stack.enter_async_context(workers)):
            while not asked.is_set():
                await _one_envoy(binary, generated, settings, asked)


async def _one_envoy(binary: Path, generated: str, settings: Settings, asked: asyncio.Event) -> None:
    """From start to the drain, or to its death. UserError when it does not start."""
    import structlog

    from extproc.bootstrap.run import Envoy
    from extproc.server import signals

    log = structlog.get_logger()
    envoy = Envoy(binary, on_log=lambda line: log.warning("envoy", text=line))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(envoy.stop)
        if not await signals.unless(asked, _start(envoy, generated, settings)):
            return
        _announce(envoy, settings)
        if await signals.unless(asked, envoy.wait()):
            log.error("envoy.died", code=await envoy.wait())
            await signals.unless(asked, asyncio.sleep(_RESTART_S))
        else:
            await envoy.drain(settings.drain.total_seconds())


async def _start(envoy: Envoy, generated: str, settings: Settings) -> None:
    # Below "warning" Envoy's log shows requests, and after the processor these are the inner ones.
    level = "error" if settings.log.level == "error" else "warning"
    drain_s = settings.drain.total_seconds()
    scratch = settings.path(settings.state_dir)  # locked by the supervisor, so it is nobody else's
    await envoy.start(generated, settings.folder, log_level=level, drain_s=drain_s, scratch=scratch)


def _announce(envoy: Envoy, settings: Settings) -> None:
    host, port = envoy.address
    scheme = "http" if settings.tls is None else "https"
    shown = f"[{host}]" if ":" in host else host
    workers = "1 worker" if settings.workers == 1 else f"{settings.workers} workers"
    typer.echo(f"Listening on {scheme}://{shown}:{port}, with {workers} behind it")
