"""`processor.cores`, with real workers.

Invariant: a worker runs on its core from its start, or says that it can't.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.server import cores
from extproc.server.workers import Supervisor
from tests.server.gateways import CONFIG, make_keys, settings

OFFERED = sorted(os.sched_getaffinity(0))


def gateway(folder: Path, *, own: list[int]) -> Settings:
    found = settings(folder, workers=3, processor={"cores": own})
    make_keys(found)
    return found


def affinity(pid: int | None) -> set[int]:
    """Of all threads of a process."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return set[int]().union(*(os.sched_getaffinity(int(thread.name)) for thread in threads))


async def affinities(config: Settings) -> list[set[int]]:
    async with Supervisor(config.folder / CONFIG, config) as workers:
        return [affinity(pid) for pid in workers.pids]


async def test_workers_share_the_cores_in_turn(tmp_path: Path) -> None:
    own = [OFFERED[-1], OFFERED[0]]
    assert await affinities(gateway(tmp_path, own=own)) == [{own[0]}, {own[1]}, {own[0]}]


async def test_without_them_a_worker_runs_anywhere(tmp_path: Path) -> None:
    assert await affinities(gateway(tmp_path, own=[])) == [set(OFFERED)] * 3


async def test_a_core_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    config = gateway(tmp_path, own=[OFFERED[0], 9999])
    offered = ", ".join(map(str, OFFERED))
    with pytest.raises(UserError) as raised:
        await Supervisor(tmp_path / CONFIG, config).__aenter__()
    expected = f"processor.cores: there is no core 9999 here; expected some of {offered}"
    assert str(raised.value) == expected


def test_a_system_that_can_not_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    cores.pin([], 0)
    with pytest.raises(UserError, match="expected none, since this system can't"):
        cores.pin([0], 0)


def test_a_core_has_a_number_from_0(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'processor.cores.*expected the number of a core, from 0, not "-1"'):
        settings(tmp_path, processor={"cores": [0, -1]})
