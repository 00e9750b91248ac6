"""One gateway for all tests that do no harm to it; what breaks things starts its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.server import ServerConnection, serve

from tests.e2e.stack import Stack, configuration, running
from tests.e2e.upstream import Upstream


def _echo(socket: ServerConnection) -> None:
    for message in socket:
        socket.send(message)


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="session")
def websocket_port() -> Iterator[int]:
    with serve(_echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(5)


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, websocket_port: int
) -> Iterator[Stack]:
    config = configuration(upstream)
    config["upstreams"]["ws"] = {"endpoints": [f"127.0.0.1:{websocket_port}"]}
    route = {"host": "ws.example.com", "upstream": "ws", "access": "any", "websocket": True}
    config["routes"].append(route)
    with running(tmp_path_factory.mktemp("gateway"), upstream, config) as stack:
        yield stack


@pytest.fixture
def quiet(stack: Stack) -> Iterator[None]:
    """Nothing of any exchange is left when the test has ended."""
    yield
    assert stack.is_quiet()


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    """The SDK, as an app uses it."""
    with stack.client() as client:
        yield client
