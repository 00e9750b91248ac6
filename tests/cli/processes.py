"""Which processes are there, found by a folder for temporary files that nobody else was given."""

from __future__ import annotations

import contextlib
from pathlib import Path


def processes(temporary: Path) -> list[int]:
    """Those that were started with this folder as TMPDIR, and theirs."""
    mark = f"TMPDIR={temporary}\0".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if mark in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found
