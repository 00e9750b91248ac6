"""`extproc demo`: a whole gateway on loopback, and one sealed order from three sides."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shlex
import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from extproc.cli.demo_stage import Stage

T = TypeVar("T")


def demo(
    check: Annotated[
        bool, typer.Option("--check", help="End after the steps; exit code 0 only if every one held.")
    ] = False,
    envoy: Annotated[
        Path | None,
        typer.Option("--envoy", metavar="FILE", help="The Envoy to run. [default: the one that is found]"),
    ] = None,
) -> None:
    """Show one sealed order: the app's view, the wire, the upstream's view. Then an event, and attacks.

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
        outcome.append(await _run(console, binary, asked, stay=not check))

    signals.run(run)
    raise typer.Exit(130 if not outcome else 0 if outcome[0] else 1)


async def _run(console: Console, binary: Path, asked: asyncio.Event, *, stay: bool) -> bool:
    """Whether every step held. Cancelled by a signal that comes before that is known."""
    from extproc.cli import demo_stage
    from extproc.errors import UserError
    from extproc.server import signals

    console.print("Starting Envoy, two workers and a shop on loopback ...\n", style="dim")
    async with contextlib.AsyncExitStack() as stack:
        stage = await _unless(asked, stack.enter_async_context(demo_stage.raised(binary)))
        held = await _unless(asked, _played(console, stage))
        if stay:
            stage.tap.recording = True  # for the page
            _invite(console, stage)
            if await signals.unless(asked, stage.envoy.wait()):
                raise UserError("Envoy has ended by itself; its log is above")
    return held


async def _unless(asked: asyncio.Event, work: Coroutine[object, object, T]) -> T:
    """What `work` gives. A signal cancels it, and with it all that has been started."""
    from extproc.server import signals

    working = asyncio.ensure_future(work)
    if not await signals.unless(asked, working):
        raise asyncio.CancelledError
    return working.result()


async def _played(console: Console, stage: Stage) -> bool:
    try:
        return await asyncio.to_thread(_play, console, stage)
    except asyncio.CancelledError:
        console.quiet = True  # the thread goes on until it finds that its gateway has gone
        raise


def _play(console: Console, stage: Stage) -> bool:
    import httpx

    from extproc.cli import demo_panels, demo_script
    from extproc.demo.scene import Step, steps

    try:
        scene = demo_script.send_order(stage)
        stage.tap.recording = False
        demo_panels.show_scene(console, scene)
        console.print()
        script = itertools.chain(steps(scene), demo_script.watch(stage), demo_script.meddle(stage))
        return demo_panels.show_steps(console, script)
    except httpx.TransportError as error:
        return demo_panels.show_steps(console, [Step("The link answers", False, str(error))])


def _invite(console: Console, stage: Stage) -> None:
    """What to try next, ready to paste."""
    fetch, via = f"{_this_command()} fetch", f"--link {stage.link} --root {stage.root}"
    lines = [
        f"\nThe gateway stays up at {stage.link}, its files in {stage.folder}. Ctrl-C ends it.",
        f"\nA page to try it in a browser: {stage.page}/",
        f"\nRoot to pin: {stage.root}",
        "\nThrough the link:",
        f"  {fetch} https://shop.example.com/prices {via}",
        "Each event as it comes, until Ctrl-C:",
        f"  {fetch} -N https://shop.example.com/events {via}",
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
