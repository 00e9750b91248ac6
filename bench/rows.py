"""What `python -m bench` measures, a row each."""

from __future__ import annotations

import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from bench import events, whole
from bench.figures import percentile, rounded
from bench.processes import done
from bench.stage import Stage, raised
from bench.transfer import Load, Task

Row = dict[str, Any]  # "name", and figures by their names

SLOW_RATE: Final = 5_000_000  # bytes a second
_BUSY: Final = 16  # connections
_BYTES_PER_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """How long a run is."""

    exchanges: int  # whole exchanges
    transfer: int  # bytes of a download or upload
    slow: int  # bytes of one whose reader is slow
    pairs: int  # transfers through the link and without it, in turn
    events: int
    every_s: float  # between two events


FULL: Final = Scale(exchanges=16_000, transfer=2**30, slow=2**27, pairs=3, events=20, every_s=0.5)
QUICK: Final = Scale(exchanges=3_200, transfer=2**26, slow=2**23, pairs=2, events=10, every_s=0.2)


async def whole_1k(stage: Stage, scale: Scale) -> Row:
    """Exchanges of 1 KiB each way: how many a second on 16 connections, and how long on one."""
    busy = whole.Task(stage.target, connections=_BUSY, exchanges=scale.exchanges // _BUSY, size=1024)
    alone = replace(busy, connections=1, exchanges=scale.exchanges // 4)
    crowd, single = await done("bench.whole", busy), await done("bench.whole", alone)
    return {
        "exchanges_per_s": crowd["exchanges_per_s"],
        "p50_ms": single["p50_ms"],
        "p99_ms": single["p99_ms"],
    }


async def sse_delay(stage: Stage, scale: Scale) -> Row:
    """Server-sent events: from the upstream's writing of each to the app's reading of it."""
    task = events.Task(stage.target, scale.events, scale.every_s)
    delays_ms = (await done("bench.events", task))["delays_ms"]
    return {"p50_ms": percentile(delays_ms, 50), "max_ms": max(delays_ms)}


async def download(stage: Stage, scale: Scale) -> Row:
    """As an app has it: whoever receives the content hashes it as it comes, and compares."""
    return await _side_by_side(stage, Load("download", scale.transfer, is_hashed=True), scale.pairs)


async def upload(stage: Stage, scale: Scale) -> Row:
    return await _side_by_side(stage, Load("upload", scale.transfer, is_hashed=True), scale.pairs)


async def download_cleartext(stage: Stage, scale: Scale) -> Row:
    """The hardest comparison: without the link, nobody does anything but copy."""
    return await _side_by_side(stage, Load("download", scale.transfer), scale.pairs)


async def upload_cleartext(stage: Stage, scale: Scale) -> Row:
    return await _side_by_side(stage, Load("upload", scale.transfer), scale.pairs)


async def download_slow(stage: Stage, scale: Scale) -> Row:
    return await _alone(stage, Load("download", scale.slow, rate=SLOW_RATE, is_hashed=True))


async def upload_slow(stage: Stage, scale: Scale) -> Row:
    return await _alone(stage, Load("upload", scale.slow, rate=SLOW_RATE, is_hashed=True))


Measure = Callable[[Stage, Scale], Awaitable[Row]]

CLEARTEXT: Final[dict[str, Measure]] = {
    "whole-1k": whole_1k,
    "sse-delay": sse_delay,
    "download-cleartext": download_cleartext,
    "upload-cleartext": upload_cleartext,
}
OVER_TLS: Final[dict[str, Measure]] = {
    "download": download,
    "upload": upload,
    "download-slow": download_slow,
    "upload-slow": upload_slow,
}


async def measured(scale: Scale) -> AsyncGenerator[Row, None]:
    """Every row, as soon as it is known."""
    for rows, tls in ((CLEARTEXT, False), (OVER_TLS, True)):
        async with raised(tls=tls) as stage:
            for name, measure in rows.items():
                figures = {field: rounded(value) for field, value in (await measure(stage, scale)).items()}
                yield {"name": name, **figures}


async def _side_by_side(stage: Stage, load: Load, pairs: int) -> Row:
    """The same transfer without the link and through it, in turn."""
    stage.reset_peaks()
    plain, sealed = [], []
    for _ in range(pairs):
        plain.append(await _rate(stage, load, is_sealed=False))
        sealed.append(await _rate(stage, load))
    ratios = [through / without for through, without in zip(sealed, plain, strict=True)]
    return {
        "ratio_to_unsealed": statistics.median(ratios),
        "mb_per_s": statistics.median(sealed),
        "unsealed_mb_per_s": statistics.median(plain),
        **stage.peaks(),
    }


async def _alone(stage: Stage, load: Load) -> Row:
    stage.reset_peaks()
    return {"mb_per_s": await _rate(stage, load), **stage.peaks()}


async def _rate(stage: Stage, load: Load, *, is_sealed: bool = True) -> float:
    """MB a second."""
    target = replace(stage.target, is_sealed=is_sealed)
    seconds: float = (await done("bench.transfer", Task(target, load)))["seconds"]
    return load.size / _BYTES_PER_MB / seconds
