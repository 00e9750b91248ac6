"""The inner exchange: an httpx request as an InnerRequest, an InnerResponse as an httpx response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from extproc import errors
from extproc.client.errors import BAD_RESPONSE, LinkError
from extproc.client.fields import raw_fields
from extproc.client.inflow import Inflow
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.validation import ValidationRules, validate_request
from extproc.message import Field

# Fields of one connection (RFC 9110, 7.6.1), and `host`, which the authority says already.
_LEFT_OUT: Final = frozenset(
    {"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_CODINGS: Final = frozenset({"gzip", "deflate", "identity"})  # what httpx decodes without further packages


def to_inner(request: httpx.Request) -> pb.InnerRequest:
    """Method, URL and end-to-end headers. The body is added if it goes whole; the rest is the link's."""
    return pb.InnerRequest(
        method=request.method,
        scheme=request.url.scheme,
        authority=request.headers.get("host") or request.url.netloc.decode("ascii"),
        path=request.url.raw_path.decode("ascii"),
        headers=[pb.Header(name=name, value=value) for name, value in _end_to_end(request.headers)],
    )


def check_request(inner: pb.InnerRequest, link_path: str, *, streamed: bool) -> None:
    """Raises LinkError("bad-request") with the reason, which the gateway would not tell.

    `streamed`: the body is not in it, for its stream to count against `content-length`.
    """
    try:
        validate_request(inner, ValidationRules(link_path, allow_encoded_slash=True), streamed=streamed)
    except errors.LinkError as error:
        raise LinkError(error.code, error.reason) from error


def to_response(
    inner: pb.InnerResponse, inflow: Inflow | None, extensions: Mapping[str, Any]
) -> httpx.Response:
    """An unread response: httpx decodes gzip and deflate as it reads. Its body and trailers are those of
    `inner`, or come by `inflow`. Raises LinkError("bad-response")."""
    if not 200 <= inner.status <= 599:
        raise LinkError(BAD_RESPONSE, f"inner status {inner.status}", outcome_unknown=True)
    trailers = httpx.Headers(raw_fields(inner.trailers)) if inflow is None else inflow.trailers
    return httpx.Response(
        inner.status,
        headers=raw_fields(inner.headers),
        stream=httpx.ByteStream(inner.body) if inflow is None else inflow,
        extensions={**extensions, "trailers": trailers},
    )


def _end_to_end(headers: httpx.Headers) -> Iterator[Field]:
    nominated = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    for raw_name, raw_value in headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.strip(b" \t")
        if name in _LEFT_OUT or name in nominated or name.startswith("proxy-"):
            continue
        yield name, _codings(value) if name == "accept-encoding" else value


def _codings(accept_encoding: bytes) -> bytes:
    """Of the codings that the caller accepts, those that can be decoded here."""
    offered = (coding.strip() for coding in accept_encoding.decode("latin-1").split(","))
    kept = [coding for coding in offered if coding.partition(";")[0].strip().lower() in _CODINGS]
    return ", ".join(kept or ["identity"]).encode()
