"""Through a real Envoy: every method and status that an app meets, and what the upstream saw of it."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.e2e.stack import Stack

SHOP = "https://shop.example.com"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_reaches_the_upstream_as_itself(stack: Stack, client: httpx.Client, method: str) -> None:
    content = b"one pen" if method in {"POST", "PUT", "PATCH"} else b""
    answer = client.request(method, f"{SHOP}/echo?q=1", content=content, headers={"x-user-id": "42"})
    assert answer.status_code == 200
    seen = stack.upstream.last()
    assert (seen.method, seen.target, seen.body) == (method, "/echo?q=1", content)
    assert seen.all("host") == ["shop.example.com"]
    assert seen.all("x-user-id") == ["42"]
    assert answer.content == b"" if method == "HEAD" else json.loads(answer.content)["method"] == method


def test_an_inner_get_has_no_transfer_encoding(stack: Stack, client: httpx.Client) -> None:
    client.get(f"{SHOP}/echo")
    assert stack.upstream.last().all("transfer-encoding") == []
    assert stack.upstream.last().all("content-length") in ([], ["0"])
    assert stack.upstream.last().all("content-type") == []


@pytest.mark.parametrize("status", [200, 201, 204, 301, 304, 400, 404, 429, 500, 503])
def test_every_status_travels_inside(stack: Stack, client: httpx.Client, status: int) -> None:
    answer = client.get(f"{SHOP}/status/{status}")
    assert answer.status_code == status
    assert answer.headers["location"] == "/elsewhere"
    assert answer.content == (b"" if status in {204, 304} else b"status")


def test_a_partial_answer_keeps_its_range(client: httpx.Client) -> None:
    answer = client.get(f"{SHOP}/partial", headers={"range": "bytes=1-3"})
    assert (answer.status_code, answer.content) == (206, b"bcd")
    assert answer.headers["content-range"] == "bytes 1-3/9"


def test_a_dead_upstream_is_a_sealed_503(client: httpx.Client) -> None:
    assert client.get("https://dead.example.com/").status_code == 503


def test_a_slow_upstream_is_a_sealed_504(client: httpx.Client) -> None:
    assert client.get("https://slow.example.com/sleep?s=3").status_code == 504


def test_a_rate_limit_counts_inner_requests(client: httpx.Client) -> None:
    """Two an hour for each x-user-id, which only the inner request has."""

    def status(user: str) -> int:
        return client.get("https://limited.example.com/", headers={"x-user-id": user}).status_code

    assert [status("ann") for _ in range(3)] == [200, 200, 429]
    assert status("bob") == 200


def test_a_host_without_a_route_is_refused_inside_the_seal(client: httpx.Client) -> None:
    assert client.get("https://nobody.example.com/").status_code == 403


def test_nothing_of_the_answer_is_outside(stack: Stack) -> None:
    body, opener = stack.sealer.seal(path="/trailers")
    with stack.http.stream(
        "POST", "/_link", content=body, headers={"content-type": "application/privatelink"}
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.status_code == 200
    assert set(answer.headers) <= {
        "content-type",
        "cache-control",
        "vary",
        "x-request-id",
        "date",
        "server",
        "transfer-encoding",
        "content-length",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["server"] == "envoy"
    inner = opener.open(raw)
    assert inner.body == b"with trailers"
    assert [(h.name, h.value) for h in inner.trailers] == [("x-checksum", b"abc"), ("x-secret", b"trailer")]


def test_trailers_reach_the_app(client: httpx.Client) -> None:
    answer = client.get(f"{SHOP}/trailers")
    assert answer.extensions["trailers"]["x-checksum"] == "abc"


def test_trailers_reach_it_without_a_body_too(client: httpx.Client) -> None:
    answer = client.get(f"{SHOP}/trailers/alone")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.extensions["trailers"]["x-checksum"] == "abc"


def test_the_access_log_tells_of_the_link_and_hides_the_query(stack: Stack) -> None:
    body, _ = stack.sealer.seal(path="/echo?card=4111", client={"sdk": "test/1", "app": "suite"})
    answer = stack.http.post("/_link", content=body, headers={"content-type": "application/privatelink"})
    entry = stack.access_log(answer.headers["x-request-id"])
    assert (entry["outcome"], entry["inner_status"]) == ("ok", "200")
    assert (entry["method"], entry["host"], entry["path"]) == ("GET", "shop.example.com", "/echo")
    assert (entry["sdk"], entry["app"]) == ("test/1", "suite")
    assert len(entry["key_id"]) == 16
    assert "4111" not in json.dumps(entry)


def test_a_request_id_ties_the_upstream_to_the_log(stack: Stack) -> None:
    body, _ = stack.sealer.seal(path="/echo")
    answer = stack.http.post("/_link", content=body, headers={"content-type": "application/privatelink"})
    assert stack.upstream.last().all("x-request-id") == [answer.headers["x-request-id"]]
