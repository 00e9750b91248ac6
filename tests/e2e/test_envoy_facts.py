"""What Envoy does, where the project leans on it: the rows of docs/envoy.md that no other test shows.

Invariant: none of ours; these tests fail when an Envoy differs from the one that was measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from envoy.config.core.v3.base_pb2 import HeaderValueOption

from tests.e2e.replies import changed, immediate, mutation, opened, passing, piece
from tests.e2e.throwaway import (
    Gateway,
    Processor,
    Replies,
    Script,
    connection_manager,
    gateway,
    http_filter,
)
from tests.e2e.upstream import Upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXT_PROC = "envoy.filters.http.ext_proc"
APPEND, OVERWRITE = HeaderValueOption.APPEND_IF_EXISTS_OR_ADD, HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
FROZEN_S = 0.6
TIMEOUT = {"message_timeout": "300ms"}
_PROCESSOR = Processor()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("facts")
    async with gateway(folder, upstream, _PROCESSOR, processor=TIMEOUT) as running:
        yield running


@pytest.fixture
def processor() -> Processor:
    """The one behind `shared`, with no script of an earlier test."""
    _PROCESSOR.play()
    return _PROCESSOR


# The request


@pytest.mark.parametrize(("length", "status"), [("3", 200), ("2", 500), ("4", 500)])
async def test_content_length_is_the_new_bodys_or_500(
    shared: Gateway, processor: Processor, length: str, status: int
) -> None:
    processor.play(request_body=lambda _: [opened(b"abc", {"content-length": length})])
    assert (await shared.post()).status_code == status


@pytest.mark.parametrize(
    ("length", "framing"), [("0", [("content-length", "0")]), ("", [("transfer-encoding", "chunked")])]
)
async def test_an_inner_get_without_a_length_is_chunked(
    shared: Gateway, processor: Processor, upstream: Upstream, length: str, framing: list[tuple[str, str]]
) -> None:
    inner, removed = {":method": "GET", "content-length": length}, [] if length else ["content-length"]
    processor.play(request_body=lambda _: [opened(b"", inner, removed)])
    assert (await shared.post()).status_code == 200
    seen = upstream.last()
    assert [field for field in seen.headers if field[0] in {"content-length", "transfer-encoding"}] == framing


async def test_outer_fields_stay_unless_removed(
    shared: Gateway, processor: Processor, upstream: Upstream
) -> None:
    processor.play(request_body=lambda _: [opened(remove=["content-type"])])
    await shared.post(cookie="a=b")
    assert upstream.last().all("content-type") == []
    assert upstream.last().all("cookie") == ["a=b"]


async def test_a_path_set_by_the_service_is_not_normalized(
    shared: Gateway, processor: Processor, upstream: Upstream
) -> None:
    """While the same path from a client is."""
    path = "/a/../b//c/%2e%2e/d"
    processor.play(request_body=lambda _: [opened(fields={":path": path})])
    await shared.post()
    assert upstream.last().target == path
    await shared.send(f"GET {path} HTTP/1.1\r\nhost: open.example.com\r\nconnection: close\r\n\r\n".encode())
    assert upstream.last().target == "/b/d"


@pytest.mark.parametrize(("is_error", "status"), [(True, 500), (False, 403)])
async def test_a_change_that_the_rules_forbid_is_500_only_if_told(
    tmp_path: Path, upstream: Upstream, is_error: bool, status: int
) -> None:
    """Else it is dropped in silence: here the inner path, but not the inner host, is in force."""

    def forbid(document: dict[str, Any]) -> None:
        rules = http_filter(document, EXT_PROC)["mutation_rules"]
        del rules["allow_all_routing"]
        rules["disallow_is_error"] = is_error

    processor = Processor({"request_body": lambda _: [opened()]})
    async with gateway(tmp_path, upstream, processor, change=forbid) as own:
        answer = await own.post()
        entry = await own.access_log(answer)
    assert answer.status_code == status
    if not is_error:
        assert (entry["host"], entry["path"]) == ("gw.localhost", "/inner")


async def test_a_clients_trailers_come_after_the_buffered_body(
    shared: Gateway, processor: Processor, upstream: Upstream
) -> None:
    processor.play(
        request_body=lambda _: [opened(b"inner")],
        request_trailers=lambda _: [changed("request_trailers", mutation([], ["x-secret"]))],
    )
    await shared.send(
        b"POST /_link HTTP/1.1\r\nhost: gw.localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n"
        b"\r\n3\r\nabc\r\n0\r\nx-secret: 1\r\n\r\n"
    )
    assert processor.phases[:3] == ["request_headers", "request_body", "request_trailers"]
    assert not processor.messages[1].request_body.end_of_stream
    assert (upstream.last().body, upstream.last().trailers) == (b"inner", [])


# The answer


@pytest.mark.parametrize(
    ("mark", "expected"), [("append", ["a=1", "b=2", "c=3"]), ("append_action", ["c=3"])]
)
async def test_append_counts_and_append_action_does_not(
    shared: Gateway, processor: Processor, mark: str, expected: list[str]
) -> None:
    change = mutation([("set-cookie", "a=1"), ("set-cookie", "b=2"), ("set-cookie", "c=3")])
    if mark == "append_action":
        for option in change.set_headers:
            joins = option.append.value
            option.ClearField("append")
            option.append_action = APPEND if joins else OVERWRITE
    processor.play(
        request_body=lambda _: [opened()], response_headers=lambda _: [changed("response_headers", change)]
    )
    assert (await shared.post()).headers.get_list("set-cookie") == expected


async def test_a_413_of_the_buffer_comes_as_a_response_while_the_body_is_awaited(
    shared: Gateway, processor: Processor
) -> None:
    unsized = changed("response_headers", mutation([], remove=["content-length"]))
    processor.play(
        response_headers=lambda _: [],
        response_body=lambda _: [unsized, piece(b"too large", end=True)],
    )
    # One byte more than the buffer: what Envoy leaves unread in the socket would cost the client the answer.
    answer = await shared.post(bytes(768 * 1024 + 1))
    assert (answer.status_code, answer.content) == (413, b"too large")
    assert processor.phases == ["request_headers", "response_headers", "response_body"]


async def test_headers_body_and_trailers_can_all_be_replied_to_at_the_end(
    shared: Gateway, processor: Processor
) -> None:
    """The upstream's trailers come last, and a body reply may still be sent before theirs."""
    processor.play(
        request_body=lambda _: [opened(fields={":path": "/trailers"})],
        response_headers=lambda _: [],
        response_body=lambda _: [],
        response_trailers=lambda _: [
            *passing("response_headers"),
            piece(b"sealed", end=False),
            changed("response_trailers", mutation([], ["x-checksum", "x-secret"])),
        ],
    )
    raw = await shared.send(
        b"POST /_link HTTP/1.1\r\nhost: gw.localhost\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx"
    )
    assert raw.endswith(b"\r\n\r\n6\r\nsealed\r\n0\r\n\r\n")
    assert processor.phases[-2:] == ["response_body", "response_trailers"]


@pytest.mark.parametrize(
    ("phase", "status"),
    [("request_headers", 504), ("request_body", 504), ("response_headers", 200), ("response_body", 200)],
)
async def test_the_message_timeout_acts_until_the_body_has_been_answered(
    shared: Gateway, processor: Processor, phase: str, status: int
) -> None:
    """And not while the answer is collected, which takes as long as the upstream does."""

    async def late(part: Any) -> Replies:
        await asyncio.sleep(FROZEN_S)
        return [opened()] if phase == "request_body" else passing(phase, part)

    scripts: dict[str, Script] = {"request_body": lambda _: [opened()], phase: late}
    processor.play(**scripts)
    assert (await shared.post()).status_code == status


# The stream


@pytest.mark.parametrize("guarded", [True, False])
async def test_an_ok_close_sends_the_request_on_unless_the_route_leads_nowhere(
    tmp_path: Path, upstream: Upstream, guarded: bool
) -> None:
    def unguard(document: dict[str, Any]) -> None:
        for host in connection_manager(document)["route_config"]["virtual_hosts"]:
            for route in host["routes"]:
                if route["name"] == "link" and not guarded:
                    del route["direct_response"]
                    route["route"] = {"cluster": "upstream_main"}

    before, processor = len(upstream.seen), Processor({"request_body": lambda _: grpc.StatusCode.OK})
    async with gateway(tmp_path, upstream, processor, change=unguard) as own:
        assert (await own.post(b"envelope")).status_code == (503 if guarded else 200)
    assert [seen.body for seen in upstream.seen[before:]] == ([] if guarded else [b"envelope"])


async def test_a_second_reply_to_a_message_is_500(shared: Gateway, processor: Processor) -> None:
    processor.play(request_headers=lambda _: passing("request_headers") * 2)
    assert (await shared.post()).status_code == 500


async def test_metadata_of_an_immediate_response_reaches_the_access_log(
    shared: Gateway, processor: Processor
) -> None:
    processor.play(request_headers=lambda _: [immediate(403, outcome="problem", fault="origin")])
    answer = await shared.post()
    assert answer.status_code == 403
    entry = await shared.access_log(answer)
    assert (entry["outcome"], entry["fault"]) == ("problem", "origin")


@pytest.mark.parametrize(("hops", "peer"), [(0, "127.0.0.1"), (1, "198.51.100.9"), (2, "203.0.113.7")])
async def test_source_address_honors_trusted_hops(
    tmp_path: Path, upstream: Upstream, hops: int, peer: str
) -> None:
    processor = Processor()
    async with gateway(tmp_path, upstream, processor, trusted_hops=hops) as own:
        await own.post(x_forwarded_for="203.0.113.7, 198.51.100.9")
    first, *others = processor.messages
    address = first.attributes[EXT_PROC].fields["source.address"].string_value
    assert address.rpartition(":")[0] == peer
    assert not any(message.attributes for message in others)


async def test_exchanges_are_spread_over_the_workers(tmp_path: Path, upstream: Upstream) -> None:
    workers = [Processor({"request_headers": lambda _: [immediate(204)]}) for _ in range(2)]
    async with gateway(tmp_path, upstream, *workers) as own:
        for _ in range(8):
            await own.post()
    assert [len(worker.messages) for worker in workers] == [4, 4]


async def test_a_lua_script_that_fails_lets_the_request_go_on(tmp_path: Path, upstream: Upstream) -> None:
    """So the mark that opens routes goes before any script."""

    def fail(document: dict[str, Any]) -> None:
        script = "function envoy_on_request(handle) error('broken') end"
        http_filter(document, "envoy.filters.http.lua")["default_source_code"]["inline_string"] = script

    async with gateway(tmp_path, upstream, Processor(), change=fail) as own:
        forged = {"x-link-opened": "1", "x-link-risk": "0"}
        statuses = [
            (await own.http.get("/", headers={"host": f"{name}.example.com", **forged})).status_code
            for name in ("open", "shop")
        ]
    assert statuses == [200, 403]
    assert (upstream.last().all("x-link-opened"), upstream.last().all("x-link-risk")) == ([], ["0"])
