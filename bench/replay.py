"""`python -m bench.replay TASK`: envelopes that come to all workers at once, as if somebody had copied them.

Each is sent on as many connections as there are workers, before any of them is answered. With one thread,
Envoy hands exchanges to its workers in turn, so that each of them is asked about each envelope.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass

from bench import loop
from bench.carrier import connected
from bench.processes import read
from bench.turns import AnswerError, Link, Sender, Turn, read_answer


@dataclass(frozen=True, slots=True)
class Task:
    """`distinct` envelopes, each sent `copies` times."""

    link: Link
    distinct: int
    copies: int


async def tried(task: Task) -> Counter[str]:
    """How many were answered with which status or fault."""
    sender, found = Sender(task.link, "sealed", size=0), Counter[str]()
    carriers = [await connected(task.link.origin) for _ in range(task.copies)]
    for _ in range(task.distinct):
        first = sender.turn()
        turns = [Turn(first.request, first.opener) for _ in carriers]
        await asyncio.gather(*(carrier.carry([turn]) for carrier, turn in zip(carriers, turns, strict=True)))
        found.update(map(_outcome, turns))
    return found


def _outcome(turn: Turn) -> str:
    try:
        return read_answer(turn).outcome
    except AnswerError as error:
        return str(error)


def main(argument: str) -> None:
    print(json.dumps(loop.run(tried(read(Task, argument)))))


if __name__ == "__main__":
    main(sys.argv[1])
