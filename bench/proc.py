"""What the kernel knows of a process: its children, its memory (proc(5))."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from extproc.errors import UserError

_PROC: Final = Path("/proc")
_RESET_PEAK: Final = "5"  # for /proc/PID/clear_refs
_KIB_PER_MIB: Final = 1024


def check_system() -> None:
    """UserError: this one has no such /proc."""
    if not (_PROC / "self/clear_refs").exists():
        raise UserError("memory is read from /proc, as Linux has it; here it is not")


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that have not ended."""
    candidates = (int(folder.name) for folder in _PROC.glob("[0-9]*"))
    found = ((own, _status(own)) for own in candidates)
    return sorted(own for own, status in found if status.get("PPid") == str(pid) and "VmRSS" in status)


def reset_peak(pid: int) -> None:
    """Let `peak_mib` count from now on."""
    (_PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def peak_mib(pid: int) -> float:
    """The most memory that it has had resident."""
    return _mib(pid, "VmHWM")


def resident_mib(pid: int) -> float:
    return _mib(pid, "VmRSS")


def _mib(pid: int, name: str) -> float:
    try:
        return int(_status(pid)[name].removesuffix(" kB")) / _KIB_PER_MIB
    except KeyError:
        raise UserError(f"process {pid} has ended, and should not have") from None


def _status(pid: int) -> dict[str, str]:
    """/proc/PID/status; empty when there is no such process. A zombie has no memory in it."""
    with contextlib.suppress(OSError):
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
        pairs = (line.partition(":") for line in lines)
        return {name: value.strip() for name, _, value in pairs}
    return {}
