"""The row of replays: of the copies of an envelope that come to all workers at once, one is opened."""

from __future__ import annotations

from typing import Any, Final

from bench.processes import done
from bench.replay import Task
from bench.scale import Row, RowError, Scale
from bench.stage import Stage, set_up
from extproc.errors import Code

NAME: Final = "replay"
_WORKERS: Final = 4


async def replay(scale: Scale) -> Row:
    """`accepted`: as the upstream counts, and as the client can open. RowError unless both are `distinct`."""
    distinct = scale.tries // _WORKERS
    async with set_up(workers=_WORKERS) as stage, stage.serving("wire"):
        before = await _reached(stage)
        answers = await done("bench.replay", Task(stage.link, distinct, copies=_WORKERS))
        reached = await _reached(stage) - before
        log = await stage.end_workers()
    by_worker = [line["exchanges"] for line in log if line["event"] == "worker.stopped"]
    check(answers, reached, distinct, by_worker)
    return {"tries": distinct * _WORKERS, "distinct": distinct, "accepted": reached}


async def _reached(stage: Stage) -> int:
    return (await stage.upstream())["asked"]


def check(answers: dict[str, Any], reached: int, distinct: int, by_worker: list[int]) -> None:
    """RowError for a copy that was taken, an envelope that was not, or a worker that was not asked."""
    accepted, refused = answers.get("200", 0), answers.get(Code.REPLAYED.value, 0)
    if not accepted == reached == distinct:
        raise RowError(
            f"of {distinct:,} envelopes {reached:,} have reached the upstream, "
            f"and the client has opened {accepted:,} answers to them"
        )
    if refused != (_WORKERS - 1) * distinct or sum(answers.values()) != accepted + refused:
        raise RowError(f"{_WORKERS - 1} of {_WORKERS} copies were to be refused as replayed: {answers}")
    if by_worker != [distinct] * _WORKERS:
        raise RowError(f"each worker was to be asked about {distinct:,} envelopes: {by_worker}")
