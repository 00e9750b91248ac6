"""The progress of long transfers, as bars on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE_S: Final = 1.0  # what is over by then needs no bar

Count = Callable[[int], None]


@final
class Meter:
    """A bar for each `counter`, from a second on, until it is closed; or none at all."""

    def __init__(self, *, is_shown: bool) -> None:
        self._bars = _bars() if is_shown else None
        self._due_at = time.monotonic() + _PATIENCE_S

    def counter(self, name: str, total: int | None) -> Count:
        """To be called with the length of each piece. `total`: bytes in all, if that is known."""
        bars = self._bars
        if bars is None:
            return _ignore
        bar = bars.add_task(name, total=total)

        def count(length: int) -> None:
            bars.advance(bar, length)
            if self._bars is not None and time.monotonic() >= self._due_at:
                bars.start()

        return count

    def close(self) -> None:
        """Leave what is shown as it is, and show no more."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = None


def _ignore(_length: int) -> None:
    """Nobody is looking."""


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,  # where the body may go
    )
