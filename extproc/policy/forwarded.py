"""Claims to where a request came from (RFC 7239 and its forerunners): none of them reaches the upstream."""

from __future__ import annotations

from typing import Final

# Single-address headers of proxies and CDNs, which applications trust as they trust x-forwarded-for.
CLAIMS: Final = frozenset(
    {
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "client-ip",
        "fastly-client-ip",
        "forwarded",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-real-ip",
    }
)
# By the start of their names: who a proxy says the client is, and how it came.
FAMILIES: Final = ("x-forwarded", "x-original-forwarded", "x-envoy-")
