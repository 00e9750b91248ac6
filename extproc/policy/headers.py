"""Which header fields cross the seal, in each of its four directions.

    outer request -> inner      `carry_over`: the few that an inner request may take from outside
    inner request -> upstream   `to_upstream`
    upstream -> inner response  `to_inner_response`, `to_inner_trailers`
    upstream -> outer response  nothing: `outer_response` is built of the gateway's own parts

Each gives the whole list that the next party is to see: nothing else of what Envoy holds is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from extproc.errors import Code, LinkError
from extproc.link.validation import is_field
from extproc.message import Field, Headers
from extproc.policy.forwarded import CLAIMS, FAMILIES

# RFC 9110, 7.6.1, with RFC 2616's `trailer`: about one connection, not about the message. `proxy-*` likewise.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
_NEVER_CROSS: Final = (":", "proxy-", "x-link-")
_NEVER_INSIDE: Final = (*_NEVER_CROSS, "x-envoy-")
# Whoever sets the body sets its length with it; the authority is a pseudo-header; and the body that `expect`
# would wait for has come.
_OF_THE_ENVELOPE: Final = frozenset({"host", "content-length", "expect"})
_NOT_UPSTREAM: Final = _HOP_BY_HOP | _OF_THE_ENVELOPE | CLAIMS
_NEVER_UPSTREAM: Final = (*_NEVER_CROSS, *FAMILIES)
_REQUEST_ID: Final = "x-request-id"


def carry_over(outer: Headers, inner: Headers) -> Headers:
    """The inner request's fields, and of the outer ones those that cross. Cookies are a matter of `cookies`.

    The request id is the outer one, which Envoy has given; `traceparent`, `user-agent` and `origin` are taken
    where the inner request has none. Nothing vouches for what comes from outside. Raises
    LinkError(NOT_PERMITTED) when the two origins differ.
    """
    merged, outside, inside = list(inner.fields), outer.first, inner.first
    is_of_a_page = "origin" in outside or "origin" in inside
    if is_of_a_page and len({*outer.get_all("origin"), *inner.get_all("origin")}) > 1:
        raise LinkError(Code.NOT_PERMITTED, "inner and outer origin differ")
    if (request_id := outside.get(_REQUEST_ID)) is not None:
        if _REQUEST_ID in inside:
            merged = [pair for pair in merged if pair[0] != _REQUEST_ID]
        merged.append((_REQUEST_ID, request_id))
    for name in ("traceparent", "user-agent", "origin"):
        if name in outside and name not in inside:
            merged.append((name, outside[name]))
    return Headers.of(merged)


def to_upstream(inner: Headers, peer: str, scheme: str) -> list[Field]:
    """The fields of the request that the upstream gets, but for pseudo-headers, content-length and host.

    Of where it comes from they say nothing but `peer`, an IP address without port or brackets, as Envoy
    writes it; and the inner `scheme`, since the upstream is to see the inner request.
    """
    dropped = _with_options(_NOT_UPSTREAM, inner)
    fields = [p for p in inner.fields if p[0] not in dropped and not p[0].startswith(_NEVER_UPSTREAM)]
    fields += ("x-forwarded-for", peer.encode()), ("x-forwarded-proto", scheme.encode())
    return fields


def to_inner_response(response: Headers) -> list[Field]:
    """The upstream's fields as they go inside the seal: all that is end to end, and that a client accepts."""
    dropped = _with_options(_HOP_BY_HOP, response)
    fields = []
    for name, untrimmed in response.fields:
        if name not in dropped and not name.startswith(_NEVER_INSIDE):
            value = untrimmed.strip(b" \t")
            if is_field(name, value):
                fields.append((name, value))
    return fields


def to_inner_trailers(trailers: Headers) -> list[Field]:
    """As `to_inner_response`, without `set-cookie`, which RFC 9110, 6.5.1 does not let a trailer be."""
    return [pair for pair in to_inner_response(trailers) if pair[0] != "set-cookie"]


def outer_response(
    media_type: str, cors: Headers, cookies: Sequence[bytes] = (), request_id: bytes | None = None
) -> Headers:
    """All fields of an outer answer with a body, but for pseudo-headers and content-length (section 10).

    `cors`: as `cors.answer_headers` has it. `cookies`: lines of `cookies.outgoing`. `request_id`: the outer
    request's, never the upstream's.
    """
    fields = [("content-type", media_type.encode()), ("cache-control", b"no-store"), *cors.fields]
    if cookies:
        fields += [("set-cookie", line) for line in cookies]
    if request_id is not None:
        fields.append((_REQUEST_ID, request_id))
    return Headers.of(fields)


def from_browser(outer: Headers) -> bool:
    """Whether a browser sent the outer request, whose scripts must not see HttpOnly cookies (section 13)."""
    return "origin" in outer or "sec-fetch-site" in outer


def _with_options(names: frozenset[str], headers: Headers) -> frozenset[str]:
    """`names`, and those that `connection` lists, which no intermediary forwards (RFC 9110, 7.6.1)."""
    if "connection" not in headers.first:
        return names
    options = b",".join(headers.get_all("connection")).decode("latin-1").lower().split(",")
    return names.union(option.strip(" \t") for option in options)
