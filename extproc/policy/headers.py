"""Which header fields cross the seal, in each of its four directions.

    outer request -> inner      `carry_over`: the few that an inner request may take from outside
    inner request -> upstream   `to_upstream`
    upstream -> inner response  `to_inner_response`, `to_inner_trailers`
    upstream -> outer response  nothing: `outer_response` is built of the gateway's own parts

Each gives the whole list that the next party is to see: nothing else of what Envoy holds is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from extproc.errors import Code, LinkError
from extproc.link.validation import is_field
from extproc.message import Field, Headers

# RFC 9110, 7.6.1, with RFC 2616's `trailer`: about one connection, not about the message. `proxy-*` likewise.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
_NEVER_CROSS: Final = (":", "proxy-", "x-link-")
_NEVER_INSIDE: Final = (*_NEVER_CROSS, "x-envoy-")
# Whoever sets the body sets its length with it; the authority is a pseudo-header; and the body that `expect`
# would wait for has come.
_OF_THE_ENVELOPE: Final = frozenset({"host", "content-length", "expect"})
_REQUEST_ID: Final = "x-request-id"


def carry_over(outer: Headers, inner: Headers) -> Headers:
    """The inner request's fields, and of the outer ones those that cross. Cookies are a matter of `cookies`.

    The request id is the outer one, which Envoy has given; `traceparent`, `user-agent` and `origin` are taken
    where the inner request has none. Nothing vouches for what comes from outside. Raises
    LinkError(NOT_PERMITTED) when the two origins differ.
    """
    if len({value for name, value in outer.fields + inner.fields if name == "origin"}) > 1:
        raise LinkError(Code.NOT_PERMITTED, "inner and outer origin differ")
    merged = list(inner.fields)
    if (request_id := outer.get(_REQUEST_ID)) is not None:
        merged = [pair for pair in merged if pair[0] != _REQUEST_ID]
        merged.append((_REQUEST_ID, request_id))
    for name in ("traceparent", "user-agent", "origin"):
        if (value := outer.get(name)) is not None and name not in inner:
            merged.append((name, value))
    return Headers.of(merged)


def to_upstream(inner: Headers) -> list[Field]:
    """The fields of the request that the upstream gets, but for pseudo-headers, content-length and host."""
    dropped = _OF_THE_ENVELOPE | _of_the_connection(inner)
    return [pair for pair in inner.fields if pair[0] not in dropped and not pair[0].startswith(_NEVER_CROSS)]


def to_inner_response(response: Headers) -> Headers:
    """The upstream's fields as they go inside the seal: all that is end to end, and that a client accepts."""
    dropped = _of_the_connection(response)
    fields = []
    for name, untrimmed in response.fields:
        if name not in dropped and not name.startswith(_NEVER_INSIDE):
            value = untrimmed.strip(b" \t")
            if is_field(name, value):
                fields.append((name, value))
    return Headers.of(fields)


def to_inner_trailers(trailers: Headers) -> Headers:
    """As `to_inner_response`, without `set-cookie`, which RFC 9110, 6.5.1 does not let a trailer be."""
    return to_inner_response(trailers).without("set-cookie")


def outer_response(
    media_type: str, *, cors: Headers, cookies: Iterable[bytes] = (), request_id: bytes | None = None
) -> Headers:
    """All fields of an outer answer with a body, but for pseudo-headers and content-length (section 10).

    `cors`: as `cors.answer_headers` has it. `cookies`: lines of `cookies.outgoing`. `request_id`: the outer
    request's, never the upstream's.
    """
    fields = [("content-type", media_type.encode()), ("cache-control", b"no-store"), *cors.fields]
    fields += [("set-cookie", line) for line in cookies]
    if request_id is not None:
        fields.append((_REQUEST_ID, request_id))
    return Headers.of(fields)


def from_browser(outer: Headers) -> bool:
    """Whether a browser sent the outer request, whose scripts must not see HttpOnly cookies (section 13)."""
    return "origin" in outer or "sec-fetch-site" in outer


def _of_the_connection(headers: Headers) -> frozenset[str]:
    """The names that no intermediary forwards, with those that `connection` lists (RFC 9110, 7.6.1)."""
    if "connection" not in headers:
        return _HOP_BY_HOP
    options = b",".join(headers.get_all("connection")).decode("latin-1").lower().split(",")
    return _HOP_BY_HOP.union(option.strip(" \t") for option in options)
