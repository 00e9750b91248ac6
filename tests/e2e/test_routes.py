"""Through a real Envoy: several routes that a request could take.

Invariant: the first route of the file that covers a request's host and path decides, for plain requests
as for sealed ones. What it refuses, no later route lets through, however the request is spelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from extproc.link.pb import privatelink_pb2 as pb
from tests.e2e.stack import LINK, Stack, configuration, running
from tests.e2e.upstream import Upstream

ENVELOPE = {"content-type": "application/privatelink"}
ROUTES = [
    {"host": "shop.example.com", "prefix": "/admin", "upstream": "main"},
    {"host": "shop.example.com", "prefix": "/pub/vault", "upstream": "main"},
    {"host": "shop.example.com", "prefix": "/", "upstream": "main", "access": "any"},
    {"host": "sealed.corp.example", "upstream": "main"},
    {"host": "*", "prefix": "/", "upstream": "main", "access": "any"},
]
LIMIT = {"match": {"host": "shop.example.com", "prefix": "/admin"}, "limit": "3/h"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Stack]:
    config = configuration(upstream, workers=1, routes=ROUTES, rate_limits=[LIMIT])
    with running(tmp_path_factory.mktemp("strict"), upstream, config) as stack:
        yield stack


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Stack]:
    """With `allow_encoded_slash`."""
    link = {"origins": [LINK], "allow_encoded_slash": True}
    config = configuration(upstream, workers=1, link=link, routes=ROUTES, rate_limits=[])
    with running(tmp_path_factory.mktemp("lenient"), upstream, config) as stack:
        yield stack


def plain(stack: Stack, host: str, target: str, headers: str = "") -> int:
    """The status of a plain request, its bytes as they are."""
    head = f"GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n"
    with stack.dial() as connection:
        connection.sendall(head.encode())
        return int(connection.recv(65536).split(b" ")[1])


def sealed(stack: Stack, host: str, path: str) -> pb.InnerResponse:
    body, opener = stack.sealer.seal(authority=host, path=path)
    return opener.open(stack.http.post("/_link", content=body, headers=ENVELOPE).content)


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("shop.example.com", "/admin/users"),
        ("shop.example.com", "/admin"),
        ("shop.example.com", "/adminx"),  # as the prefix of a sealed request
        ("shop.example.com", "/admin?x=/"),
        ("shop.example.com", "/admin;x=1"),
        ("shop.example.com", "/Admin/users"),  # some upstreams know no case
        ("shop.example.com", "/%61dmin"),
        ("shop.example.com", "/x/../admin"),
        ("shop.example.com", "/x/%2e%2e/admin"),
        ("shop.example.com", "/x/..;/admin"),
        ("shop.example.com", "//admin"),
        ("shop.example.com", "/x\\..\\admin"),
        ("shop.example.com", "http://shop.example.com/admin"),
        ("SHOP.example.com:8443", "/admin"),
        ("shop.example.com.", "/admin"),
        ("shop.example.com.:8443", "/admin"),
        ("sealed.corp.example", "/"),
        ("sealed.corp.example.", "/"),
        ("Sealed.Corp.Example", "/echo"),
    ],
)
@pytest.mark.parametrize("gateway", ["strict", "lenient"])
def test_a_later_any_route_is_no_way_round_a_sealed_one(
    gateway: str, host: str, path: str, request: pytest.FixtureRequest
) -> None:
    stack: Stack = request.getfixturevalue(gateway)
    before = len(stack.upstream.seen)
    assert plain(stack, host, path) in {400, 403}
    assert plain(stack, host, path, headers="x-link-opened: 1\r\n") in {400, 403}
    assert len(stack.upstream.seen) == before


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("shop.example.com", "/"),
        ("shop.example.com", "/public/admin"),
        ("shop.example.com", "/?next=/admin"),
        ("shop.example.com", "/adm"),
        ("shop.example.com.", "/public"),
        ("elsewhere.example", "/admin"),
        ("corp.example", "/"),
    ],
)
def test_a_plain_request_passes_where_any_comes_first(strict: Stack, host: str, path: str) -> None:
    assert plain(strict, host, path) == 200
    assert strict.upstream.last().target == path


@pytest.mark.parametrize("path", ["/Admin", "/pub/vault", "/"])
def test_sealed_requests_pass_all_of_them(strict: Stack, path: str) -> None:
    """Another case is another path for these: it is taken as it is written."""
    answer = sealed(strict, "shop.example.com", path)
    assert (answer.fault, answer.status) == ("", 200)
    assert strict.upstream.last().target == path


def test_sealed_requests_pass_a_host_of_their_own(strict: Stack) -> None:
    assert sealed(strict, "sealed.corp.example", "/echo").status == 200


def test_what_a_sealed_route_refuses_spends_no_rate_limit(strict: Stack) -> None:
    forged = "x-link-opened: 1\r\n"
    assert {plain(strict, "shop.example.com", "/admin", headers=forged) for _ in range(5)} == {403}
    statuses = [sealed(strict, "shop.example.com", "/admin").status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize(
    "path",
    [
        "/pub/..%2fadmin",
        "/pub/..%2Fadmin",
        "/pub%2f..%2fadmin",
        "/pub%2f../admin",
        "/pub/%2e%2e%2fadmin",
        "/pub/%2E.%2fadmin",
        "/pub/.%2fvault",
        "/pub%2f.%2fvault",
        "/pub%2f..",
        "/pub%5c..%5cadmin",
        "/pub%5Cvault",
        "/pub%2f..;x%2fadmin",
        "/pub%2fvault",
        "/pub%2Fvault/1",
        "/%2fadmin",
        "/pub%2f%2fvault",
        "/pub/..%2fadmin?x=1",
    ],
)
def test_an_encoded_slash_is_no_way_round_a_sealed_route(lenient: Stack, path: str) -> None:
    """Where they may pass, an upstream may read them as slashes."""
    before = len(lenient.upstream.seen)
    assert plain(lenient, "shop.example.com", path) in {400, 403}
    assert len(lenient.upstream.seen) == before


@pytest.mark.parametrize("path", ["/files/a%2fb", "/a..%2fb", "/v1.%2f..x", "/files/", "/x?p=..%2f%5c"])
def test_an_encoded_slash_passes_otherwise(lenient: Stack, path: str) -> None:
    assert plain(lenient, "shop.example.com", path) == 200
    assert lenient.upstream.last().target == path
    assert sealed(lenient, "shop.example.com", path).status == 200


def test_a_client_can_not_say_who_it_is(strict: Stack) -> None:
    forged = [
        *("x-forwarded-user", "x-forwarded-email", "x-forwarded-host", "x-forwarded-prefix"),
        *("forwarded", "x-real-ip", "true-client-ip", "x-client-ip", "cf-connecting-ip"),
        *("x-original-forwarded-for", "x-envoy-anything", "x-forwarded-for"),
    ]
    lines = "".join(f"{name}: 203.0.113.9\r\n" for name in forged)
    assert plain(strict, "elsewhere.example", "/echo", headers=lines) == 200
    kept: dict[str, Any] = dict(strict.upstream.last().headers)
    assert {name for name in forged if name in kept} == {"x-forwarded-for"}
    assert (kept["x-forwarded-for"], kept["x-forwarded-proto"]) == ("127.0.0.1", "http")


@pytest.mark.parametrize("path", ["/_link", "/_link/keys", "/_link/health"])
def test_the_link_refuses_upgrades_without_the_processor(strict: Stack, path: str) -> None:
    body, _ = strict.sealer.seal()
    headers = {**ENVELOPE, "connection": "upgrade", "upgrade": "websocket"}
    answer = strict.http.post(path, content=body, headers=headers)
    entry = strict.access_log(answer.headers["x-request-id"])
    assert (answer.status_code, answer.content) == (403, b"")
    assert (entry["route"], entry.get("outcome")) == ("link_other", None)


def test_the_access_log_is_for_this_user_alone(strict: Stack) -> None:
    plain(strict, "elsewhere.example", "/")
    assert (strict.folder / "access.log").stat().st_mode & 0o777 == 0o600
