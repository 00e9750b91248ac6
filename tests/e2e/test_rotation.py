"""Keys that change under load, through a real Envoy with two workers.

Invariant: whatever directory a client holds, and whichever worker it reaches, its key opens: no request is
lost to a rotation, nor to a worker that dies after one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from extproc.config import keymaker
from extproc.config.keystore import load_keys
from extproc.config.rootkey import load_root
from extproc.config.rotation import Terms
from extproc.link.directory import Directory, decode
from extproc.link.keys import PublicKey
from tests.e2e.stack import Sealer, Stack, configuration, running
from tests.e2e.upstream import Upstream

ENVELOPE = {"content-type": "application/privatelink"}


@pytest.fixture
def rotating(tmp_path: Path, upstream: Upstream) -> Iterator[Stack]:
    with running(tmp_path, upstream, configuration(upstream)) as stack:
        yield stack


def keys(stack: Stack, *arguments: str) -> None:
    """`extproc keys`, as an operator or cron runs it."""
    command = [
        sys.executable,
        "-m",
        "extproc",
        "keys",
        *arguments,
        "-c",
        "gateway.yaml",
        "--root",
        "root.pem",
    ]
    subprocess.run(command, cwd=stack.folder, check=True, capture_output=True)


def post(stack: Stack, key: PublicKey) -> str:
    """How a sealed request fares: the inner status, or the outer answer in the clear.

    By a clock that is almost 30 s fast: for later keys, a replay store this young can't tell otherwise.
    """
    ahead = time.time_ns() // 1_000_000 + 29_000
    body, opener = Sealer(key).seal(method="POST", path="/steady", body=b"order", sent_at_ms=ahead)
    answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text}"
    return str(opener.open(answer.content).status)


def served(stack: Stack) -> Directory:
    return decode(stack.http.get("/_link/keys").content)


@dataclass
class Load:
    """What clients have sent lately: each asks for the directory first, and is told by any worker."""

    outcomes: list[str] = field(default_factory=list)
    used: list[PublicKey] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)

    def client(self, stack: Stack, stop: threading.Event) -> None:
        while not stop.is_set():
            answer = stack.http.get("/_link/keys")
            if answer.status_code != 200:
                continue  # the worker that was asked has just been killed
            directory = decode(answer.content)
            key = directory.preferred(int(time.time()))
            assert key is not None
            self.serials.append(directory.serial)
            self.used.append(key)
            self.outcomes.append(post(stack, key))
            time.sleep(0.005)


@contextmanager
def load(stack: Stack) -> Iterator[Load]:
    steady, stop = Load(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(steady.client, stack, stop)
        try:
            yield steady
        finally:
            stop.set()
            sending.result(10)


def wait_until(done: Callable[[], bool]) -> None:
    for _ in range(300):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("not within 15 s")


def test_a_rotation_and_then_a_crash_cost_nobody_the_key(rotating: Stack) -> None:
    before = served(rotating)
    with load(rotating) as steady:
        keys(rotating, "rotate")
        keys(rotating, "rotate", "directory")
        wait_until(lambda: steady.serials[-40:] == 40 * [before.serial + 2])  # by either worker, by now
        assert rotating.supervisor is not None
        killed = rotating.supervisor.pids[0]
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: healthy_workers(rotating) == 1)
        wait_until(lambda: healthy_workers(rotating) == 2)
        sent = len(steady.outcomes)
        wait_until(lambda: len(steady.outcomes) > sent + 100)
    assert not [outcome for outcome in steady.outcomes if "unknown-key" in outcome]
    assert {outcome[:3] for outcome in steady.outcomes} <= {"200", "500"}  # 500: in the hands of the killed
    assert set(steady.outcomes[sent:]) == {"200"}
    assert set(steady.used) == {before.keys[0].key}  # the new one begins in a minute

    new, old = (entry.key for entry in served(rotating).keys[:2])
    assert old == before.keys[0].key
    assert {post(rotating, key) for key in 20 * [new, old]} == {"200"}  # and a fast clock is no harm


def healthy_workers(stack: Stack) -> int:
    """As Envoy sees them."""
    text = httpx.get(f"{stack.admin}/clusters").text
    return sum(
        line.startswith("ext_proc::state/") and line.endswith("health_flags::healthy")
        for line in text.splitlines()
    )


def test_clients_end_up_on_the_new_key(rotating: Stack) -> None:
    """The same rotation with 4 seconds' notice rather than a minute's: workers need two of them."""
    folder, root = rotating.folder / "keys", load_root(rotating.folder / "root.pem")
    old = served(rotating).keys[0].key
    with load(rotating) as steady:
        keymaker.rotate(folder, Terms.of(rotating.settings), time.time(), roots=[root], lead=4)
        new = load_keys(folder).decoded.keys[0].key
        wait_until(lambda: steady.used[-40:] == 40 * [new])
    assert set(steady.outcomes) == {"200"}
    assert set(steady.used) == {old, new}
