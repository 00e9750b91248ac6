"""`extproc keys` in a folder of its own, as an operator types it; and where `extproc fetch` leads to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from extproc import cli
from tests.cli.fetching import Shell
from tests.cli.fetching_streams import Terminal
from tests.client.gateway import Gateway
from tests.client.sockets import listening
from tests.e2e.stack import Stack, configuration, free_port, running
from tests.e2e.upstream import Upstream

FILE = """\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
link: { origins: ["https://gw.example.com"] }
upstreams: { shop: { endpoints: ["127.0.0.1:1"] } }
routes: [{ host: shop.example.com, upstream: shop }]
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Keys = Callable[..., Outcome]


def another_gateway(tmp_path: Path) -> str:
    """Its init is the way to make a root key."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "gateway.yaml").write_text(FILE)
    return str(tmp_path / "other" / "gateway.yaml")


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keys:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.yaml").write_text(FILE)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["extproc", "keys", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert "PRIVATE" not in printed.out + printed.err
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, printed.out, printed.err)

    return run


@pytest.fixture
def gateway() -> Gateway:
    """A double of the gateway."""
    return Gateway(lambda: time.time_ns() // 1_000_000)


@pytest.fixture
def run(gateway: Gateway) -> Iterator[Shell]:
    """`extproc fetch`, which asks the double."""
    with listening(gateway) as origin:
        yield Shell(origin, str(gateway.root.public))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A real gateway, whose link is the address that Envoy listens on."""
    listen = f"127.0.0.1:{free_port()}"
    with Upstream() as upstream:
        config = configuration(upstream, listen=listen, link={"origins": [f"http://{listen}"]})
        with running(tmp_path_factory.mktemp("gateway"), upstream, config) as stack:
            yield stack


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()
