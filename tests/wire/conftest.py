"""A worker's server on a Unix socket, and one on loopback TCP, on either event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from tests.server.loops import LOOPS
from tests.wire.served import Served


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop} if item.path.name == "test_envoy.py" else LOOPS


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(tmp_path).running() as served:
        yield served


@pytest.fixture
async def tcp(tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(tmp_path, tcp=True).running() as served:
        yield served
