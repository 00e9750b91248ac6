"""Pins a worker to a core: `processor.cores`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from extproc.errors import UserError


def pin(cores: Sequence[int], index: int) -> None:
    """Run this process, as worker `index`, on one of `cores` alone; on any, if there are none. UserError."""
    if not cores:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise UserError("processor.cores: expected none, since this system can't pin a process to a core")
    offered = os.sched_getaffinity(0)  # what the machine, the cgroup and whoever started us leave
    if strangers := sorted(set(cores) - offered):
        raise UserError(
            f"processor.cores: there is no core {strangers[0]} here; expected some of {_shown(offered)}"
        )
    os.sched_setaffinity(0, {cores[index % len(cores)]})


def _shown(cores: set[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
