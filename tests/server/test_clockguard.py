"""Invariant: after a step of the clock no id is judged until all that was sealed before it is stale."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from extproc.link.replay import KEEP_MS, Verdict
from extproc.server.clockguard import ClockGuard
from extproc.server.stores import MemoryStore

NOW = 1_700_000_000_000


@dataclass
class Machine:
    """Its two clocks; a store behind the guard."""

    wall: int = NOW
    steady: int = 5_000

    def __post_init__(self) -> None:
        self.store = ClockGuard(MemoryStore(100, self.wall), self.wall, lambda: self.steady * 1_000_000)

    def passes(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms

    def check(self, number: int) -> Verdict:
        return self.store.check(number.to_bytes(16, "big"), self.wall)


def test_time_that_passes_is_no_step() -> None:
    machine = Machine()
    assert machine.store.created_at_ms == NOW
    assert machine.check(1) is Verdict.FRESH
    machine.passes(3_600_000)
    assert machine.check(2) is Verdict.FRESH
    machine.wall += 30_000  # as much as a client's clock may be off
    assert machine.check(3) is Verdict.FRESH


@pytest.mark.parametrize("step", [-30_001, 30_001, -3_600_000, KEEP_MS + 1, 1_700_000_000_000])
def test_after_a_step_nothing_is_judged_for_three_minutes(step: int) -> None:
    machine = Machine()
    assert machine.check(1) is Verdict.FRESH
    machine.wall += step
    assert machine.check(2) is Verdict.UNAVAILABLE
    assert not machine.store.can_tell(machine.wall)
    machine.passes(179_999)
    assert machine.check(2) is Verdict.UNAVAILABLE
    machine.passes(1)
    assert machine.store.can_tell(machine.wall)
    assert machine.check(2) is Verdict.FRESH


def test_a_clock_that_was_ahead_for_a_moment_lets_nothing_run_twice() -> None:
    machine = Machine()
    assert machine.check(1) is Verdict.FRESH
    sent_at = machine.wall
    machine.wall += KEEP_MS + 1
    assert machine.check(2) is Verdict.UNAVAILABLE
    machine.wall -= KEEP_MS + 1
    while machine.wall <= sent_at + 120_000:  # as long as number 1 would be taken for fresh
        assert machine.check(1) is not Verdict.FRESH
        machine.passes(10_000)
