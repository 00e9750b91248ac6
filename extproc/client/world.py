"""Clocks, randomness and sleep, handed in so that tests decide them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ticks() -> float:
    """`time.monotonic` stands still while the device sleeps; CLOCK_BOOTTIME goes on."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, by both clocks of a World."""

    ms: int
    ticks: float


@dataclass(frozen=True, slots=True)
class World:
    """The real one, unless told otherwise."""

    now_ms: Callable[[], int] = _now_ms  # Unix milliseconds, by a clock that may jump
    monotonic: Callable[[], float] = _ticks  # seconds, by one that does not
    random: Callable[[int], bytes] = os.urandom
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep

    def now(self) -> int:
        """Unix seconds."""
        return self.now_ms() // 1000

    def moment(self) -> Moment:
        return Moment(self.now_ms(), self.monotonic())

    def since(self, then: Moment) -> float:
        """Seconds, by the clock that says more: one can be set back, and the other may have stood still
        while the device slept. What holds only for so long has ended as soon as either says so."""
        return max(self.monotonic() - then.ticks, (self.now_ms() - then.ms) / 1000)

    def uniform(self) -> float:
        """A number from 0 to 1, for jitter."""
        return int.from_bytes(self.random(4), "big") / 0xFFFF_FFFF
