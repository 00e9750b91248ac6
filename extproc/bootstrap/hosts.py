"""Hosts as Envoy writes them in the domains of a virtual host."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from extproc.config.settings import Link

EVERY_HOST: Final = "*"


def link_hosts(link: Link) -> list[str]:
    """The hosts of the link's origins, without port."""
    hosts = (urlsplit(origin).hostname or "" for origin in link.origins)
    return [f"[{host}]" if ":" in host else host for host in hosts]
