"""`python -m bench.whole TASK`: whole exchanges, by a client that has sealed all of them beforehand.

It speaks the protocol as an SDK does. While a clock runs it only writes, reads and counts; every answer is
opened and looked at when the clocks have stopped.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

from bench import loop
from bench.carrier import Carrier, connected
from bench.figures import percentile
from bench.proc import CpuClock
from bench.processes import read
from bench.turns import AnswerError, Link, Sender, Turn, Way, read_answer

_US_PER_S: Final = 1_000_000
_MS_PER_S: Final = 1000
_SEALED_COOKIE: Final = b"__Secure-pl-"


@dataclass(frozen=True, slots=True)
class Task:
    """`alone` exchanges on a single connection, one after the other, then `busy` on `connections` at once.

    `size`: bytes of body each way. `with_cookie`: each request brings a sealed cookie, each answer sets it
    anew. `service`, `envoy`: the processes whose CPU is counted while it is busy.
    """

    link: Link
    way: Way
    connections: int
    busy: int
    alone: int
    size: int
    with_cookie: bool
    service: list[int]
    envoy: int


class Client:
    """One connection, and who seals for it."""

    def __init__(self, task: Task, carrier: Carrier) -> None:
        self._sender = Sender(task.link, task.way, task.size, "/visits" if task.with_cookie else "/bytes")
        self._carrier = carrier
        self._with_cookie = task.with_cookie
        self._cookie = ""
        self._carried: list[Turn] = []
        self._ready: list[Turn] = []

    async def begin(self) -> None:
        """One exchange: all on its way is connected then, and whoever opens envelopes knows the secret."""
        first = self._sender.turn()
        await self._carrier.carry([first])
        self._check(first, visits=1)
        self._cookie = (first.head.get(b"set-cookie") or b"").partition(b";")[0].decode()

    def seal(self, count: int) -> None:
        """What `carry` will carry."""
        self._ready = [self._sender.turn(self._cookie) for _ in range(count)]

    def carry(self) -> asyncio.Future[None]:
        self._carried += self._ready
        return self._carrier.carry(self._ready)

    def latencies_s(self) -> list[float]:
        """Of the last that were carried."""
        return [turn.latency_s for turn in self._ready]

    def check(self) -> None:
        """Raises AnswerError for an exchange that did not come off, LinkError for what does not open."""
        for turn in self._carried:
            self._check(turn, visits=2)

    def _check(self, turn: Turn, visits: int) -> None:
        answer = read_answer(turn)
        if (answer.outcome, answer.size) != ("200", self._sender.answer_size):
            raise AnswerError(f"answered with {answer.outcome} and {answer.size} bytes")
        if self._with_cookie:
            outside = turn.head.get(b"set-cookie") or b""
            if answer.cookies != [b"visits=%d; Path=/" % visits] or not outside.startswith(_SEALED_COOKIE):
                raise AnswerError(f"the upstream set {answer.cookies} and not its {visits}. visit, sealed")


async def measured(task: Task) -> dict[str, Any]:
    clients = [Client(task, await connected(task.link.origin)) for _ in range(task.connections)]
    for client in clients:
        await client.begin()
    gc.disable()  # it would stop the clock's exchanges for what is no garbage
    clients[0].seal(task.alone)
    await clients[0].carry()
    alone_ms = [latency_s * _MS_PER_S for latency_s in clients[0].latencies_s()]
    for client in clients:
        client.seal(task.busy // task.connections)
    figures = await _busy(task, clients)
    for client in clients:
        client.check()
    return {**figures, "p50_ms": percentile(alone_ms, 50), "p99_ms": percentile(alone_ms, 99)}


async def _busy(task: Task, clients: list[Client]) -> dict[str, float]:
    """All at once: how many a second, and the CPU of each."""
    count = task.busy // task.connections * task.connections
    clocks = {"service_cpu_us": CpuClock(task.service), "envoy_cpu_us": CpuClock([task.envoy])}
    began = time.perf_counter()
    await asyncio.gather(*(client.carry() for client in clients))
    seconds = time.perf_counter() - began
    cpu_us = {name: clock.seconds() / count * _US_PER_S for name, clock in clocks.items()}
    return {"exchanges_per_s": count / seconds, **cpu_us}


def main(argument: str) -> None:
    print(json.dumps(loop.run(measured(read(Task, argument)))))


if __name__ == "__main__":
    main(sys.argv[1])
