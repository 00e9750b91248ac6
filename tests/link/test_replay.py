"""Freshness, and what a replay store is asked: a request that may have run once never runs twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.errors import Code, LinkError
from extproc.link.replay import KEEP_MS, Verdict, ask, check_freshness, is_settled
from extproc.server.stores import MemoryStore

NOW_MS = 1_800_000_000_000
NEAR = st.integers(-200_000, 200_000)


@given(NEAR)
def test_fresh_from_120_s_ago_to_30_s_ahead(offset: int) -> None:
    if -120_000 <= offset <= 30_000:
        check_freshness(NOW_MS + offset, NOW_MS)
    else:
        with pytest.raises(LinkError) as raised:
            check_freshness(NOW_MS + offset, NOW_MS)
        assert raised.value.code is Code.CLOCK_SKEW


@given(sent=NEAR, first=NEAR, second=st.integers(0, 2 * KEEP_MS))
def test_a_store_remembers_for_as_long_as_a_request_can_be_fresh(sent: int, first: int, second: int) -> None:
    """Whenever a request arrives twice and is fresh both times, the second is seen."""
    store = MemoryStore(10, NOW_MS - 3_600_000)
    times = (NOW_MS + first, NOW_MS + first + second)
    try:
        for now_ms in times:
            check_freshness(NOW_MS + sent, now_ms)
    except LinkError:
        return
    verdicts = [ask(store, bytes(16), NOW_MS + sent, 0, now_ms) for now_ms in times]
    assert verdicts == [Verdict.FRESH, Verdict.SEEN]


@given(sent=NEAR, ran_at=st.integers(-200_000, -1), again_at=st.integers(0, 200_000), key_age_s=NEAR)
def test_a_new_store_lets_nothing_run_that_a_lost_one_let_run(
    sent: int, ran_at: int, again_at: int, key_age_s: int
) -> None:
    """The store was lost and made anew at 0; the request ran before, and is sent again after.

    No client uses a key before it was created, so what ran before 0 ran under an older key.
    """
    key_created_at = NOW_MS // 1000 - abs(key_age_s) - 1
    try:
        check_freshness(NOW_MS + sent, NOW_MS + ran_at)
        check_freshness(NOW_MS + sent, NOW_MS + again_at)
    except LinkError:
        return
    store = MemoryStore(10, NOW_MS)
    verdict = ask(store, bytes(16), NOW_MS + sent, key_created_at, NOW_MS + again_at)
    assert verdict is Verdict.UNAVAILABLE


def test_a_refused_id_is_not_inserted() -> None:
    """So that the client's second sealing, which has the same id, can run."""
    store = MemoryStore(10, NOW_MS)
    assert ask(store, bytes(16), NOW_MS, 0, NOW_MS) is Verdict.UNAVAILABLE
    assert ask(store, bytes(16), NOW_MS + 30_000, 0, NOW_MS + 30_000) is Verdict.FRESH


@given(sent=NEAR, key_created_after_s=st.integers(0, 1000))
def test_a_key_made_with_the_store_needs_no_waiting(sent: int, key_created_after_s: int) -> None:
    assert is_settled(NOW_MS + sent, NOW_MS, NOW_MS // 1000 + key_created_after_s)
