"""The demo's output: one order from three places, side by side where there is room, and the list of steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from extproc.demo.endpoints import Received
from extproc.demo.scene import Message, Scene, Step, hexdump, pretty

_SIDE_BY_SIDE: Final = 120  # columns
_DUMP_ROWS: Final = 4


def show_scene(console: Console, scene: Scene) -> None:
    """Three panels: what the app saw, what the wire carried, what the upstream got."""
    order = scene.turns[-1]
    panels = [
        ("What the app saw", [_readable(scene.app_request), _readable(scene.app_response)]),
        ("What the wire carried", [_sealed(bytes(raw)) for raw in (order.sent, order.received)]),
        ("What the upstream got", [_received(request) for request in scene.upstream]),
    ]
    if console.width < _SIDE_BY_SIDE:
        for title, parts in panels:
            console.print(_panel(title, parts))
    else:
        console.print(_side_by_side(console, panels))


def show_steps(console: Console, steps: Iterable[Step]) -> bool:
    """A line a step, as each is known. Whether all held."""
    tick, cross = ("✓", "✗") if console.encoding.startswith("utf") else ("ok", "NO")
    all_held = True
    for step in steps:
        all_held &= step.held
        mark = Text(tick, style="green") if step.held else Text(cross, style="bold red")
        console.print(mark, Text(step.name), Text(f"({step.seen})", style="dim"), soft_wrap=True)
    return all_held


def _side_by_side(console: Console, panels: Sequence[tuple[str, Sequence[Text]]]) -> Table:
    options = console.options.update(width=console.width // len(panels))
    height = max(len(console.render_lines(_panel(*panel), options)) for panel in panels)
    grid = Table.grid(expand=True)
    for _ in panels:
        grid.add_column(ratio=1)
    grid.add_row(*(_panel(*panel, height=height) for panel in panels))
    return grid


def _panel(title: str, parts: Sequence[Text], height: int | None = None) -> Panel:
    spaced = [line for part in parts for line in (part, Text())][:-1]
    return Panel(Group(*spaced), title=title, height=height)


def _readable(message: Message) -> Text:
    return _text(message, pretty(message.body))


def _sealed(raw: bytes) -> Text:
    message = Message.from_wire(raw)
    return _text(message, hexdump(message.body, rows=_DUMP_ROWS), style="red")


def _received(request: Received) -> Text:
    return _readable(Message(f"{request.method} {request.path}", request.headers, request.body.start))


def _text(message: Message, body: Iterable[str], style: str = "") -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(message.line, style="bold")
    for name, value in message.headers:
        text.append(f"\n{name.lower()}: ", style="dim").append(value)
    for line in body:
        text.append(f"\n{line}", style=style)
    return text
