"""Through a real Envoy: what a browser asks before and after."""

from __future__ import annotations

import pytest

from tests.e2e.stack import SHOP, Stack

PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}


def test_a_preflight_is_answered_at_once(stack: Stack) -> None:
    answer = stack.http.options("/_link", headers={"origin": SHOP, **PREFLIGHT})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null"])
def test_a_forbidden_origin_gets_no_cors_headers(stack: Stack, origin: str) -> None:
    answer = stack.http.options("/_link", headers={"origin": origin, **PREFLIGHT})
    assert answer.status_code == 204
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    refused = stack.http.post(
        "/_link", content=b"x", headers={"origin": origin, "content-type": "application/privatelink"}
    )
    assert (refused.status_code, refused.json()) == (403, {"type": "urn:privatelink:problem:origin"})


@pytest.mark.parametrize("path", ["/_link", "/_link/keys", "/_link/health"])
def test_a_probing_options_gets_204(stack: Stack, path: str) -> None:
    assert stack.http.options(path).status_code == 204


def test_a_refusal_can_be_read_by_the_page(stack: Stack) -> None:
    answer = stack.http.post(
        "/_link", content=b"x", headers={"origin": SHOP, "content-type": "application/privatelink"}
    )
    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == SHOP


def test_inner_and_outer_origin_apart_are_not_permitted(stack: Stack) -> None:
    body, opener = stack.sealer.seal(headers=[{"name": "origin", "value": b"https://other.example.com"}])
    answer = stack.http.post(
        "/_link", content=body, headers={"origin": SHOP, "content-type": "application/privatelink"}
    )
    assert opener.open(answer.content).fault == "not-permitted"


def test_health_and_keys(stack: Stack) -> None:
    assert stack.http.get("/_link/health").status_code == 204
    keys = stack.http.get("/_link/keys")
    assert keys.headers["content-type"] == "application/privatelink-keys"
    assert "max-age=3600" in keys.headers["cache-control"]
    assert stack.http.post("/_link/keys").status_code == 405
    assert stack.http.get("/_link").status_code == 405


def test_an_answer_to_a_page_leaves_out_httponly_cookies(stack: Stack) -> None:
    body, opener = stack.sealer.seal(path="/cookies", cookie_binding=bytes(32))
    answer = stack.http.post(
        "/_link", content=body, headers={"origin": SHOP, "content-type": "application/privatelink"}
    )
    inside = [h.value for h in opener.open(answer.content).headers if h.name == "set-cookie"]
    assert len(inside) == 4
    assert not any(b"HttpOnly" in line for line in inside)
    assert len(answer.headers.get_list("set-cookie")) == 5
    stack.http.cookies.clear()
