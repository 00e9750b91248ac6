"""Figures out of samples."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that is not below `percent` of all (nearest rank). ValueError: there is none."""
    if not samples:
        raise ValueError("no samples")
    rank = max(1, -(-len(samples) * percent // 100))
    return sorted(samples)[int(rank) - 1]


def rounded(value: float) -> float:
    """Four digits that count: what a run can tell from the next one, and more."""
    return float(f"{value:.4g}")
