"""`extproc keys` in a folder of its own, as an operator types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from extproc import cli

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
