"""The event loop of a worker process.

Invariant: it is uvloop's where that is installed, asyncio's where it is not, and the worker serves alike.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from extproc.server.workers import Supervisor
from tests.server.gateways import CONFIG, make_keys, settings
from tests.server.test_workers import health


@pytest.mark.parametrize("is_installed", [True, False])
async def test_a_worker_serves_on_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_installed: bool
) -> None:
    config = settings(tmp_path, workers=1)
    make_keys(config)
    if not is_installed:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['uvloop'] = None\n")
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path)
    async with Supervisor(tmp_path / CONFIG, config) as workers:
        assert has_loaded(workers.pids[0], "uvloop") is is_installed
        assert await health(workers.addresses[0]) == 204


def has_loaded(pid: int | None, name: str) -> bool:
    return f"/{name}/" in Path(f"/proc/{pid}/maps").read_text()
