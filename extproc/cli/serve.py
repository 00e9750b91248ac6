"""`extproc serve`: the workers alone."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio

    from extproc.config.settings import Settings


def serve(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The gateway's settings.")
    ] = Path("gateway.yaml"),
) -> None:
    """Run the workers alone, for an Envoy that is started elsewhere.

    What that Envoy needs, `extproc envoy --snippet` prints. SIGTERM or Ctrl-C lets open exchanges end first,
    a second one does not.

    \b
    Example:
      extproc serve -c gateway.yaml
    """
    from extproc.config.load import load
    from extproc.server import signals, telemetry

    settings = load(config)
    telemetry.configure(settings.log)
    signals.run(lambda asked: _serve(config, settings, asked))


async def _serve(config: Path, settings: Settings, asked: asyncio.Event) -> None:
    from extproc.server import signals
    from extproc.server.workers import Supervisor

    async with contextlib.AsyncExitStack() as stack:
        workers = Supervisor(config, settings)
        signals.on_hangup(workers.look_at_keys)
        if await signals.unless(asked, stack.enter_async_context(workers)):
            typer.echo(f"Serving on {', '.join(workers.addresses)}")
            await asked.wait()
