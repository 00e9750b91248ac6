"""One gateway with the demo's shop behind it, for every page with examples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from extproc.demo.endpoints import Shop
from extproc.demo.shop import ShopServer
from tests.docs.depot import depot
from tests.e2e.stack import Stack, configuration, running
from tests.e2e.upstream import Upstream

LINK = "https://gw.example.com"
STREAMED = ("/events", "/export.csv", "/uploads")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The names are those of the pages: the link gw.example.com, the upstream shop.example.com."""
    with Upstream() as unused, ShopServer(Shop()).running() as shop, depot() as streams:
        config = configuration(
            unused,
            link={"origins": [LINK]},
            upstreams={"shop": {"endpoints": [shop.authority]}, "depot": {"endpoints": [streams]}},
            routes=[
                *({"host": "shop.example.com", "prefix": path, "upstream": "depot"} for path in STREAMED),
                {"host": "shop.example.com", "upstream": "shop"},
            ],
            rate_limits=[{"limit": "100/s"}],
        )
        with running(tmp_path_factory.mktemp("gateway"), unused, config) as stack:
            yield stack
