"""Through a real Envoy: the upstream learns the peer that Envoy saw, whatever anybody claims."""

from __future__ import annotations

import pytest

from tests.e2e.stack import Stack

FORGED = {
    "x-forwarded-for": "6.6.6.6",
    "forwarded": "for=6.6.6.6",
    "x-real-ip": "6.6.6.6",
    "x-forwarded-host": "evil.example.com",
    "x-forwarded-port": "666",
    "x-envoy-external-address": "6.6.6.6",
    "x-envoy-original-path": "/evil",
}


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_forged_addresses_on_a_sealed_route(stack: Stack, outside: bool, inside: bool) -> None:
    fields = [{"name": name, "value": value.encode()} for name, value in FORGED.items()]
    body, opener = stack.sealer.seal(headers=fields if inside else [])
    headers = {"content-type": "application/privatelink"} | (FORGED if outside else {})
    assert opener.open(stack.http.post("/_link", content=body, headers=headers).content).status == 200
    seen = stack.upstream.last()
    assert seen.all("x-forwarded-for") == ["127.0.0.1"]
    assert [value for _, value in seen.headers if "6.6.6.6" in value or "evil" in value] == []


def test_a_forged_address_on_a_plain_route(stack: Stack) -> None:
    stack.http.get("/", headers={"host": "open.example.com", "x-forwarded-for": "6.6.6.6"})
    assert stack.upstream.last().all("x-forwarded-for") == ["127.0.0.1"]
