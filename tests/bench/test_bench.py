"""Every row in small, through a real Envoy. Invariant: a row has the figures that its page says."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from bench.processes import ROOT
from bench.rows import CLEARTEXT, OVER_TLS, QUICK, SLOW_RATE, measured
from tests.docs.pages import page, rows, section

SMALL = replace(QUICK, exchanges=64, transfer=2**21, slow=2**20, pairs=1, events=4, every_s=0.02)


def documented() -> dict[str, set[str]]:
    """The figures of each row."""
    found: dict[str, set[str]] = {}
    name = ""
    for row, figures, _ in rows(section(page("performance.md"), "Rows")):
        name = row.strip("`") or name
        found.setdefault(name, set()).update(re.findall(r"`(\w+)`", figures))
    return found


async def test_every_row_can_be_measured_and_is_documented() -> None:
    found = [row async for row in measured(SMALL)]
    assert [row["name"] for row in found] == [*CLEARTEXT, *OVER_TLS]
    assert {row.pop("name"): set(row) for row in found} == documented()
    assert all(value > 0 for row in found for value in row.values())
    for slow in found[-2:]:
        assert slow["mb_per_s"] < 1.3 * SLOW_RATE / 1e6


def test_a_file_that_can_not_be_written_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--out", str(tmp_path / "none" / "bench.json")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert f"{tmp_path / 'none'} is no folder" in run.stderr


def test_without_an_envoy_it_says_so(tmp_path: Path) -> None:
    nowhere = {"EXTPROC_ENVOY": str(tmp_path / "envoy"), "PATH": ""}
    command = [sys.executable, "-m", "bench", "--quick"]
    run = subprocess.run(command, cwd=ROOT, env=nowhere, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert re.fullmatch(r"bench: \$EXTPROC_ENVOY: expected the path of an Envoy binary.*\n", run.stderr)
