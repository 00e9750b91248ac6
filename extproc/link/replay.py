"""Freshness and replay (section 8)."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, Protocol

from extproc.errors import Code, LinkError

KEEP_MS: Final = 300_000
_MAX_AGE_MS: Final = 120_000
_MAX_AHEAD_MS: Final = 30_000


class Verdict(Enum):
    """What a replay store says of an exchange id."""

    FRESH = auto()
    SEEN = auto()
    UNAVAILABLE = auto()


class ReplayStore(Protocol):
    """Remembers exchange ids for `KEEP_MS`, for every worker of a link."""

    @property
    def created_at_ms(self) -> int:
        """When the store was created empty, in Unix milliseconds."""

    def check(self, exchange_id: bytes, now_ms: int) -> Verdict:
        """Check and insert in one atomic step. Never raises: what can't be asked is UNAVAILABLE."""

    def can_tell(self, now_ms: int) -> bool:
        """Whether an id that is new would be FRESH now. Never raises."""


def check_freshness(sent_at_ms: int, now_ms: int) -> None:
    """Raises LinkError(CLOCK_SKEW) for a request that is too old or from the future."""
    if not now_ms - _MAX_AGE_MS <= sent_at_ms <= now_ms + _MAX_AHEAD_MS:
        raise LinkError(Code.CLOCK_SKEW, f"sent {now_ms - sent_at_ms} ms ago by the client's clock")


def is_settled(sent_at_ms: int, store_created_at_ms: int, key_created_at: int) -> bool:
    """Whether no earlier, lost store can have seen the request.

    A key that is no older than the store can't have been used with an earlier one.
    """
    if key_created_at * 1000 >= store_created_at_ms:
        return True
    return sent_at_ms >= store_created_at_ms + _MAX_AHEAD_MS


def ask(store: ReplayStore, exchange_id: bytes, sent_at_ms: int, key_created_at: int, now_ms: int) -> Verdict:
    """What `store` says; an id that it can't be sure of is not inserted, so that the client may try again."""
    if not is_settled(sent_at_ms, store.created_at_ms, key_created_at):
        return Verdict.UNAVAILABLE
    return store.check(exchange_id, now_ms)
