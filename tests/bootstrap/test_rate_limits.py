"""Rate limits in a running Envoy.

Invariant: a rule's limit holds for each distinct value of what it counts by, whichever way a request comes,
and nobody spends another's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.bootstrap.running import Gateway, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = [
    {"match": {"prefix": "/user"}, "by": ["x-user-id"], "limit": "2/h"},
    {"match": {"prefix": "/peer", "host": "open.example.com"}, "by": ["client_address"], "limit": "2/h"},
    {"match": {"prefix": "/both"}, "by": ["client_address", "X-User-Id"], "limit": "1/h"},
    {"match": {"prefix": "/all"}, "limit": "3/h"},
    {"match": {"prefix": "/all/two"}, "limit": "1/h"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path_factory.mktemp("limits"), rate_limits=RULES) as started:
        yield started


async def plain(running: Gateway, path: str, host: str = "open.example.com", **headers: str) -> int:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await running.ask(host, path, fields)).status_code


async def statuses(times: int, running: Gateway, path: str, **how: Any) -> list[int]:
    return [await plain(running, path, **how) for _ in range(times)]


async def test_each_value_of_a_header_has_its_own_bucket(running: Gateway) -> None:
    assert await statuses(3, running, "/user", x_user_id="a") == [200, 200, 429]
    assert await statuses(3, running, "/user?q", x_user_id="b") == [200, 200, 429]


async def test_leaving_the_header_out_is_a_value_too(running: Gateway) -> None:
    assert await statuses(2, running, "/user") == [200, 200]
    assert await plain(running, "/user") == 429
    assert await plain(running, "/user", x_user_id="") == 429
    assert await plain(running, "/user", x_user_id="long" * 100) == 429


async def test_the_inner_request_counts_and_not_the_outer(running: Gateway) -> None:
    inner = {"headers": {"x-user-id": "c"}, "host": "shop.example.com"}
    assert [await running.inner_status("/user", **inner) for _ in range(3)] == [200, 200, 429]
    outer = {"host": "gw.example.com", "x-user-id": "c"}
    answer = await running.http.post(
        "/_link", json={"path": "/user", "headers": {"x-user-id": "d"}}, headers=outer
    )
    assert answer.headers["x-inner-status"] == "200"


async def test_sealed_and_plain_requests_share_a_bucket(running: Gateway) -> None:
    assert await plain(running, "/user", x_user_id="e") == 200
    assert await running.inner_status("/user", headers={"x-user-id": "e"}) == 200
    assert await plain(running, "/user", x_user_id="e") == 429


async def test_what_is_refused_at_the_door_spends_nothing(running: Gateway) -> None:
    assert await statuses(5, running, "/user", host="shop.example.com", x_user_id="f") == [403] * 5
    assert await statuses(2, running, "/user", x_user_id="f") == [200, 200]


async def test_by_client_address_on_one_host(running: Gateway) -> None:
    assert await statuses(3, running, "/peer", x_forwarded_for="203.0.113.1") == [200, 200, 429]
    assert await plain(running, "/peer", x_forwarded_for="203.0.113.2") == 429
    assert await running.inner_status("/peer", host="open.example.com:443") == 429
    assert await running.inner_status("/peer", host="shop.example.com") == 200


async def test_by_two_things_at_once(running: Gateway) -> None:
    assert [await plain(running, "/both", x_user_id=user) for user in "aabb"] == [200, 429, 200, 429]
    assert await statuses(2, running, "/both") == [200, 429]


async def test_every_rule_that_matches_must_allow(running: Gateway) -> None:
    assert await statuses(2, running, "/all/two") == [200, 429]
    assert await statuses(3, running, "/all") == [200, 200, 429]


async def test_other_paths_have_no_limit(running: Gateway) -> None:
    assert (
        await statuses(5, running, "/users-are-not-here", x_user_id="a") == [429] * 5
    )  # a prefix, as in routes
    assert await statuses(5, running, "/echo", x_user_id="a") == [200] * 5
