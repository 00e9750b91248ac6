"""What `python -m bench` measures, a row each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Final

from bench import exchanges, replays, transfers
from bench.figures import rounded
from bench.scale import Row, Scale
from bench.stage import raised

NAMES: Final = [*exchanges.NAMES, replays.NAME, *transfers.CLEARTEXT, *transfers.OVER_TLS]


async def measured(scale: Scale, wanted: Collection[str] = NAMES) -> AsyncGenerator[Row, None]:
    """The rows that are `wanted`, as soon as they are known."""
    async for row in _measured(scale, set(wanted)):
        yield {name: rounded(value) if isinstance(value, float) else value for name, value in row.items()}


async def _measured(scale: Scale, wanted: set[str]) -> AsyncIterator[Row]:
    if wanted.intersection(exchanges.NAMES):
        for row in await exchanges.exchanges(scale, wanted):
            yield row
    if replays.NAME in wanted:
        yield {"name": replays.NAME, **await replays.replay(scale)}
    for rows, tls in ((transfers.CLEARTEXT, False), (transfers.OVER_TLS, True)):
        chosen = {name: measure for name, measure in rows.items() if name in wanted}
        if chosen:
            async with raised(tls=tls) as stage:
                for name, measure in chosen.items():
                    yield {"name": name, **await measure(stage, scale)}
