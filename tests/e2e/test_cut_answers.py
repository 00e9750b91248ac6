"""Through a real Envoy: an answer that breaks off, or whose worker freezes, after the upstream's headers.

Invariant: the client hears of it in time, and nothing of the upstream's or of Envoy's words is in the clear.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from extproc.bootstrap import limits
from tests.e2e.stack import Stack, configuration, free_port, running
from tests.e2e.test_failures import serves_again, worker_pid
from tests.e2e.upstream import Upstream

ENVELOPE = {"content-type": "application/privatelink"}
HEAD = b"HTTP/1.1 200 OK\r\nx-upstream: secret-header\r\ntransfer-encoding: chunked\r\n\r\n6\r\nsecret\r\n"


def cut(_connection: socket.socket) -> None:
    """Hangs up in the middle."""
    time.sleep(0.1)


def stall(_connection: socket.socket) -> None:
    """Says nothing more."""
    time.sleep(15)


def drip(connection: socket.socket) -> None:
    """A byte a second, without an end."""
    for _ in range(60):
        connection.sendall(b"1\r\nx\r\n")
        time.sleep(1)


@contextmanager
def answering(rest: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of an upstream that sends the first part of an answer, and then does `rest`."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(HEAD)
            rest(connection)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def gateway(folder: Path, upstream: Upstream, port: int, idle_timeout: str) -> Iterator[Stack]:
    config = configuration(upstream, workers=1)
    config["upstreams"]["broken"] = {"endpoints": [f"127.0.0.1:{port}"], "idle_timeout": idle_timeout}
    config["routes"].append({"host": "broken.example.com", "upstream": "broken"})
    with running(folder, upstream, config) as stack:
        yield stack


def send(stack: Stack) -> httpx.Response:
    body, _ = stack.sealer.seal(authority="broken.example.com")
    return stack.http.post("/_link", content=body, headers=ENVELOPE)


@pytest.mark.parametrize(("rest", "status"), [(cut, 502), (stall, 504)])
def test_an_answer_that_breaks_off_is_a_status_in_the_clear_and_no_more(
    tmp_path: Path, upstream: Upstream, rest: Callable[[socket.socket], None], status: int
) -> None:
    with answering(rest) as port, gateway(tmp_path, upstream, port, "500ms") as stack:
        answer = send(stack)
        assert (answer.status_code, answer.content) == (status, b"")
        assert set(answer.headers) <= {"content-length", "date", "server", "x-request-id"}
        assert stack.access_log(answer.headers["x-request-id"])["outcome"] == "opened"


@pytest.mark.parametrize(("rest", "idle_timeout"), [(drip, "2s"), (stall, "0s")])
def test_a_worker_that_freezes_while_an_answer_passes_is_an_error_within_6_s(
    tmp_path: Path, upstream: Upstream, rest: Callable[[socket.socket], None], idle_timeout: str
) -> None:
    with answering(rest) as port, gateway(tmp_path, upstream, port, idle_timeout) as stack:
        pid = worker_pid(stack)
        body, _ = stack.sealer.seal(authority="broken.example.com")
        threading.Timer(0.5, os.kill, (pid, signal.SIGSTOP)).start()
        try:
            began = time.monotonic()
            answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
            assert time.monotonic() - began < 6.5
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (answer.status_code, answer.content) == (500, b"")
        assert serves_again(stack)


def test_a_worker_may_be_pinged_for_as_long_as_an_answer_takes(stack: Stack) -> None:
    body, opener = stack.sealer.seal(path="/sleep?s=9")
    answer = stack.http.post("/_link", content=body, headers=ENVELOPE, timeout=15)
    assert opener.open(answer.content).body == b"hello from the upstream"


def test_envoys_own_answers_before_the_upstreams_are_still_sealed(stack: Stack) -> None:
    for host, path, status in [
        ("dead.example.com", "/", 503),
        ("slow.example.com", "/sleep?s=1", 504),
        ("nowhere.example.com", "/", 403),
    ]:
        body, opener = stack.sealer.seal(authority=host, path=path)
        answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
        inner = opener.open(answer.content)
        assert (answer.status_code, inner.fault, inner.status, inner.body) == (200, "", status, b"")


def test_a_plain_route_keeps_envoys_text(tmp_path: Path, upstream: Upstream) -> None:
    config = configuration(upstream, workers=1)
    config["upstreams"]["gone"] = {"endpoints": [f"127.0.0.1:{free_port()}"]}
    config["routes"] = [{"host": "gone.example.com", "upstream": "gone", "access": "any"}]
    with running(tmp_path, upstream, config | {"rate_limits": []}, workers=False) as stack:
        answer = stack.http.get("/", headers={"host": "gone.example.com"})
    assert answer.status_code == 503
    assert b"connect error" in answer.content


def test_an_envelope_that_never_comes_is_a_408_that_says_no_more(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "opening", lambda _: timedelta(seconds=1))
    head = b"POST /_link HTTP/1.1\r\nhost: gw.localhost\r\ncontent-type: application/privatelink\r\n"
    with running(tmp_path, upstream, configuration(upstream, workers=1)) as stack, stack.dial() as connection:
        connection.sendall(head + b"content-length: 2000\r\n\r\n{")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'{"type":"about:blank"' in answer
