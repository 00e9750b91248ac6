"""A replay store in front of which the wall's clock may not step unnoticed.

Ids are forgotten, and a new store is trusted, by the wall's clock. When that has stepped, what was forgotten
too early may be fresh again: the store then can't tell, until all that was sealed before the step is stale.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from extproc.link.replay import ReplayStore, Verdict

_STEP_MS: Final = 30_000  # what section 8 forgives a client's clock
_STALE_AFTER_MS: Final = 180_000  # 30 s ahead of the gateway's clock, 120 s of life, and a margin
# The clock that counts in sleep, too.
_steady_ns: Final = partial(time.clock_gettime_ns, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockGuard:
    """`store`, which answers UNAVAILABLE for three minutes after the clock has stepped by over 30 s."""

    def __init__(self, store: ReplayStore, now_ms: int, steady_ns: Callable[[], int] = _steady_ns) -> None:
        self.created_at_ms = store.created_at_ms
        self._store = store
        self._steady_ns = steady_ns
        self._offset = now_ms - steady_ns() // 1_000_000  # from the steady clock to the wall's
        self._blocked_until = 0  # by the steady clock
        self._log = structlog.get_logger("extproc.replay")

    def check(self, exchange_id: bytes, now_ms: int) -> Verdict:
        """See `ReplayStore.check`."""
        if self._has_stepped(now_ms):
            return Verdict.UNAVAILABLE
        return self._store.check(exchange_id, now_ms)

    def can_tell(self, now_ms: int) -> bool:
        """See `ReplayStore.can_tell`."""
        return not self._has_stepped(now_ms) and self._store.can_tell(now_ms)

    def _has_stepped(self, now_ms: int) -> bool:
        steady = self._steady_ns() // 1_000_000
        before, self._offset = self._offset, now_ms - steady
        step_ms = self._offset - before
        if abs(step_ms) > _STEP_MS:
            self._blocked_until = steady + _STALE_AFTER_MS
            self._log.error("replay.clock_stepped", step_ms=step_ms, unavailable_ms=_STALE_AFTER_MS)
        return steady < self._blocked_until
