"""SIGHUP, to the supervisor and to a worker.

Invariant: it has keys looked at now, and ends nothing that serves.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from extproc.config import keymaker
from extproc.config.keystore import Layout
from extproc.config.rotation import Terms
from extproc.config.settings import Settings
from extproc.server.workers import Supervisor
from tests.server.gateways import CONFIG, make_keys, settings


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """A gateway whose folder of keys is never at rest: what is new in it is not taken up by itself."""
    found = settings(tmp_path)
    make_keys(found)
    return found


@contextmanager
def restless(layout: Layout) -> Iterator[None]:
    is_over = threading.Event()

    def touch() -> None:
        while not is_over.wait(0.05):
            os.utime(layout.signed)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def serving(config: Settings, command: str = "serve") -> Iterator[subprocess.Popen[str]]:
    """`extproc serve` or `up`, ready, and no more than that in its log."""
    arguments = [sys.executable, "-m", "extproc", command, "-c", str(config.folder / CONFIG)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with (
        restless(Layout(config.path(config.link.keys))),
        subprocess.Popen(arguments, text=True, **pipes) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()


def events(process: subprocess.Popen[str], name: str) -> list[dict[str, Any]]:
    """The next two of this name in its log, the first worker's first."""
    found: list[dict[str, Any]] = []
    assert process.stderr
    while len(found) < 2:
        entry = json.loads(process.stderr.readline())
        if entry["event"] == name:
            found.append(entry)
    return sorted(found, key=lambda entry: int(entry["worker"]))


def new_key(config: Settings) -> None:
    keymaker.rotate(config.path(config.link.keys), Terms.of(config), time.time())


@pytest.mark.parametrize("command", ["serve", "up"])
def test_every_worker_takes_up_what_is_new(config: Settings, command: str) -> None:
    with serving(config, command) as process:
        events(process, "worker.ready")
        new_key(config)
        process.send_signal(signal.SIGHUP)
        assert [entry["worker"] for entry in events(process, "keys.loaded")] == [0, 1]
        assert process.poll() is None


def test_what_can_not_be_loaded_is_said_by_every_worker_each_time(config: Settings) -> None:
    with serving(config) as process:
        events(process, "worker.ready")
        Layout(config.path(config.link.keys)).signed.write_bytes(b"not a directory")
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            refused = events(process, "keys.refused")
            assert [entry["worker"] for entry in refused] == [0, 1]
        assert process.poll() is None


def test_a_worker_that_is_asked_itself_looks_for_itself(config: Settings) -> None:
    with serving(config) as process:
        ready = events(process, "worker.ready")
        new_key(config)
        for worker in (1, 0):
            os.kill(ready[worker]["pid"], signal.SIGHUP)
            assert process.stderr
            entry = json.loads(process.stderr.readline())
            assert (entry["event"], entry["worker"]) == ("keys.loaded", worker)


async def test_a_worker_that_is_starting_is_left_in_peace(config: Settings) -> None:
    """It does not know the signal yet."""
    with capture_logs() as log:
        async with Supervisor(config.folder / CONFIG, config) as workers:
            assert workers.pids[0] is not None
            os.kill(workers.pids[0], signal.SIGKILL)
            async with asyncio.timeout(10):
                while [entry["event"] for entry in log].count("worker.ready") < 3:
                    workers.look_at_keys()
                    await asyncio.sleep(0.005)
    assert [entry["event"] for entry in log].count("worker.died") == 1


def test_what_does_not_serve_ends_by_it() -> None:
    script = (
        "from extproc.server import signals\n"
        "async def main(asked):\n    print('ready', flush=True)\n    await asked.wait()\n"
        "signals.run(main)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert process.wait(10) == -signal.SIGHUP
