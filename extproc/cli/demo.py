"""`extproc demo`: a whole gateway on loopback, and one sealed order from three sides."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from extproc.cli.stage import Stage


def demo(
    check: Annotated[
        bool, typer.Option("--check", help="End after the order; exit code 0 only if every step held.")
    ] = False,
    envoy: Annotated[
        Path | None,
        typer.Option("--envoy", metavar="FILE", help="The Envoy to run. [default: the one that is found]"),
    ] = None,
) -> None:
    """Show one sealed order: the app's view, the wire, the upstream's view.

    Starts Envoy, two workers and a small shop on loopback, with keys made on the spot in a folder that goes
    with them, and stays up until Ctrl-C.

    \b
    Examples:
      extproc demo
      extproc demo --check
    """
    from rich.console import Console

    from extproc.bootstrap.find import find_envoy
    from extproc.server import signals

    console = Console(highlight=False)
    binary = find_envoy(envoy)
    outcome: list[bool] = []

    async def run(asked: asyncio.Event) -> None:
        outcome.append(await _run(console, binary, None if check else asked))

    signals.run(run)
    raise typer.Exit(130 if not outcome else 0 if outcome[0] else 1)


async def _run(console: Console, binary: Path, asked: asyncio.Event | None) -> bool:
    """Whether every step held. Stays until `asked`; None: ends at once."""
    from extproc.cli import stage as stages
    from extproc.errors import UserError
    from extproc.server import signals

    console.print("Starting Envoy, two workers and a shop on loopback ...\n", style="dim")
    async with stages.raised(binary) as stage:
        held = await asyncio.to_thread(_play, console, stage)
        if asked is not None:
            _invite(console, stage)
            if await signals.unless(asked, stage.envoy.wait()):
                raise UserError("Envoy has ended by itself; its log is above")
    return held


def _play(console: Console, stage: Stage) -> bool:
    import httpx

    from extproc.cli import panels, script
    from extproc.demo.scene import Step, steps

    try:
        scene = script.send_order(stage)
        stage.tap.recording = False
        panels.show_scene(console, scene)
        console.print()
        order_held = panels.show_steps(console, steps(scene))
        return panels.show_steps(console, script.meddle(stage)) and order_held
    except httpx.TransportError as error:
        return panels.show_steps(console, [Step("The link answers", False, str(error))])


def _invite(console: Console, stage: Stage) -> None:
    """What to try next, ready to paste."""
    lines = [
        f"\nThe gateway stays up at {stage.link}, its files in {stage.folder}. Ctrl-C ends it.",
        f"\nRoot to pin: {stage.root}",
        "\nThrough the link:",
        f"  {_this_command()} fetch https://shop.example.com/prices --link {stage.link} --root {stage.root}",
        "Past it, which is refused with 403:",
        f"  curl -i {stage.link}/prices -H 'host: shop.example.com'",
    ]
    console.print("\n".join(lines), soft_wrap=True)


def _this_command() -> str:
    """What the user can type, from where he is, to run this program again."""
    if shutil.which("extproc"):
        return "extproc"
    if Path(sys.argv[0]).name == "extproc":
        return shlex.quote(sys.argv[0])
    return f"{shlex.quote(sys.executable)} -m extproc"
