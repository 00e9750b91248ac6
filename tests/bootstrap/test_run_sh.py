"""envoy/run.sh, which Envoy's container runs: here with an Envoy of this machine.

Invariant: a signal lets open requests end, for as long as a drain may take and no longer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.find import find_envoy
from tests.bootstrap.running import settings
from tests.e2e.stack import free_port
from tests.e2e.upstream import Upstream

SCRIPT = Path(__file__).parents[2] / "envoy/run.sh"
PATIENCE_S = 20


@contextmanager
def run_sh(folder: Path, *, drain_s: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The script, and the origin that its Envoy listens on."""
    admin = f"127.0.0.1:{free_port()}"
    with (
        Upstream() as upstream,
        subprocess.Popen(
            ["bash", SCRIPT, "--config-path", "envoy.yaml", "--log-level", "error", "--concurrency", "1"],
            cwd=prepared(folder, upstream.port, admin),
            env={**os.environ, "ENVOY": str(find_envoy()), "ADMIN": admin, "DRAIN_S": str(drain_s)},
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            yield process, origin(admin)
        finally:
            process.terminate()
            process.terminate()


def prepared(folder: Path, port: int, admin: str) -> Path:
    (folder / "envoy.yaml").write_text(to_yaml(bootstrap(settings(folder, port, admin=admin))))
    return folder


def origin(admin: str) -> str:
    """As soon as Envoy has told it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if httpx.get(f"http://{admin}/ready").status_code == 200:
                (listener,) = json.loads(httpx.get(f"http://{admin}/listeners?format=json").text)[
                    "listener_statuses"
                ]
                return "http://127.0.0.1:{port_value}".format(**listener["local_address"]["socket_address"])
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("Envoy is not ready")


@contextmanager
def asking(origin: str, path: str) -> Iterator[Future[httpx.Response]]:
    """A request that is under way."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(httpx.get, f"{origin}{path}", headers={"host": "open.example.com"}, timeout=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_an_open_request_end(tmp_path: Path, number: signal.Signals) -> None:
    with run_sh(tmp_path, drain_s=10) as (process, at), asking(at, "/sleep?s=1") as asked:
        time.sleep(0.3)
        process.send_signal(number)
        assert asked.result(PATIENCE_S).status_code == 200
        assert process.wait(5) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_with_nothing_open_it_ends_at_once(tmp_path: Path) -> None:
    with run_sh(tmp_path, drain_s=10) as (process, _):
        process.terminate()
        assert process.wait(5) == 0


@pytest.mark.parametrize(("drain_s", "signals"), [(1, 1), (15, 2)])
def test_a_drain_has_an_end(tmp_path: Path, drain_s: int, signals: int) -> None:
    """Its own, or by a second signal."""
    with run_sh(tmp_path, drain_s=drain_s) as (process, at), asking(at, "/sleep?s=8") as asked:
        for _ in range(signals):
            time.sleep(0.3)
            process.terminate()
        assert process.wait(6) == 0
        with pytest.raises(httpx.TransportError):
            asked.result(PATIENCE_S)


def test_an_envoy_that_ends_by_itself_is_heard_of(tmp_path: Path) -> None:
    run = subprocess.run(
        ["bash", SCRIPT, "--config-path", "nothing.yaml"],
        cwd=tmp_path,
        env={**os.environ, "ENVOY": str(find_envoy())},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert run.returncode == 1
    assert "nothing.yaml" in run.stderr
