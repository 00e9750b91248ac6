"""A count of events within a time."""

from __future__ import annotations


class Rate:
    """At most `limit` events in each span of `within_s` seconds."""

    __slots__ = ("_count", "_limit", "_since", "_within_s")

    def __init__(self, limit: int, within_s: float) -> None:
        self._limit = limit
        self._within_s = within_s
        self._since = 0.0
        self._count = 0

    def is_exceeded(self, now: float) -> bool:
        """Count one more."""
        if now - self._since > self._within_s:
            self._since, self._count = now, 0
        self._count += 1
        return self._count > self._limit
