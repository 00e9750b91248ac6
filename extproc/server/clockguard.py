"""A replay store in front of which the wall's clock may not step unnoticed.

Ids are forgotten, and a new store is trusted, by the wall's clock. When that has stepped, what was forgotten
too early may be fresh again: the store then can't tell, until all that was sealed before the step is stale.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from extproc.link.replay import ReplayStore, Verdict

_STEP_MS: Final = 30_000  # what section 8 forgives a client's clock
_STALE_AFTER_MS: Final = 180_000  # 30 s ahead of the gateway's clock, 120 s of life, and a margin
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the one that counts in sleep, too


def _steady_ms() -> int:
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


class ClockGuard:
    """`store`, which answers UNAVAILABLE for three minutes after the clock has stepped by over 30 s."""

    def __init__(self, store: ReplayStore, now_ms: int, steady_ms: Callable[[], int] = _steady_ms) -> None:
        self._store = store
        self._steady_ms = steady_ms
        self._read = now_ms, steady_ms()
        self._blocked_until = 0  # by the steady clock
        self._log = structlog.get_logger("extproc.replay")

    @property
    def created_at_ms(self) -> int:
        """See `ReplayStore.created_at_ms`."""
        return self._store.created_at_ms

    def check(self, exchange_id: bytes, now_ms: int) -> Verdict:
        """See `ReplayStore.check`."""
        if self._has_stepped(now_ms):
            return Verdict.UNAVAILABLE
        return self._store.check(exchange_id, now_ms)

    def can_tell(self, now_ms: int) -> bool:
        """See `ReplayStore.can_tell`."""
        return not self._has_stepped(now_ms) and self._store.can_tell(now_ms)

    def _has_stepped(self, now_ms: int) -> bool:
        last, steady = self._read, self._steady_ms()
        self._read = now_ms, steady
        step_ms = (now_ms - last[0]) - (steady - last[1])
        if abs(step_ms) > _STEP_MS:
            self._blocked_until = steady + _STALE_AFTER_MS
            self._log.error("replay.clock_stepped", step_ms=step_ms, unavailable_ms=_STALE_AFTER_MS)
        return steady < self._blocked_until
