"""`extproc serve` and `extproc up`, as an operator runs them: processes, signals, exit codes, a real Envoy.

Invariant: what an operator can mend is one sentence and exit code 2; a signal ends them with exit code 0.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from extproc.server.state import exclusive
from tests.exchange import link
from tests.server import envoys
from tests.server.gateways import CONFIG, make_keys, settings, write_config

PATIENCE_S = 20


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "extproc", *arguments]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # a second one, as a rule, and so at once


def line(process: subprocess.Popen[str]) -> str:
    """The next line on its standard output."""
    assert process.stdout
    return process.stdout.readline()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it wrote to standard error."""
    _, error = process.communicate(timeout=PATIENCE_S)
    return process.returncode, error


def refusal(*arguments: str) -> str:
    """The one sentence of a command that can't start."""
    run = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    (sentence,) = (line for line in run.stderr.splitlines() if not line.startswith("{"))  # else: the log
    assert sentence.startswith("extproc: ")
    return sentence


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A gateway that lacks nothing."""
    make_keys(settings(tmp_path))
    return str(tmp_path / CONFIG)


@contextmanager
def open_exchange(folder: Path) -> Iterator[Any]:
    """Both ends of a stream on which worker 0 awaits a body: a list to send, and what comes back."""
    with grpc.insecure_channel(f"unix:{folder}/state/worker-0.sock") as channel:
        bodies: list[bytes] = []

        def messages() -> Iterator[Any]:
            yield envoys.request_headers(link.sealed_headers())
            while not bodies:
                time.sleep(0.01)
            yield envoys.request_body(bodies.pop())

        replies = ext_proc_grpc.ExternalProcessorStub(channel).Process(messages())
        assert next(replies).HasField("request_headers")
        yield bodies, replies


def wait_for_drain(folder: Path) -> None:
    """Until worker 0 says that it drains."""
    with grpc.insecure_channel(f"unix:{folder}/state/worker-0.sock") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        deadline = time.monotonic() + PATIENCE_S
        while stub.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING:
            assert time.monotonic() < deadline
            time.sleep(0.01)


# serve


def test_serve_says_where_and_drains_on_sigterm(config: str, tmp_path: Path) -> None:
    with running("serve", "-c", config) as process:
        sockets = [f"unix:{tmp_path}/state/worker-{n}.sock" for n in range(2)]
        assert line(process) == f"Serving on {', '.join(sockets)}\n"
        with open_exchange(tmp_path) as (bodies, replies):
            process.terminate()
            wait_for_drain(tmp_path)
            assert process.poll() is None
            bodies.append(b"not an envelope")
            assert next(replies).immediate_response.status.code == 400
        code, log = ended(process)
    assert code == 0
    assert "Traceback" not in log


def test_a_second_signal_ends_serve_at_once(config: str, tmp_path: Path) -> None:
    with running("serve", "-c", config) as process:
        line(process)
        with open_exchange(tmp_path) as (bodies, replies):
            process.send_signal(signal.SIGINT)
            wait_for_drain(tmp_path)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(2) == 0
            with pytest.raises(grpc.RpcError):
                next(replies)
            bodies.append(b"")
        assert "Traceback" not in ended(process)[1]


def test_a_second_instance_is_refused(config: str, tmp_path: Path) -> None:
    with exclusive(tmp_path / "state"):
        assert f"another extproc runs here (process {os.getpid()})" in refusal("serve", "-c", config)


def test_serve_without_keys(tmp_path: Path) -> None:
    assert "keys" in refusal("serve", "-c", str(write_config(tmp_path)))


def test_serve_with_keys_that_others_may_read(config: str, tmp_path: Path) -> None:
    (key,) = (tmp_path / "keys/gateway").glob("*.pem")
    key.chmod(0o644)
    assert str(key) in refusal("serve", "-c", config)


def test_serve_with_a_socket_in_use(config: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(tmp_path / "state/worker-1.sock"))
        busy.listen()
        assert refusal("serve", "-c", config).endswith("worker-1.sock: socket in use by another process")


def test_serve_without_a_file(tmp_path: Path) -> None:
    assert "nothing.yaml" in refusal("serve", "-c", str(tmp_path / "nothing.yaml"))


# up


def listening(process: subprocess.Popen[str]) -> str:
    """The origin that `up` announces."""
    announced = line(process)
    match = re.fullmatch(r"Listening on (http://127\.0\.0\.1:\d+), with 2 workers behind it\n", announced)
    assert match, announced
    return match[1]


def get(origin: str, path: str, host: str = "gw.example.com") -> httpx.Response:
    return httpx.get(f"{origin}{path}", headers={"host": host})


def test_up_serves_and_drains_on_ctrl_c(config: str) -> None:
    with running("up", "-c", config) as process:
        origin = listening(process)
        assert get(origin, "/_link/health").status_code == 204
        assert get(origin, "/_link/keys").headers["content-type"] == "application/privatelink-keys"
        assert get(origin, "/", host="shop.example.com").status_code == 403
        process.send_signal(signal.SIGINT)
        code, log = ended(process)
    assert code == 0
    assert "Traceback" not in log
    with pytest.raises(httpx.ConnectError):
        get(origin, "/")


def test_up_starts_a_dead_envoy_again(config: str) -> None:
    with running("up", "-c", config) as process:
        listening(process)
        os.kill(envoy_of(process.pid), signal.SIGKILL)
        assert get(listening(process), "/_link/health").status_code == 204
        process.terminate()
        assert ended(process)[0] == 0


def envoy_of(pid: int) -> int:
    """The child of `pid` that is an Envoy."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (envoy,) = (child for child in children if "python" not in Path(f"/proc/{child}/exe").readlink().name)
    return int(envoy)


def test_up_without_an_envoy(config: str, tmp_path: Path) -> None:
    assert "Envoy" in refusal("up", "-c", config, "--envoy", str(tmp_path / "no-envoy"))


def test_up_with_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        make_keys(settings(tmp_path, listen=f"127.0.0.1:{port}", log={"level": "error"}))
        assert str(port) in refusal("up", "-c", str(tmp_path / CONFIG))
