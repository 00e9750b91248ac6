"""Real workers behind a real Envoy, when one of them hangs or dies.

Invariant: within a second Envoy sends it no exchange any more, and when it is back, it gets its share again.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import Stack, configuration, running
from tests.e2e.upstream import Upstream

PATIENCE_S = 10.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Upstream() as upstream, running(tmp_path, upstream, configuration(upstream)) as stack:
        until_healthy(stack, 2)
        yield stack


def worker(stack: Stack, index: int) -> int:
    assert stack.supervisor is not None
    pid = stack.supervisor.pids[index]
    assert pid is not None
    return pid


def until_healthy(stack: Stack, count: int) -> float:
    """Until Envoy holds as many workers for healthy: after how many seconds that was."""
    began = time.monotonic()
    while healthy(stack) != count:
        assert time.monotonic() - began < PATIENCE_S
        time.sleep(0.01)
    return time.monotonic() - began


def healthy(stack: Stack) -> int:
    lines = httpx.get(f"{stack.admin}/clusters").text.splitlines()
    return sum(line.startswith("ext_proc::state/") and line.endswith("::healthy") for line in lines)


def statuses(stack: Stack, count: int) -> set[int]:
    """Of sealed requests, one after the other, which go to the workers in turn."""
    found = set()
    for _ in range(count):
        body, opener = stack.sealer.seal(path="/echo")
        answer = stack.http.post("/_link", content=body, headers={"content-type": "application/privatelink"})
        found.add(opener.open(answer.content).status if answer.status_code == 200 else answer.status_code)
    return found


def test_a_worker_that_hangs_is_left_out_within_a_second(stack: Stack) -> None:
    pid = worker(stack, 0)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert until_healthy(stack, 1) < 1
        assert statuses(stack, 10) == {200}
    finally:
        os.kill(pid, signal.SIGCONT)
    until_healthy(stack, 2)
    assert worker(stack, 0) == pid
    assert statuses(stack, 10) == {200}


def test_a_worker_that_dies_is_left_out_within_a_second(stack: Stack) -> None:
    pid = worker(stack, 0)
    os.kill(pid, signal.SIGKILL)
    assert until_healthy(stack, 1) < 1
    assert statuses(stack, 10) == {200}
    until_healthy(stack, 2)
    assert worker(stack, 0) != pid
    assert statuses(stack, 10) == {200}
