"""How a slow reader or writer stays slow."""

from __future__ import annotations

import time


class Pace:
    """Says how long to wait so that no more than `rate` bytes a second pass; 0: no limit."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._passed = 0
        self._began = time.monotonic()

    def delay_s(self, size: int) -> float:
        """Seconds to wait, now that `size` more bytes have passed."""
        if not self._rate:
            return 0.0
        self._passed += size
        return max(0.0, self._began + self._passed / self._rate - time.monotonic())
