"""The page of the demo: the shop for a browser, and beside it what the tap sees of that."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from extproc.demo.site import Served, Site, policy
from extproc.demo.tap import Tap

FOLDER: Final = Path(__file__).parent / "page"  # its files are built from sdk/js/demo
_BEAT_S: Final = 15.0  # a silent stream finds out this often whether somebody still reads it


def page_site() -> Site:
    """The page's own server; `furnish` it before a browser comes."""
    return Site({"/": FOLDER})


def furnish(site: Site, *, link: str, root: str, shop: str, tap: Tap) -> None:
    """Tell the page the link's origin, the root key that it pins and the shop's inner origin, and let it
    follow what passes `tap`."""
    settings = json.dumps({"gateway": link, "roots": [root], "shop": shop}).encode()
    site.policy = f"{policy(link)}; require-trusted-types-for 'script'; trusted-types 'none'"
    site.endpoints["/settings.json"] = lambda: ("application/json", settings)
    site.endpoints["/wire"] = lambda: _wire(tap)


def _wire(tap: Tap) -> Served:
    return "text/event-stream", _events(tap)


def _events(tap: Tap) -> Iterator[bytes]:
    """Server-sent events, one for each piece that passes the tap."""
    pieces = tap.watch(_BEAT_S)
    yield b": what passes the tap\n\n"
    for piece in pieces:
        if piece is None:
            yield b":\n\n"
            continue
        kept = base64.b64encode(piece.kept).decode()
        event = {"turn": piece.turn, "way": piece.way, "size": piece.size, "kept": kept}
        yield b"data: %b\n\n" % json.dumps(event).encode()
