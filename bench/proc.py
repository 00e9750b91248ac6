"""What the kernel knows of a process: its children, its CPU time, its memory (proc(5))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from extproc.errors import UserError

_PROC: Final = Path("/proc")
_RESET_PEAK: Final = "5"  # for /proc/PID/clear_refs
_KIB_PER_MIB: Final = 1024
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_UNSURE: Final = 2  # ticks: one each of utime and of stime, neither of which is exact
_UTIME: Final = 11  # among the fields of /proc/PID/stat that follow the name; stime is the next


def check_system() -> None:
    """UserError: this one has no such /proc."""
    if not (_PROC / "self/clear_refs").exists():
        raise UserError("memory is read from /proc, as Linux has it; here it is not")


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that have not ended."""
    candidates = (int(folder.name) for folder in _PROC.glob("[0-9]*"))
    found = ((own, _status(own)) for own in candidates)
    return sorted(own for own, status in found if status.get("PPid") == str(pid) and "VmRSS" in status)


class CpuClock:
    """The CPU time of some processes, user's and system's together, from now on."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._before = {pid: _ticks(pid) for pid in pids}

    def seconds(self) -> float:
        """A process that has used no more than two ticks, of 10 ms as a rule, counts as idle."""
        used = (_ticks(pid) - before for pid, before in self._before.items())
        return sum(ticks for ticks in used if ticks > _UNSURE) / _TICKS_PER_S


def reset_peak(pid: int) -> None:
    """Let `peak_mib` count from now on."""
    (_PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def peak_mib(pid: int) -> float:
    """The most memory that it has had resident."""
    return _mib(pid, "VmHWM")


def resident_mib(pid: int) -> float:
    return _mib(pid, "VmRSS")


def _ticks(pid: int) -> int:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        raise _gone(pid) from None
    _, _, fields = stat.rpartition(") ")  # a name may hold anything
    utime, stime = fields.split()[_UTIME : _UTIME + 2]
    return int(utime) + int(stime)


def _mib(pid: int, name: str) -> float:
    try:
        return int(_status(pid)[name].removesuffix(" kB")) / _KIB_PER_MIB
    except KeyError:
        raise _gone(pid) from None


def _gone(pid: int) -> UserError:
    return UserError(f"process {pid} has ended, and should not have")


def _status(pid: int) -> dict[str, str]:
    """/proc/PID/status; empty when there is no such process. A zombie has no memory in it."""
    with contextlib.suppress(OSError):
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
        pairs = (line.partition(":") for line in lines)
        return {name: value.strip() for name, _, value in pairs}
    return {}
