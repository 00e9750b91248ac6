"""What a transport is told.

Invariant: options that make no sense are a ValueError that says what was expected, before anything is sent.
"""

from __future__ import annotations

import asyncio
import doctest
from functools import partial
from typing import Any

import httpx
import pytest

from extproc.client import AsyncLinkTransport, LinkTransport, transport
from extproc.link.keys import RootPrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from tests.client.conftest import Opening
from tests.client.gateway import LINK, SHOP, Clock, Gateway

ROOT = str(RootPrivateKey.generate().public)
X25519 = "x25519:" + "A" * 43


@pytest.mark.parametrize(
    ("link", "options", "expected"),
    [
        ("gw.example.com", {}, 'expected a link such as "https://gw.example.com"'),
        ("https://gw.example.com/_link", {}, "expected a link"),
        ("https://gw.example.com/?a", {}, "expected a link"),
        ("https://user@gw.example.com", {}, "expected a link"),
        ("https://", {}, "expected a link"),
        ("wss://gw.example.com", {}, "expected a link"),
        ("https://gw.example.com:x", {}, "is no URL"),
        ("http://gw.example.com", {}, "use https, or allow it by insecure_http"),
        ("http://127.0.0.1.example.com", {}, "use https"),
        (LINK, {"roots": []}, "expected roots to trust, or gateway keys to pin"),
        (LINK, {"keys": [X25519]}, "expected roots to trust, or gateway keys to pin"),
        (LINK, {"roots": ["ed25519:AAAA"]}, "expected a root key such as ed25519:"),
        (LINK, {"roots": [], "keys": ["AAAA"]}, "expected a gateway key as x25519:"),
        (LINK, {"roots": [], "keys": [X25519 + "A"]}, "expected a gateway key"),
        (LINK, {"roots": [], "keys": [X25519], "require_pq": True}, "no pinned gateway key is X-Wing"),
        (LINK, {"roots": [], "keys": [X25519], "directory": b"x"}, "of no use beside pinned gateway keys"),
        (LINK, {"path": "_link"}, 'expected a path such as "/_link"'),
        (LINK, {"path": "/"}, "expected a path"),
        (LINK, {"tags": {"a": "x" * 65}}, "at most 64 characters"),
        (LINK, {"tags": {str(n): "" for n in range(17)}}, "at most 16 tags"),
    ],
)
@pytest.mark.parametrize("kind", [LinkTransport, AsyncLinkTransport])
def test_options_that_make_no_sense(
    kind: type[LinkTransport | AsyncLinkTransport], link: str, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        kind(link, **{"roots": [ROOT], **options})


@pytest.mark.parametrize(
    ("link", "origin"),
    [
        ("https://GW.example.com:443/", "https://gw.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("http://gw.localhost", "http://gw.localhost"),
    ],
)
def test_the_link_as_its_directory_names_it(
    connect: Opening, gateway: Gateway, link: str, origin: str
) -> None:
    gateway.directories.append(lambda _: gateway.keys_answer(gateway.signed(links=(LINK, origin))))
    connect(link)("GET", SHOP)
    assert str(gateway.posts[0].url) == f"{origin}/_link"


def test_several_roots(connect: Opening, gateway: Gateway) -> None:
    assert connect(roots=[ROOT, str(gateway.root.public)])("GET", SHOP).status_code == 200


@pytest.mark.parametrize("name", ["LinkTransport", "AsyncLinkTransport"])
def test_the_examples_of_the_docstrings(name: str, gateway: Gateway, clock: Clock) -> None:
    gateway.upstream = lambda inner: pb.InnerResponse(
        status=200, body=b'{"order": %d}' % int(inner.path.rpartition("/")[2])
    )
    bound: dict[str, Any] = {"transport": httpx.MockTransport(gateway.handle), "world": clock.world}
    names = {
        "httpx": httpx,
        "asyncio": asyncio,
        "ROOT": str(gateway.root.public),
        "LinkTransport": partial(LinkTransport, **bound),
        "AsyncLinkTransport": partial(AsyncLinkTransport, **bound),
    }
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(transport, name), name, globs=names)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0
