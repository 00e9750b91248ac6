"""The server of pages over real sockets, and the demo's page on it.

Invariant: it serves the files of its folders and nothing beside them, each under a policy that lets the page
talk to the link and to nobody else; and who follows the wire gets every byte that the tap keeps, once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from extproc.demo.site import Site
from extproc.demo.tap import Tap
from extproc.demo.webpage import FOLDER, furnish, page_site

LINK = "http://127.0.0.1:1"


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture
def page(tap: Tap) -> Iterator[httpx.Client]:
    with page_site().running() as site, httpx.Client(base_url=site.origin) as client:
        furnish(site, link=LINK, root="ed25519:abc", shop="https://shop.example.com", tap=tap)
        yield client


def test_the_page_is_served_with_all_that_it_loads(page: httpx.Client) -> None:
    html = page.get("/")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    for file in FOLDER.iterdir():
        answer = page.get(f"/{file.name}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes())
    for name in ("page.css", "page.js", "icon.svg"):
        assert f'"{name}"' in html.text
    assert page.get("/page.js").headers["content-type"] == "text/javascript"
    assert page.get("/page.css").headers["content-type"] == "text/css"


def test_its_policy_lets_it_talk_to_the_link_alone(page: httpx.Client) -> None:
    policy = page.get("/").headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert f"connect-src 'self' {LINK}" in policy
    assert "script-src 'self'" in policy
    assert "trusted-types 'none'" in policy
    assert not any("unsafe" in directive or "*" in directive for directive in policy)


def test_it_is_told_where_the_link_is(page: httpx.Client) -> None:
    settings = page.get("/settings.json").json()
    assert settings == {"gateway": LINK, "roots": ["ed25519:abc"], "shop": "https://shop.example.com"}


@pytest.mark.parametrize(
    "path", ["/nowhere", "/../site.py", "/%2e%2e/site.py", "/..%2fsite.py", "//etc/passwd"]
)
def test_there_is_nothing_else(page: httpx.Client, path: str) -> None:
    assert page.get(page.base_url.copy_with(raw_path=path.encode())).status_code == 404


def test_a_longer_prefix_comes_first(tmp_path: Path) -> None:
    for name in ("outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    folders = {"/sdk/": tmp_path / "inner", "/": tmp_path / "outer"}
    with Site(folders).running() as site:
        assert httpx.get(f"{site.origin}/").text == "outer"
        assert httpx.get(f"{site.origin}/sdk/").text == "inner"


def test_the_wire_is_followed_piece_by_piece(page: httpx.Client, tap: Tap) -> None:
    with page.stream("GET", "/wire") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert next(lines).startswith(":")  # from here on it watches
        first, second = tap.begin(), tap.begin()
        tap.passed(first, "sent", b"POST")
        tap.passed(second, "sent", b"x" * 70_000)
        tap.passed(second, "sent", b"y")
        tap.passed(first, "received", b"HTTP")
        events = (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
        seen = [next(events) for _ in range(4)]
    assert [(event["turn"], event["way"], event["size"]) for event in seen] == [
        (1, "sent", 4),
        (2, "sent", 70_000),
        (2, "sent", 1),
        (1, "received", 4),
    ]
    assert [base64.b64decode(event["kept"]) for event in seen] == [b"POST", b"x" * 65_536, b"", b"HTTP"]
