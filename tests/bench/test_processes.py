"""The processes of a bench. Invariant: whatever ends the bench ends them, too."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import proc
from bench.processes import ROOT, ChildError, as_argument, read, running
from bench.target import Target
from bench.transfer import Load, Task
from extproc.errors import UserError

PATIENCE_S = 20


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """And is no zombie that nobody has waited for."""
    try:
        return proc.resident_mib(pid) > 0
    except UserError:
        return False


async def test_one_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running("extproc", "serve", "-c", str(tmp_path / "none.yaml"), log=log) as child:
        with pytest.raises(ChildError, match=r"^extproc has ended with exit code 2: extproc: .*none\.yaml"):
            await child.line()


def test_a_client_reads_the_task_that_it_was_given() -> None:
    task = Task(Target("http://127.0.0.1:1", "ed25519:root"), Load("upload", 2**20, is_hashed=True))
    assert read(Task, as_argument(task)) == task


async def test_the_end_of_a_block_is_the_end_of_its_process() -> None:
    with contextlib.suppress(RuntimeError):
        async with running("bench.origin") as origin:
            await origin.line()
            assert proc.children(os.getpid()).count(origin.pid) == 1
            raise RuntimeError
    assert origin.pid not in proc.children(os.getpid())


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_nothing_outlives_a_bench(
    tmp_path_factory: pytest.TempPathFactory, number: signal.Signals, code: int
) -> None:
    command, null = [sys.executable, "-m", "bench", "--quick"], subprocess.DEVNULL
    scratch = {**os.environ, "TMPDIR": str(tmp_path_factory.mktemp("t"))}
    with subprocess.Popen(command, cwd=ROOT, env=scratch, stdout=null, stderr=null) as bench:
        until(lambda: len(proc.children(bench.pid)) >= 3)  # the upstream, the workers' supervisor, Envoy
        children = proc.children(bench.pid)
        pids = children + [pid for child in children for pid in proc.children(child)]
        bench.send_signal(number)
        assert bench.wait(PATIENCE_S) == code
    until(lambda: not any(map(runs, pids)))


def test_cpu_is_what_was_used_since_and_next_to_nothing_is_nothing() -> None:
    own = proc.CpuClock([os.getpid()])
    began = time.process_time()
    while time.process_time() < began + 0.2:
        pass
    assert abs(own.seconds() - 0.2) < 0.1
    with subprocess.Popen(["sleep", "60"]) as idle:
        clock = proc.CpuClock([idle.pid])
        time.sleep(0.01)
        assert clock.seconds() == 0
        idle.kill()
    with pytest.raises(UserError, match=f"process {idle.pid} has ended"):
        clock.seconds()


def test_memory_is_what_is_resident_and_its_peak_can_be_reset() -> None:
    ballast = bytearray(64 * 2**20)
    ballast[:: 2**12] = b"x" * len(ballast[:: 2**12])
    high = proc.peak_mib(os.getpid())
    assert proc.resident_mib(os.getpid()) > 64
    del ballast
    proc.reset_peak(os.getpid())
    assert proc.peak_mib(os.getpid()) < high - 60
