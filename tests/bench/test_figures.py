"""Figures, and how they are shown.

Invariant: a percentile is one of the samples, and above each figure of a table stands what it is.
"""

from __future__ import annotations

import time

import pytest

from bench import content
from bench.figures import percentile, rounded
from bench.pace import Pace
from bench.table import lines


def test_a_percentile_is_the_sample_that_so_many_are_not_above() -> None:
    samples = [float(n) for n in range(100, 0, -1)]
    assert [percentile(samples, percent) for percent in (0, 1, 50, 99, 100)] == [1, 1, 50, 99, 100]
    assert percentile([3.0], 50) == 3.0
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_four_digits_count() -> None:
    assert [rounded(value) for value in (1234.56, 0.98765, 123456.0)] == [1235.0, 0.9877, 123500.0]


def test_a_heading_stands_above_rows_of_the_same_figures() -> None:
    first, second = {"name": "a", "p50_ms": 1.5}, {"name": "b", "p50_ms": 12345.0}
    other = {"name": "c", "exchanges_per_s": 2.0}
    assert [*lines(first, None), *lines(second, first), *lines(other, second)] == [
        "name                               p50_ms",
        "a                                     1.5",
        "b                                  12,345",
        "",
        "name                            exchanges_per_s",
        "c                                             2",
    ]


def test_content_is_as_long_as_asked_for_and_begins_the_same() -> None:
    sizes = [0, 1, content.PIECE, content.PIECE + 1, 40 * content.PIECE]
    longest = b"".join(content.pieces(sizes[-1]))
    for size in sizes:
        pieces = list(content.pieces(size))
        assert b"".join(pieces) == longest[:size]
        assert max(map(len, pieces)) <= content.PIECE


def test_a_pace_makes_up_for_what_was_too_fast_and_no_more() -> None:
    unlimited, slow = Pace(0), Pace(1000)
    assert unlimited.delay_s(10**9) == 0
    assert 0.4 < slow.delay_s(500) <= 0.5
    assert 0.9 < slow.delay_s(500) <= 1.0
    time.sleep(0.01)
    assert slow.delay_s(0) < 1.0
