"""Through a real Envoy: when the processor dies, hangs or lies, nothing unopened gets anywhere."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValue
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as ext_proc_grpc
from google.protobuf.struct_pb2 import Struct

from extproc.link.envelope import ResponseOpener
from tests.e2e.rogue import Rogue
from tests.e2e.stack import Stack, configuration, running
from tests.e2e.upstream import Upstream

ENVELOPE = {"content-type": "application/privatelink"}


@pytest.fixture
def fragile(tmp_path: Path, upstream: Upstream) -> Iterator[Stack]:
    """A gateway of one worker, to be broken."""
    config = configuration(upstream, workers=1, processor={"message_timeout": "500ms"})
    with running(tmp_path, upstream, config) as stack:
        yield stack


def send(stack: Stack, path: str) -> tuple[httpx.Response, ResponseOpener]:
    body, opener = stack.sealer.seal(method="POST", path=path, body=b"order")
    return stack.http.post("/_link", content=body, headers=ENVELOPE), opener


def worker_pid(stack: Stack) -> int:
    assert stack.supervisor is not None
    (pid,) = stack.supervisor.pids
    assert pid is not None
    return pid


def serves_again(stack: Stack) -> bool:
    for _ in range(100):
        try:
            answer, opener = send(stack, "/again")
            if answer.status_code == 200:
                return opener.open(answer.content).status == 200
        except (AssertionError, httpx.HTTPError, ValueError):
            pass
        time.sleep(0.1)
    return False


def test_a_worker_killed_in_the_middle_is_an_error_in_the_clear_and_then_replaced(fragile: Stack) -> None:
    pid = worker_pid(fragile)
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    answer, _ = send(fragile, "/sleep?s=1")
    assert answer.status_code >= 500
    assert b"hello" not in answer.content
    assert serves_again(fragile)
    assert worker_pid(fragile) != pid


def test_a_frozen_worker_is_an_error_after_the_message_timeout(fragile: Stack) -> None:
    sealer, before = fragile.sealer, len(fragile.upstream.seen)
    body, _ = sealer.seal(method="POST", path="/frozen")
    pid = worker_pid(fragile)
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = fragile.http.post("/_link", content=body, headers=ENVELOPE)
        assert time.monotonic() - began < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    assert answer.status_code in {500, 503, 504}
    assert len(fragile.upstream.seen) == before
    assert serves_again(fragile)


def test_a_worker_frozen_before_the_answer_is_an_error_after_the_idle_timeout(fragile: Stack) -> None:
    body, _ = fragile.sealer.seal(authority="slow.example.com", path="/sleep?s=0.3")
    pid = worker_pid(fragile)
    threading.Timer(0.15, os.kill, (pid, signal.SIGSTOP)).start()
    try:
        began = time.monotonic()
        answer = fragile.http.post("/_link", content=body, headers=ENVELOPE)
        assert time.monotonic() - began < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    assert answer.status_code == 504
    assert b"hello" not in answer.content
    assert "x-upstream" not in answer.headers


def test_workers_restarted_one_by_one_cost_no_request(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, upstream, configuration(upstream)) as stack:
        restarted = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            statuses = pool.submit(_statuses, stack, restarted)
            for index in (0, 1):
                _terminate(stack, index)
                _wait_until(lambda: _healthy_workers(stack) == 1)
                _wait_until(lambda: _healthy_workers(stack) == 2)
            restarted.set()
        assert len(statuses.result()) > 100
        assert set(statuses.result()) == {200}


def _terminate(stack: Stack, index: int) -> None:
    assert stack.supervisor is not None
    pid = stack.supervisor.pids[index]
    assert pid is not None
    os.kill(pid, signal.SIGTERM)


def _healthy_workers(stack: Stack) -> int:
    """As Envoy sees them."""
    text = httpx.get(f"{stack.admin}/clusters").text
    return sum(
        line.startswith("ext_proc::state/") and line.endswith("health_flags::healthy")
        for line in text.splitlines()
    )


def _statuses(stack: Stack, stop: threading.Event) -> list[int]:
    """Of sealed requests, one after the other."""
    statuses = []
    while not stop.is_set():
        statuses.append(send(stack, "/steady")[0].status_code)
        time.sleep(0.005)
    return statuses


def _wait_until(done: Callable[[], bool]) -> None:
    for _ in range(200):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("not within 10 s")


def test_without_any_processor_nothing_passes(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, upstream, configuration(upstream, workers=1), workers=False) as stack:
        before = len(upstream.seen)
        answer = stack.http.post("/_link", content=b"x" * 200, headers=ENVELOPE)
        assert answer.status_code in {500, 503, 504}
        assert stack.http.get("/hello", headers={"host": "open.example.com"}).status_code == 200
        assert [seen.target for seen in upstream.seen[before:]] == ["/hello"]


@pytest.mark.parametrize("after", ["nothing", "request_headers", "request_body"])
def test_a_stream_closed_with_ok_sends_nothing_unopened_on(
    tmp_path: Path, upstream: Upstream, after: str
) -> None:
    config = configuration(upstream, workers=1)
    (tmp_path / "state").mkdir(mode=0o700)
    with (
        Rogue(tmp_path / "state" / "worker-0.sock", after),
        running(tmp_path, upstream, config, workers=False) as stack,
    ):
        before = len(upstream.seen)
        answer = stack.http.post("/_link", content=b"x" * 200, headers=ENVELOPE)
        assert answer.status_code == 503
        assert len(upstream.seen) == before


def test_the_same_envelope_to_two_workers_at_once_runs_once(stack: Stack) -> None:
    """Straight to the workers' sockets, so that each of them gets it."""
    sealer = stack.sealer
    sockets = [stack.folder / "state" / f"worker-{index}.sock" for index in (0, 1)]
    for _ in range(20):
        body, opener = sealer.seal(method="POST", path="/once")
        barrier = threading.Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            offers = [pool.submit(_offer, socket, body, opener, barrier) for socket in sockets]
            outcomes = [offer.result() for offer in offers]
        assert sorted(outcomes) == ["forwarded", "replayed"]


def _offer(socket: Path, body: bytes, opener: ResponseOpener, barrier: threading.Barrier) -> str:
    """What a worker does with an envelope: the fault that it answers, or "forwarded"."""
    fields = {":method": "POST", ":path": "/_link", ":authority": "gw.localhost", **ENVELOPE}
    headers = HeaderMap(headers=[HeaderValue(key=k, raw_value=v.encode()) for k, v in fields.items()])
    attributes = Struct()
    attributes["source.address"] = "127.0.0.1:1"
    first = ext_proc.ProcessingRequest(
        request_headers=ext_proc.HttpHeaders(headers=headers),
        attributes={"envoy.filters.http.ext_proc": attributes},
    )
    second = ext_proc.ProcessingRequest(request_body=ext_proc.HttpBody(body=body, end_of_stream=True))

    def messages() -> Iterator[ext_proc.ProcessingRequest]:
        yield first
        barrier.wait(5)
        yield second

    with grpc.insecure_channel(f"unix:{socket}") as channel:
        replies = ext_proc_grpc.ExternalProcessorStub(channel).Process(messages())
        next(replies)
        reply = next(replies)
        replies.cancel()
    if reply.HasField("immediate_response"):
        return opener.open(reply.immediate_response.body).fault
    assert reply.HasField("request_body")
    return "forwarded"
