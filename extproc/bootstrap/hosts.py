"""Host patterns of routes: "shop.example.com", "*.example.com" (any number of labels for the star), "*"."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from extproc.config.settings import Link

EVERY_HOST: Final = "*"


def covers(pattern: str, host: str) -> bool:
    """Whether every host that `host`, a pattern too, stands for is one of `pattern`'s."""
    if pattern in {host, EVERY_HOST}:
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:])


def link_hosts(link: Link) -> list[str]:
    """The hosts of the link's origins, without port."""
    hosts = (urlsplit(origin).hostname or "" for origin in link.origins)
    return [f"[{host}]" if ":" in host else host for host in hosts]
