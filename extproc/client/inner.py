"""The inner exchange: an httpx request as an InnerRequest, an InnerResponse as an httpx response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import httpx

from extproc import errors
from extproc.client.errors import BAD_RESPONSE, LinkError
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.validation import ValidationRules, is_field, validate_request, why_no_field
from extproc.message import Field

# Fields of one connection (RFC 9110, 7.6.1), and `host`, which the authority says already.
_LEFT_OUT: Final = frozenset(
    {"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_CODINGS: Final = frozenset({"gzip", "deflate", "identity"})  # what httpx decodes without further packages


def to_inner(request: httpx.Request, body: bytes) -> pb.InnerRequest:
    """Method, URL, end-to-end headers and body. What else an InnerRequest has is the link's."""
    return pb.InnerRequest(
        method=request.method,
        scheme=request.url.scheme,
        authority=request.headers.get("host") or request.url.netloc.decode("ascii"),
        path=request.url.raw_path.decode("ascii"),
        headers=[pb.Header(name=name, value=value) for name, value in _end_to_end(request.headers)],
        body=body,
    )


def check_request(inner: pb.InnerRequest, link_path: str) -> None:
    """Raises LinkError("bad-request") with the reason, which the gateway would not tell."""
    try:
        validate_request(inner, ValidationRules(link_path, allow_encoded_slash=True))
    except errors.LinkError as error:
        raise LinkError(error.code, error.reason) from error


def to_response(inner: pb.InnerResponse, extensions: Mapping[str, Any]) -> httpx.Response:
    """An unread response: httpx decodes gzip and deflate as it reads. Raises LinkError("bad-response")."""
    if not 200 <= inner.status <= 599:
        raise LinkError(BAD_RESPONSE, f"inner status {inner.status}", outcome_unknown=True)
    return httpx.Response(
        inner.status,
        headers=_raw(inner.headers),
        stream=httpx.ByteStream(inner.body),
        extensions={**extensions, "trailers": httpx.Headers(_raw(inner.trailers))},
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


def _raw(headers: Iterable[pb.Header]) -> list[tuple[bytes, bytes]]:
    for header in headers:
        if not is_field(header.name, header.value):
            raise LinkError(BAD_RESPONSE, why_no_field(header.name), outcome_unknown=True)
    return [(header.name.encode(), header.value) for header in headers]
