"""The same frames through our Connection and through the `h2` library.

Invariant: both see the same events, or fail with the same code at the same frame; where they differ, the
difference is one of DIFFERENCES.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.wire import peer, scripts
from tests.wire.differences import DIFFERENCES, Difference, explained
from tests.wire.oracle import Step, outcomes


@given(scripts.valid())
@settings(max_examples=300)
def test_what_a_client_may_send_is_seen_alike(script: list[Step]) -> None:
    for outcome in outcomes(script):
        assert outcome.ours == outcome.theirs, outcome
        assert not any(each.what == "ended" for each in outcome.ours), outcome


@given(scripts.mutated())
@settings(max_examples=500)
def test_what_none_should_send_fails_alike(script: list[Step]) -> None:
    for outcome in outcomes(script):
        if outcome.ours != outcome.theirs:
            assert explained(outcome), outcome
            return


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: f"{each.section}: {each.why}")
def test_a_difference_is_still_there(difference: Difference) -> None:
    """Or it has to go: the library has been mended, or we have been broken."""
    seen = list(outcomes([peer.PREFACE, peer.settings(), *difference.example]))
    assert all(outcome.ours == outcome.theirs for outcome in seen[:-1])
    assert seen[-1].ours != seen[-1].theirs
    assert difference.covers(seen[-1])
