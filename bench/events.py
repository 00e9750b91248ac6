"""`python -m bench.events TASK`: server-sent events through the SDK, and how late each one is."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Final

from bench.processes import read
from bench.target import Target

_FIELD: Final = "data: "
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """`count` events, `every_s` seconds apart."""

    target: Target
    count: int
    every_s: float


def delays_ms(task: Task) -> list[float]:
    """From the upstream's writing of each event to the app's reading of it; one clock for both."""
    url = f"/events?n={task.count}&every={task.every_s}"
    with task.target.client() as client, client.stream("GET", url) as response:
        response.raise_for_status()
        lines = (line for line in response.iter_lines() if line.startswith(_FIELD))
        return [(time.monotonic_ns() - int(line.removeprefix(_FIELD))) / _NS_PER_MS for line in lines]


def main(argument: str) -> None:
    """Print the delays in ms, in the order of the events."""
    task = read(Task, argument)
    print(json.dumps({"delays_ms": delays_ms(task)}))


if __name__ == "__main__":
    main(sys.argv[1])
