"""The guarded route table in a running Envoy.

Invariant: a sealed upstream is reached only by what the processor has opened, and the processor hears of
nothing but the link's own paths.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.bootstrap.filters import RBAC
from tests.bootstrap.running import Gateway, echoed, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = [
    {"host": "shop.example.com", "upstream": "shop"},
    {"host": "open.example.com", "upstream": "shop", "access": "any"},
    {"host": "mixed.example.com", "prefix": "/open", "upstream": "shop", "access": "any"},
    {"host": "mixed.example.com", "upstream": "shop"},
    {"host": "gw.example.com", "prefix": "/public", "upstream": "shop", "access": "any"},
    {"host": "*.wild.example.com", "prefix": "/a", "upstream": "shop"},
    {"host": "one.wild.example.com", "prefix": "/b", "upstream": "shop"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path_factory.mktemp("guard"), routes=ROUTES) as started:
        yield started


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


@pytest.mark.parametrize(
    "host", ["shop.example.com", "SHOP.example.com:8443", "elsewhere.example.com", "10.0.0.1"]
)
@pytest.mark.parametrize("forged", [{}, {"x-link-opened": "1"}, {"X-Link-Opened": "", "x-link-risk": "0"}])
async def test_a_plain_request_to_a_sealed_host_is_refused(
    running: Gateway, host: str, forged: dict[str, str]
) -> None:
    before = len(running.seen())
    answer = await running.ask(host, "/echo", forged)
    assert (answer.status_code, answer.content) == (403, b"")
    assert len(running.seen()) == before


async def test_an_opened_request_reaches_the_upstream_and_its_answer_the_processor(running: Gateway) -> None:
    assert running.toy is not None
    running.toy.phases.clear()
    answer = await running.link("/echo?q=1", headers={"x-user-id": "u1"})
    assert (answer.status_code, answer.headers["x-inner-status"]) == (200, "200")
    assert running.seen()[-1].target == "/echo?q=1"
    assert not [name for name in echoed(answer) if name.startswith("x-link-")]
    phases = list(dict.fromkeys(running.toy.phases))
    assert phases == ["request_headers", "request_body", "response_headers", "response_body"]


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("shop.example.com:8443", "/echo", 200),
        ("open.example.com", "/echo", 200),
        ("mixed.example.com", "/echo", 200),
        ("gw.example.com", "/public", 200),
        ("gw.example.com", "/echo", 403),
        ("elsewhere.example.com", "/echo", 403),
        ("shop.example.com.", "/echo", 403),
        ("two.wild.example.com", "/a", 200),
        ("two.wild.example.com", "/b", 403),
        ("one.wild.example.com", "/a", 200),
        ("one.wild.example.com", "/b", 200),
        ("wild.example.com", "/a", 403),
    ],
)
async def test_an_opened_request_goes_by_its_inner_host_and_path(
    running: Gateway, host: str, path: str, status: int
) -> None:
    assert await running.inner_status(path, host=host) == status


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("open.example.com", "/echo", 200),
        ("mixed.example.com", "/open/echo", 200),
        ("mixed.example.com", "/open/../echo", 403),
        ("mixed.example.com", "/open/%2e%2e/echo", 403),
        ("mixed.example.com", "/open/..%2fecho", 400),
        ("mixed.example.com", "//open/x", 200),
        ("gw.example.com", "/public", 200),
        ("gw.example.com", "/echo", 403),
    ],
)
async def test_a_plain_request_passes_where_any_may(
    running: Gateway, host: str, path: str, status: int
) -> None:
    assert running.toy is not None
    running.toy.phases.clear()
    assert (await running.ask(host, path)).status_code == status
    assert running.toy.phases == []


@pytest.mark.parametrize(
    "host", ["gw.example.com", "gw.example.com:1", "shop.example.com", "open.example.com"]
)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/_link", 204),
        ("/_link?x=1", 204),
        ("/_link/keys", 204),
        ("/_link/health", 204),
        ("/_link/", 403),
        ("/_link/stream", 204),
        ("/_link/stream/", 403),
        ("/_link/stream/x", 403),
        ("/_link/keys/x", 403),
    ],
)
async def test_the_links_paths_are_the_processors_under_every_host(
    running: Gateway, host: str, path: str, status: int
) -> None:
    answer = await running.ask(host, path)
    assert answer.status_code == status


async def test_hosts_that_nobody_named_have_no_link(running: Gateway) -> None:
    assert (await running.ask("elsewhere.example.com", "/_link/health")).status_code == 403


async def test_an_exchange_that_ends_with_ok_goes_nowhere(running: Gateway) -> None:
    before = len(running.seen())
    whole = await running.link("/echo", close=True)
    streamed = await running.stream("/echo", pieces(b"never", b"read"), close=True)
    assert (whole.status_code, streamed.status_code) == (503, 503)
    assert len(running.seen()) == before


async def test_a_streamed_request_reaches_the_upstream_as_it_comes(running: Gateway) -> None:
    assert running.toy is not None
    running.toy.phases.clear()
    answer = await running.stream("/echo?q=1", pieces(b"one,", b"two"))
    assert (answer.status_code, answer.headers["x-inner-status"]) == (200, "200")
    assert (running.seen()[-1].target, running.seen()[-1].body) == ("/echo?q=1", b"one,two")
    assert not [name for name in echoed(answer) if name.startswith("x-link-")]
    phases = list(dict.fromkeys(running.toy.phases))
    assert phases == ["request_headers", "request_body", "response_headers", "response_body"]


@pytest.mark.parametrize("path", ["/_link", "/_link/stream"])
async def test_nothing_is_upgraded_on_the_link(running: Gateway, path: str) -> None:
    assert running.toy is not None
    running.toy.phases.clear()
    answer = await running.ask("gw.example.com", path, {"connection": "upgrade", "upgrade": "websocket"})
    assert (answer.status_code, running.toy.phases) == (403, [])


async def test_a_client_can_not_say_who_it_is(running: Gateway) -> None:
    forged = dict.fromkeys(
        ["x-forwarded-for", "x-real-ip", "x-forwarded-host", "x-envoy-external-address"], "203.0.113.9"
    )
    answer = await running.ask("open.example.com", "/echo", {**forged, "forwarded": "for=203.0.113.9"})
    headers = echoed(answer)
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert not set(headers) & {"forwarded", "x-real-ip", "x-forwarded-host", "x-envoy-external-address"}


async def test_envoys_own_request_headers_are_not_for_clients(running: Gateway) -> None:
    answer = await running.ask(
        "open.example.com", "/sleep?s=0.2", {"x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-retry-on": "5xx"}
    )
    assert answer.status_code == 200


async def test_headers_with_underscores_are_refused(running: Gateway) -> None:
    assert (await running.ask("open.example.com", "/echo", {"x_link_opened": "1"})).status_code == 400


async def test_server_and_request_id_outside_are_envoys(running: Gateway) -> None:
    for answer in [await running.link("/echo"), await running.ask("shop.example.com", "/")]:
        assert answer.headers["server"] == "envoy"
        assert len(answer.headers["x-request-id"]) == 36
        assert "x-envoy-upstream-service-time" not in answer.headers


async def test_the_operators_own_filters_see_the_inner_request(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("filters")
    (folder / "waf.yaml").write_text(RBAC)
    async with gateway(folder, filters="waf.yaml") as running:
        assert await running.inner_status("/admin") == 403
        assert await running.inner_status("/echo") == 200
        assert (await running.ask("open.example.com", "/admin")).status_code == 403
        assert [request.target for request in running.seen()] == ["/echo"]


async def test_without_a_processor_nothing_passes(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with gateway(tmp_path_factory.mktemp("alone"), toy=False) as alone:
        for path in ["/_link", "/_link/health"]:
            answer = await alone.http.post(path, json={"path": "/echo"}, headers={"host": "gw.example.com"})
            assert answer.status_code == 500
        assert (await alone.ask("open.example.com", "/echo")).status_code == 200
        assert len(alone.seen()) == 1
