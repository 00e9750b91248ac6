"""A worker's server on a Unix socket, and one on loopback TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.wire.served import Served


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(tmp_path).running() as served:
        yield served


@pytest.fixture
async def tcp(tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(tmp_path, tcp=True).running() as served:
        yield served
