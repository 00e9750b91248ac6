"""Rows of what streams: events as they come, large downloads and uploads."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from bench import events
from bench.figures import percentile
from bench.processes import done
from bench.scale import Row, Scale
from bench.stage import Stage
from bench.transfer import Load, Task

SLOW_RATE: Final = 5_000_000  # bytes a second
_BYTES_PER_MB: Final = 1_000_000


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
