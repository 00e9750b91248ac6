"""Who sent the request, for the upstream: the peer that Envoy saw, whatever any header claims."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from extproc.message import Field

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


def rewrite(headers: Iterable[Field], peer: str, scheme: str | None = None) -> list[Field]:
    """The fields without any claim to where the request came from (RFC 7239 and its forerunners).

    In their place x-forwarded-for is `peer`, an IP address without port or brackets, as Envoy writes it; and
    x-forwarded-proto is `scheme` if given: the inner one, since the upstream is to see the inner request.
    """
    fields = [pair for pair in headers if pair[0] not in CLAIMS and not pair[0].startswith(FAMILIES)]
    fields.append(("x-forwarded-for", peer.encode()))
    if scheme is not None:
        fields.append(("x-forwarded-proto", scheme.encode()))
    return fields
