"""`python -m bench.steady TASK`: transfers until SIGTERM, whatever becomes of each of them."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import httpx

from bench.processes import read
from bench.target import Target
from bench.transfer import Direction, Load, transfer
from extproc.client import LinkError

_DIRECTIONS: Final[tuple[Direction, Direction]] = ("download", "upload")
_PAUSE_S: Final = 0.05  # after a failure: at once, the next one would only find the same


@dataclass(frozen=True, slots=True)
class Task:
    """`at_once` transfers of `size` bytes in each direction at any time."""

    target: Target
    size: int
    at_once: int = 4


@dataclass
class Outcomes:
    """How many came whole; how many were cut, as the app was told; and what must never be: it hung, it ended
    well with other bytes, it failed by what is no httpx.TransportError."""

    whole: int = 0
    cut: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def note(self, error: Exception | None) -> None:
        match error:
            case None:
                self.whole += 1
            case LinkError():
                self.cut[f"LinkError {error.code}"] += 1
            case httpx.TransportError() if not isinstance(error, httpx.TimeoutException):
                self.cut[type(error).__name__] += 1
            case _:
                self.wrong[repr(error)] += 1


def keep_on(client: httpx.Client, load: Load, outcomes: Outcomes, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            transfer(client, load)
        except Exception as error:
            outcomes.note(error)
            stop.wait(_PAUSE_S)
        else:
            outcomes.note(None)


def main(argument: str) -> None:
    """Print a line when transfers are under way, and the outcomes when it is told to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # for all threads: it is waited for below
    task = read(Task, argument)
    outcomes, stop = Outcomes(), threading.Event()
    with task.target.client() as client, ThreadPoolExecutor(2 * task.at_once) as pool:
        for direction in _DIRECTIONS * task.at_once:
            load = Load(direction, task.size, is_hashed=True)
            pool.submit(keep_on, client, load, outcomes, stop)
        print("under way", flush=True)
        signal.sigwait({signal.SIGTERM})
        stop.set()
    print(json.dumps(vars(outcomes)))


if __name__ == "__main__":
    main(sys.argv[1])
