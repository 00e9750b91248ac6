"""Through a real Envoy: five cookies of different Path and Domain, sealed to one install."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import Stack

ENVELOPE = {"content-type": "application/privatelink"}
BINDING, OTHER = bytes(32), bytes([1] * 32)


def set_five(stack: Stack) -> list[str]:
    """The outer set-cookie lines after a request to /account/cookies."""
    body, opener = stack.sealer.seal(path="/cookies", cookie_binding=BINDING)
    answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
    assert opener.open(answer.content).status == 200
    stack.http.cookies.clear()
    return answer.headers.get_list("set-cookie")


def cookie_at(stack: Stack, authority: str, path: str, jar: list[str], binding: bytes = BINDING) -> set[str]:
    """The cookie pairs that the upstream gets when a browser sends its whole jar."""
    body, opener = stack.sealer.seal(authority=authority, path=path, cookie_binding=binding)
    pairs = "; ".join(line.partition(";")[0] for line in jar)
    answer = stack.http.post("/_link", content=body, headers={**ENVELOPE, "cookie": pairs})
    assert opener.open(answer.content).status == 200
    (cookie,) = stack.upstream.last().all("cookie") or [""]
    return set(cookie.split("; ")) - {""}


def test_what_is_outside_tells_nothing(stack: Stack) -> None:
    lines = set_five(stack)
    assert len(lines) == 5
    for line in lines:
        assert line.startswith("__Secure-pl-")
        assert {"Path=/_link", "Secure", "HttpOnly"} <= set(line.split("; "))
        assert not any(word in line for word in ("sid", "theme", "dark", "account", "example.com"))


@pytest.mark.parametrize(
    ("authority", "path", "expected"),
    [
        ("shop.example.com", "/", {"sid=s1", "wide=w"}),
        ("shop.example.com", "/account", {"sid=s2", "sid=s1", "wide=w", "here=h"}),
        ("shop.example.com", "/account/settings", {"sid=s2", "sid=s1", "theme=dark", "wide=w", "here=h"}),
        ("account.shop.example.com", "/account", {"wide=w", "here=h"}),
        ("other.example.com", "/account", {"wide=w"}),
    ],
)
def test_each_comes_back_on_its_own_paths_and_domains_only(
    stack: Stack, authority: str, path: str, expected: set[str]
) -> None:
    assert cookie_at(stack, authority, path, set_five(stack)) == expected


def test_a_second_client_that_copied_them_has_nothing(stack: Stack) -> None:
    assert cookie_at(stack, "shop.example.com", "/account/settings", set_five(stack), OTHER) == set()
    assert cookie_at(stack, "shop.example.com", "/account/settings", set_five(stack), b"") == set()


def test_inner_and_outer_cookies_are_merged_and_the_inner_wins(stack: Stack) -> None:
    jar = set_five(stack)
    body, opener = stack.sealer.seal(
        path="/", cookie_binding=BINDING, headers=[{"name": "cookie", "value": b"sid=mine; own=1"}]
    )
    pairs = "; ".join(line.partition(";")[0] for line in jar)
    answer = stack.http.post("/_link", content=body, headers={**ENVELOPE, "cookie": pairs + "; alien=1"})
    assert opener.open(answer.content).status == 200
    (cookie,) = stack.upstream.last().all("cookie")
    assert set(cookie.split("; ")) == {"sid=mine", "own=1", "wide=w"}


def test_the_sdk_has_a_jar_of_sealed_cookies(stack: Stack, client: httpx.Client) -> None:
    client.get("https://shop.example.com/cookies")
    client.cookies.clear()  # httpx's own jar; what is left is sealed, in the transport's
    client.get("https://shop.example.com/account")
    (cookie,) = stack.upstream.last().all("cookie")
    assert "sid=s2" in cookie.split("; ")


def test_an_answer_with_more_cookies_than_envoy_takes(stack: Stack) -> None:
    """What is too much is left out; Envoy would answer 500 in the clear."""
    body, opener = stack.sealer.seal(path="/cookies?more=240", cookie_binding=BINDING)
    answer = stack.http.post("/_link", content=body, headers=ENVELOPE)
    stack.http.cookies.clear()
    inside = [header for header in opener.open(answer.content).headers if header.name == "set-cookie"]
    assert (len(answer.headers.get_list("set-cookie")), len(inside)) == (80, 245)


def test_an_install_keeps_its_cookie_binding(stack: Stack, tmp_path: Path) -> None:
    cache = tmp_path / "link.cache"
    for _ in range(2):
        with stack.client(cache=cache) as client:
            assert client.get("https://shop.example.com/echo").status_code == 200
    assert cache.stat().st_mode & 0o077 == 0
