"""`extproc up`, with a real Envoy: what it leaves behind, and what it says when it can't run.

Invariant: however it ends, nothing of it is left outside the state folder, and it starts again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.processes import processes
from tests.server.gateways import CONFIG, make_keys, settings

PATIENCE_S = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gateway that lacks nothing."""
    make_keys(settings(tmp_path, workers=1))
    return tmp_path


@contextmanager
def up(folder: Path, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """`extproc up`, with `temporary` for its temporary files; once it serves."""
    temporary.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "extproc", "up", "-c", str(folder / CONFIG)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        try:
            assert process.stdout is not None
            announced = process.stdout.readline()
            assert re.fullmatch(r"Listening on http://127\.0\.0\.1:\d+, with 1 worker behind it\n", announced)
            yield process
        finally:
            process.terminate()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith("envoy")}


def wait_until_gone(temporary: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while processes(temporary):
        assert time.monotonic() < end, "something still runs"
        time.sleep(0.05)


def test_killed_it_leaves_nothing_that_the_next_one_minds(folder: Path, tmp_path: Path) -> None:
    state, temporary = tmp_path / "state", tmp_path / "tmp"
    with up(folder, temporary) as process:
        assert files(state) == {"envoy.yaml", "envoy.admin"}
        process.kill()
        wait_until_gone(temporary)
    assert list(temporary.iterdir()) == []
    with up(folder, temporary) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert list(temporary.iterdir()) == []
    assert files(state) == set()


def refusal(folder: Path, *prefix: str) -> str:
    """The one sentence of an `up` that can't start, its log apart."""
    command = [*prefix, sys.executable, "-m", "extproc", "up", "-c", str(folder / CONFIG)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    (sentence,) = (line for line in run.stderr.splitlines() if not line.startswith("{"))
    return sentence.removeprefix("extproc: ")


def test_without_the_authorities_of_an_upstream(tmp_path: Path) -> None:
    upstream = {"endpoints": ["127.0.0.1:9"], "tls": True, "ca": "roots.pem"}
    make_keys(settings(tmp_path, upstreams={"shop": upstream}))
    assert refusal(tmp_path).startswith(f"upstreams.shop.ca: {tmp_path}/roots.pem: no such file; expected ")


def test_a_file_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    """Where no file may be over 4 KiB, as on a disk that is full."""
    link = {"origins": ["https://gw.example.com"], "replay": "memory"}
    make_keys(settings(tmp_path, workers=1, link=link))
    limited = ["prlimit", "--fsize=4096"]
    assert refusal(tmp_path, *limited) == f"{tmp_path}/state/envoy.yaml: File too large"
