"""docs/errors.md, what Envoy answers in the clear. Invariant: a real Envoy has that status and details."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from tests.docs.pages import code, page, rows, section
from tests.e2e.throwaway import Gateway, Processor, Replies, gateway
from tests.e2e.upstream import Upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUS = {
    code(row[1].partition(",")[0]).rstrip("…"): int(row[0])
    for row in rows(section(page("errors.md"), "In the clear, by Envoy"))
}
PROCESSOR = Processor()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("errors")
    async with gateway(folder, upstream, PROCESSOR, processor={"message_timeout": "200ms"}) as started:
        yield started


async def late(_: Any) -> Replies:
    await asyncio.sleep(0.5)
    return []


@pytest.mark.parametrize(
    ("reply", "details"),
    [
        (lambda _: grpc.StatusCode.FAILED_PRECONDITION, "ext_proc_error_gRPC_error_9{"),
        (lambda _: grpc.StatusCode.INTERNAL, "ext_proc_error_gRPC_error_13{"),
        (late, "ext_proc_error_per-message_timeout_exceeded"),
    ],
    ids=["refused", "bug", "late"],
)
async def test_a_worker_that_fails(running: Gateway, reply: Any, details: str) -> None:
    PROCESSOR.play(request_body=reply)
    answer = await running.post()
    entry = await running.access_log(answer)
    assert entry["details"].startswith(details)
    assert answer.status_code == STATUS[details]


async def test_an_envelope_that_nobody_opened(running: Gateway) -> None:
    PROCESSOR.play(request_body=lambda _: grpc.StatusCode.OK)
    answer = await running.post()
    entry = await running.access_log(answer)
    assert (answer.status_code, entry["details"], entry["route"]) == (503, "direct_response", "link")


@pytest.mark.parametrize(
    ("host", "path", "route"),
    [("shop.example.com", "/", "forbidden"), ("gw.localhost", "/_link/x", "link_other")],
)
async def test_a_plain_request(running: Gateway, host: str, path: str, route: str) -> None:
    answer = await running.http.get(path, headers={"host": host})
    entry = await running.access_log(answer)
    assert (answer.status_code, entry["details"], entry["route"]) == (403, "direct_response", route)


@pytest.mark.parametrize(
    ("path", "header", "details"),
    [("/", "a_b", "http1.unexpected_underscore"), ("/x%2fy", "a-b", "path_normalization_failed")],
)
async def test_what_is_ambiguous(running: Gateway, path: str, header: str, details: str) -> None:
    answer = await running.http.get(path, headers={header: "1"})
    assert answer.status_code == STATUS[details]
    await running.logged(details=details)


@pytest.mark.parametrize(
    ("was_there", "why"), [(False, "no_healthy_upstream"), (True, "upstream_connect_error")]
)
async def test_a_worker_that_is_not_there(
    tmp_path: Path, upstream: Upstream, was_there: bool, why: str
) -> None:
    workers = [Processor()] if was_there else []
    async with gateway(tmp_path, upstream, *workers) as own:
        for worker in workers:
            await worker.stop()
        answer = await own.post()
        entry = await own.access_log(answer)
    details = f"ext_proc_error_gRPC_error_14{{{why}"
    assert entry["details"].startswith(details)
    assert answer.status_code == STATUS[details]
