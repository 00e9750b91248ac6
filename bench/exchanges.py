"""Rows of whole exchanges: what one costs, with which service behind the same Envoy, and how that grows.

A machine is not as fast in one minute as in the next. So the services take turns, in rounds, and a ratio is
the median of those to the bare service of the same round.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from bench import bare, whole
from bench.processes import done
from bench.scale import Row, Scale
from bench.services import Kind
from bench.stage import Stage, set_up, unfiltered
from bench.turns import Way

BARE: Final = "bare-grpcio"
FIGURES: Final = ("exchanges_per_s", "p50_ms", "p99_ms", "service_cpu_us", "envoy_cpu_us")
RATIOS: Final = {"rate_ratio": "exchanges_per_s", "cpu_ratio": "service_cpu_us", "p50_ratio": "p50_ms"}


@dataclass(frozen=True, slots=True)
class Load:
    """What a row sends. `size`: bytes of body each way."""

    way: Way = "sealed"
    size: int = 1024
    connections: int = 16
    with_cookie: bool = False


# By the service that is behind Envoy; None: Envoy without the filter.
ROUND: Final[dict[Kind | None, dict[str, Load]]] = {
    None: {"envoy-only": Load("plain")},
    "bare": {BARE: Load("unopened", size=bare.SIZE)},
    "grpcio": {"sealed-grpcio-1k": Load()},
    "wire": {
        "sealed-wire-1k": Load(),
        "sealed-wire-1k-cookies": Load(with_cookie=True),
        "plain": Load("plain"),
        "sealed-wire-16k": Load(size=2**14),
        "sealed-wire-64k": Load(size=2**16),
        "sealed-wire-256k": Load(size=2**18),
        "sealed-wire-1m": Load(size=2**20),
        "sealed-wire-1k-1-connection": Load(connections=1),
        "sealed-wire-1k-4-connections": Load(connections=4),
        "sealed-wire-1k-64-connections": Load(connections=64),
        "sealed-wire-1k-512-connections": Load(connections=512),
    },
}
WORKERS: Final = {"sealed-wire-1k-2-workers": 2, "sealed-wire-1k-4-workers": 4}
FIRST: Final = "whole-1k"  # what `sealed-wire-1k` was called when it was the only one
_FIRST_FIGURES: Final = ("exchanges_per_s", "p50_ms", "p99_ms")
NAMES: Final = [*(name for rows in ROUND.values() for name in rows), *WORKERS, FIRST]


async def exchanges(scale: Scale, wanted: Collection[str]) -> list[Row]:
    """The rows that are `wanted`; the bare one is measured whether it is or not."""
    found = await _rounds(scale, {BARE, *wanted, *(["sealed-wire-1k"] if FIRST in wanted else [])})
    for name, workers in WORKERS.items():
        if name in wanted:
            found[name] = await _workers(scale, workers)
    rows = {name: _row(rounds, found[BARE]) for name, rounds in found.items()}
    if FIRST in wanted:
        rows[FIRST] = {field: rows["sealed-wire-1k"][field] for field in _FIRST_FIGURES}
    return [{"name": name, **rows[name]} for name in NAMES if name in wanted]


async def _rounds(scale: Scale, wanted: Collection[str]) -> dict[str, list[Row]]:
    """What each row has been in each round."""
    found: dict[str, list[Row]] = {}
    async with set_up() as stage:
        for number in range(scale.rounds):
            print(f"bench: round {number + 1} of {scale.rounds}", file=sys.stderr, flush=True)
            for kind, rows in ROUND.items():
                chosen = {name: load for name, load in rows.items() if name in wanted}
                if chosen:
                    for name, figures in (await _turn(stage, kind, chosen, scale)).items():
                        found.setdefault(name, []).append(figures)
    return found


async def _turn(stage: Stage, kind: Kind | None, rows: dict[str, Load], scale: Scale) -> dict[str, Row]:
    if kind is None:
        async with unfiltered(stage) as other:
            return {name: await _measured(other, load, scale) for name, load in rows.items()}
    async with stage.serving(kind):
        return {name: await _measured(stage, load, scale) for name, load in rows.items()}


async def _workers(scale: Scale, workers: int) -> list[Row]:
    """With as many threads of Envoy, as far as there are cores for them."""
    async with (
        set_up(workers=workers, threads=min(workers, os.cpu_count() or 1)) as stage,
        stage.serving("wire"),
    ):
        return [await _measured(stage, Load(), scale) for _ in range(scale.rounds)]


async def _measured(stage: Stage, load: Load, scale: Scale) -> Row:
    most = scale.volume // load.size
    task = whole.Task(
        stage.link,
        load.way,
        load.connections,
        busy=max(min(scale.busy, most), load.connections),
        alone=min(scale.alone, most // 4),
        size=load.size,
        with_cookie=load.with_cookie,
        service=stage.worker_pids,
        envoy=stage.envoy_pid,
    )
    return await done("bench.whole", task)


def _row(rounds: list[Row], bare_rounds: list[Row]) -> Row:
    """The median of the rounds, and of their ratios to the bare service."""
    figures = {field: statistics.median(each[field] for each in rounds) for field in FIGURES}
    pairs = list(zip(rounds, bare_rounds, strict=True))
    ratios = {
        ratio: statistics.median(own[field] / other[field] for own, other in pairs)
        for ratio, field in RATIOS.items()
    }
    return figures | ratios
