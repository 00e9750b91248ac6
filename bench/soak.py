"""`python -m bench.soak`: wear the gateway out, and say what it lost: memory, streams, or the truth.

Slow transfers of a size that no buffer holds, clients that hang up at random points, workers that are killed
half-way. Open requests and memory are counted before and after, at each party that can be asked.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from typing import Final

from bench import aborts, commands, proc, steady, transfer
from bench.processes import as_argument, done, running
from bench.stage import Stage, raised
from bench.transfer import Direction, Load

_WORKERS: Final = 2  # so that one goes on while the other is killed
_SETTLED_S: Final = 1.0  # for all that belongs to a client that has gone
_BACK_S: Final = 30.0  # for a worker that was killed
_MOST_MIB: Final = 200.0  # of a worker or Envoy, whatever is transferred
_GROWTH_MIB: Final = 64.0  # of the same, from before to after: what allocators keep


@dataclass(frozen=True, slots=True)
class Scale:
    """How long a run is. Sizes in bytes."""

    transfer: int
    rate: int
    aborts: int  # in each direction
    kills: int
    size: int  # of a transfer that is aborted or cut


FULL: Final = Scale(transfer=2**30, rate=5_000_000, aborts=1000, kills=50, size=2**22)
QUICK: Final = Scale(transfer=2**25, rate=5_000_000, aborts=50, kills=3, size=2**22)


async def soak(scale: Scale) -> list[str]:
    """What went wrong, a sentence each."""
    async with raised(workers=_WORKERS, threads=_WORKERS) as stage:
        # First some aborts, so that what allocators keep for the next ones is part of `before`.
        found = await _aborts(stage, scale, count=scale.aborts // 4)
        before = _memory(stage)
        found += await _slow_transfers(stage, scale)
        found += await _aborts(stage, scale, count=scale.aborts)
        after = _memory(stage)
        _say(f"MiB before: {_figures(before)}; after: {_figures(after)}")
        found += grown(before, after)
        found += await _kills(stage, scale)
        found += await _told(stage)
    return found


async def _slow_transfers(stage: Stage, scale: Scale) -> list[str]:
    """Both directions at once."""
    stage.reset_peaks()
    directions: tuple[Direction, ...] = ("download", "upload")
    loads = (Load(direction, scale.transfer, scale.rate, is_hashed=True) for direction in directions)
    tasks = [transfer.Task(stage.target, load) for load in loads]
    took = await asyncio.gather(*(done("bench.transfer", task) for task in tasks))
    seconds = max(each["seconds"] for each in took)
    peaks = stage.peaks()
    _say(f"{scale.transfer:,} bytes each way, at {scale.rate:,} a second: {seconds:.0f} s; {_figures(peaks)}")
    found = [f"{name} is {mib:.0f}" for name, mib in peaks.items() if mib > _MOST_MIB]
    return found + await still_open(stage)


async def _aborts(stage: Stage, scale: Scale, count: int) -> list[str]:
    failures = (await done("bench.aborts", aborts.Task(stage.target, count, scale.size)))["failures"]
    began = time.monotonic()
    left = await still_open(stage)
    _say(f"{count} aborts each way; closed everywhere, or given up, after {time.monotonic() - began:.2f} s")
    return [f"{times} times before an abort: {error}" for error, times in failures.items()] + left


async def _kills(stage: Stage, scale: Scale) -> list[str]:
    task = steady.Task(stage.target, scale.size)
    async with running("bench.steady", as_argument(task)) as client:
        await client.line()
        for _ in range(scale.kills):
            if not await stage.all_serve(_WORKERS, _BACK_S):
                return [f"a worker that was killed does not serve again within {_BACK_S} s"]
            await asyncio.sleep(secrets.randbelow(500) / 1000)  # into transfers that are under way
            os.kill(secrets.choice(stage.worker_pids), signal.SIGKILL)
        client.ask_to_end()
        outcomes = await client.result()
    cut = outcomes["cut"]
    _say(f"{scale.kills} kills: {outcomes['whole']} transfers whole; cut: {_figures(cut) or 'none'}")
    found = [f"{times} transfers: {error}" for error, times in outcomes["wrong"].items()]
    return found + ([] if cut else ["no kill cut a transfer"]) + await still_open(stage)


async def still_open(stage: Stage) -> list[str]:
    """What is still open when there was time enough to see that the clients have gone."""
    deadline = time.monotonic() + _SETTLED_S
    while True:
        counts = await stage.under_way()
        if not any(counts.values()) or time.monotonic() > deadline:
            return [f"{n} {name} still open after {_SETTLED_S} s" for name, n in counts.items() if n]
        await asyncio.sleep(0.02)


def _memory(stage: Stage) -> dict[str, float]:
    """MiB, by whose it is."""
    return {f"{name} {pid}": proc.resident_mib(pid) for pid, name in stage.processes().items()}


def grown(before: dict[str, float], after: dict[str, float]) -> list[str]:
    """Who has taken memory, and has not given it back."""
    return [
        f"{name} grew from {before[name]:.0f} to {mib:.0f} MiB"
        for name, mib in after.items()
        if mib > before[name] + _GROWTH_MIB
    ]


async def _told(stage: Stage) -> list[str]:
    """What the upstream and the workers themselves have counted."""
    wrong = (await stage.upstream())["wrong"]
    log = await stage.end_workers()
    cut = sum(line.get("cut", 0) for line in log)
    bugs = [line for line in log if line["event"] == "stream.bug"]
    return [
        *([f"{wrong} uploads ended well at the upstream, and were not what was sent"] if wrong else []),
        *([f"{cut} exchanges were open in the workers at their end"] if cut else []),
        *(f"a bug in a worker: {line['exception']}" for line in bugs),
    ]


def _figures(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in figures.items())


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Wear the gateway out.")
    parser.add_argument("--quick", action="store_true", help="a few rounds of each")
    options = parser.parse_args()
    found = commands.run(soak(QUICK if options.quick else FULL))
    for sentence in found:
        print(f"soak: {sentence}", file=sys.stderr)
    if not found:
        _say("nothing was lost")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
