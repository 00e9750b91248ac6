"""Every row in small, through a real Envoy. Invariant: a row has the figures that its page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import exchanges, rows
from bench.exchanges import BARE, FIGURES, RATIOS
from bench.processes import ROOT
from bench.scale import QUICK, Row
from bench.transfers import CLEARTEXT, OVER_TLS, SLOW_RATE
from tests.docs.pages import code, page, section
from tests.docs.pages import rows as rows_of

SMALL = replace(
    QUICK,
    rounds=1,
    busy=320,
    alone=8,
    volume=2**22,
    tries=80,
    transfer=2**21,
    slow=2**20,
    pairs=1,
    events=4,
    every_s=0.02,
)


def documented() -> dict[str, set[str]]:
    """The figures of each row."""
    text = page("performance.md")
    of_exchanges = {code(figure) for figure, _ in rows_of(section(text, "Figures of an exchange"))}
    found = {code(row): of_exchanges for row, _ in rows_of(section(text, "Exchanges"))}
    name = ""
    for row, figures, _ in rows_of(section(text, "Everything else")):
        name = row.strip("`") or name
        found.setdefault(name, set()).update(re.findall(r"`(\w+)`", figures))
    return found


async def measured(*wanted: str) -> dict[str, Row]:
    """Rows by their names."""
    found = [row async for row in rows.measured(SMALL, wanted or rows.NAMES)]
    return {row.pop("name"): row for row in found}


async def test_every_row_can_be_measured_and_is_documented() -> None:
    found = await measured()
    assert list(found) == rows.NAMES
    assert {name: set(row) for name, row in found.items()} == documented()
    for name, row in found.items():
        assert all(value > 0 for figure, value in row.items() if "cpu" not in figure), name
    assert [found[BARE][ratio] for ratio in RATIOS] == [1, 1, 1]
    assert found[BARE]["service_cpu_us"] > 0
    for name in ("envoy-only", "plain"):  # no service is asked about these
        assert (found[name]["service_cpu_us"], found[name]["cpu_ratio"]) == (0, 0)
    assert found["replay"] == {"tries": 80, "distinct": 20, "accepted": 20}
    for name in ("download-slow", "upload-slow"):
        assert found[name]["mb_per_s"] < 1.3 * SLOW_RATE / 1e6


async def test_some_rows_alone_are_compared_with_the_bare_one_all_the_same() -> None:
    found = await measured("whole-1k", "plain")
    assert list(found) == ["plain", "whole-1k"]
    assert list(found["plain"]) == [*FIGURES, *RATIOS]


def test_the_names_are_those_of_the_rows_each_once() -> None:
    assert len(set(rows.NAMES)) == len(rows.NAMES)
    assert {*exchanges.NAMES, *CLEARTEXT, *OVER_TLS, "replay"} == set(rows.NAMES)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--out", "none/bench.json"], "none is no folder"),
        (["--only", "plain,fast"], "no row has the name 'fast'; expected envoy-only, bare-grpcio, "),
    ],
)
def test_what_can_not_be_done_is_said_before_anything_is_measured(
    arguments: list[str], complaint: str
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert complaint in run.stderr


def test_rows_are_written_as_they_are_shown(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--only", "sse-delay", "--out", str(out)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (row,) = json.loads(out.read_text())
    assert run.stdout.split() == [
        *row,
        *(f"{value:.10g}" if name != "name" else value for name, value in row.items()),
    ]


def test_without_an_envoy_it_says_so(tmp_path: Path) -> None:
    nowhere = {"EXTPROC_ENVOY": str(tmp_path / "envoy"), "PATH": ""}
    command = [sys.executable, "-m", "bench", "--quick", "--only", "sse-delay"]
    run = subprocess.run(command, cwd=ROOT, env=nowhere, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert re.fullmatch(r"bench: \$EXTPROC_ENVOY: expected the path of an Envoy binary.*\n", run.stderr)
