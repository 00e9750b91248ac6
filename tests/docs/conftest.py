"""One gateway with the demo's shop behind it, for every page with examples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from extproc.demo.endpoints import Shop
from extproc.demo.shop import ShopServer
from tests.e2e.stack import Stack, configuration, running
from tests.e2e.upstream import Upstream

LINK = "https://gw.example.com"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The names are those of the pages: the link gw.example.com, the upstream shop.example.com."""
    with Upstream() as unused, ShopServer(Shop()).running() as shop:
        config = configuration(
            unused,
            link={"origins": [LINK]},
            upstreams={"shop": {"endpoints": [shop.authority]}},
            routes=[{"host": "shop.example.com", "upstream": "shop"}],
            rate_limits=[{"limit": "100/s"}],
        )
        with running(tmp_path_factory.mktemp("gateway"), unused, config) as stack:
            yield stack
