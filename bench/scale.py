"""How long a run is, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from extproc.errors import ExtprocError

Row = dict[str, Any]  # "name", and figures by their names


class RowError(ExtprocError):
    """A row has found what must not be."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How long a run is."""

    rounds: int  # in which the services that are compared take turns
    busy: int  # exchanges on all connections of a row, in a round
    alone: int  # exchanges on a single one
    volume: int  # bytes that either may carry, each way: fewer exchanges, if they are large
    tries: int  # to have an envelope opened, whether it was opened before or not
    transfer: int  # bytes of a download or upload
    slow: int  # bytes of one whose reader is slow
    pairs: int  # transfers through the link and without it, in turn
    events: int
    every_s: float  # between two events


FULL: Final = Scale(
    rounds=3,
    busy=12_800,
    alone=2_000,
    volume=2**28,
    tries=100_000,
    transfer=2**30,
    slow=2**27,
    pairs=3,
    events=20,
    every_s=0.5,
)
QUICK: Final = Scale(
    rounds=2,
    busy=2_560,
    alone=300,
    volume=2**26,
    tries=20_000,
    transfer=2**26,
    slow=2**23,
    pairs=2,
    events=10,
    every_s=0.2,
)
