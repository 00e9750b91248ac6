"""What the demo runs on: a shop, keys, workers, an Envoy, a tap on the line to it, and a page for a browser.

Everything listens on a port that the system chose, in a folder of its own, so that demos run side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.run import Envoy
from extproc.config import keymaker
from extproc.config.keystore import load_keys
from extproc.config.load import load
from extproc.config.rootkey import load_or_make_root
from extproc.config.rotation import Terms
from extproc.config.settings import Settings
from extproc.demo.endpoints import Shop
from extproc.demo.scene import SHOP_HOST, gateway_yaml
from extproc.demo.shop import ShopServer
from extproc.demo.tap import Tap
from extproc.demo.webpage import furnish, page_site
from extproc.server import telemetry
from extproc.server.stores import open_store
from extproc.server.workers import Supervisor


@dataclass(frozen=True, slots=True)
class Stage:
    """A running gateway. `link`, `page`: the origins of tap and page; `root`: the key that a client pins."""

    folder: Path
    link: str
    page: str
    root: str
    shop: Shop
    tap: Tap
    envoy: Envoy


@contextlib.asynccontextmanager
async def raised(binary: Path) -> AsyncIterator[Stage]:
    """Everything started, in front of the Envoy `binary`, and drained when the block ends. UserError."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="extproc-demo-")))
        tap, site = Tap(), stack.enter_context(page_site().running())
        shop = Shop(page=site.origin)
        server = stack.enter_context(ShopServer(shop).running())
        host, port = await stack.enter_async_context(tap.listening())
        file, link = folder / "gateway.yaml", f"http://{host}:{port}"
        file.write_text(gateway_yaml(link=link, shop=server.authority, page=site.origin))
        settings = load(file)
        telemetry.configure(settings.log)
        root, begin = _make_keys(settings)
        await stack.enter_async_context(Supervisor(file, settings))
        envoy = Envoy(binary)
        stack.push_async_callback(envoy.stop)
        generated, state = to_yaml(bootstrap(settings)), settings.path(settings.state_dir)
        await envoy.start(generated, folder, log_level="error", concurrency=1, scratch=state)
        tap.target = envoy.address
        furnish(site, link=link, root=root, shop=f"https://{SHOP_HOST}", tap=tap)
        await asyncio.sleep(begin - time.time())
        yield Stage(folder, link, site.origin, root, shop, tap, envoy)
        await envoy.drain(settings.drain.total_seconds())


def _make_keys(settings: Settings) -> tuple[str, int]:
    """As `extproc keys init` does. The root to pin, and when the keys begin, a full second in Unix time.

    The replay store comes first: one that is older than the keys need not wait until it can tell replays.
    """
    open_store(settings, time.time_ns() // 1_000_000)
    folder = settings.path(settings.link.keys)
    root = load_or_make_root(settings.folder / "root.pem", outside=folder)
    keymaker.init(folder, Terms.of(settings), time.time(), roots=[root])
    return str(root.public), max(entry.not_before for entry in load_keys(folder).decoded.keys)
