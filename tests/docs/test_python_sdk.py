"""docs/python-sdk.md and README.md. Invariant: their Python runs as it stands, one block after the other,
through a real Envoy, and leaves what the comment below a block says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from extproc.client.options import Options
from tests.docs.dial import AsyncDial, Dial
from tests.docs.pages import ROOT, code, page, rows, section
from tests.e2e.stack import Stack

PAGE = page("python-sdk.md")
STEP = re.compile(r"^```python\n(.*?)^```\n(?:<!-- then: (.*?) -->)?", re.M | re.S)


@pytest.fixture
def world(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A machine on which https://gw.example.com is the gateway under test."""
    blocking, on_asyncio = httpx.HTTPTransport, httpx.AsyncHTTPTransport
    with ExitStack() as opened:
        monkeypatch.setattr(
            httpx, "HTTPTransport", lambda: opened.enter_context(Dial(stack.address, blocking()))
        )
        monkeypatch.setattr(httpx, "AsyncHTTPTransport", lambda: AsyncDial(stack.address, on_asyncio()))
        monkeypatch.setenv("HOME", str(tmp_path))
        yield stack


@pytest.mark.parametrize("name", ["docs/python-sdk.md", "README.md"])
def test_its_python_runs_as_it_stands(name: str, world: Stack) -> None:
    names: dict[str, Any] = {}
    steps = STEP.findall((ROOT / name).read_text(encoding="utf-8"))
    assert steps
    for text, expected in steps:
        exec(re.sub(r"ed25519:[\w.-]+", world.root, text), names)  # noqa: S102 - the page's own examples
        assert not expected or eval(expected, names), expected  # noqa: S307 - likewise


def test_every_option_is_there() -> None:
    there = {code(row[0]) for row in rows(section(PAGE, "Options"))}
    assert there == {*Options.__annotations__, "transport"}
