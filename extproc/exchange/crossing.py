"""The inner request on its way across: validated, and as the upstream is to get it."""

from __future__ import annotations

from itertools import chain
from typing import Final

from extproc.errors import Code, LinkError
from extproc.exchange.context import Context
from extproc.exchange.gateway import Gateway
from extproc.link.envelope import OpenedRequest
from extproc.link.validation import validate_request
from extproc.message import Headers, Request, authority_host
from extproc.policy import cookies, cors, headers

OPENED_MARK: Final = "x-link-opened"
_MAX_SHOWN: Final = 200
_MAX_FIELD_BYTES: Final = 88 * 1024  # below what Envoy takes of a request, cookies and the line with them


def check_origin(gateway: Gateway, origin: str) -> None:
    """Raises LinkError(ORIGIN) for a page that may not use the link."""
    if not cors.is_allowed(gateway.cors, origin):
        raise LinkError(Code.ORIGIN, f"origin {_shown(origin)} is not allowed")


def inner_request(context: Context, opened: OpenedRequest, now: int, *, streamed: bool) -> Request:
    """The request for the upstream.

    A whole one has the length of its body; a streamed one the length that it declares, but not 0: it would be
    complete before its end has been seen.
    """
    request = validate_request(opened.inner, context.gateway.rules, streamed=streamed)
    carried = headers.carry_over(context.outer, request.headers)
    if (origin := carried.text("origin")) is not None:
        _check_permitted(context.gateway, request, origin)
    if "cookie" in carried.first or "cookie" in context.outer.first:
        jar = cookie_context(context, request, now)
        carried = cookies.incoming(context.gateway.cookies, jar, outer=context.outer, inner=carried)
    fields = headers.to_upstream(carried, context.peer, request.scheme)
    if sum(map(len, chain.from_iterable(fields))) > _MAX_FIELD_BYTES:  # names and values
        raise LinkError(Code.BAD_REQUEST, "more headers than the upstream may be sent, with its cookies")
    length = int(request.headers.get("content-length") or 0) if streamed else len(request.body)
    if length or not streamed:
        fields.append(("content-length", b"%d" % length))
    fields.append((OPENED_MARK, b"1"))
    context.forwarded = request
    line = request.method, request.scheme, request.authority, request.path
    return Request(*line, Headers.of(fields), request.body)


def _shown(text: str) -> str:
    """A stranger's text, fit for a log line."""
    return ascii(text[:_MAX_SHOWN])


def _check_permitted(gateway: Gateway, request: Request, origin: str) -> None:
    if not (cors.is_allowed(gateway.cors, origin) and gateway.permits(request, origin)):
        raise LinkError(Code.NOT_PERMITTED, f"origin {_shown(origin)} is not allowed on this route")


def cookie_context(context: Context, request: Request, now: int) -> cookies.CookieContext:
    """What the policy of cookies has to know of an exchange whose request has crossed."""
    opened, outer = context.opened, context.outer
    if opened is None:
        raise AssertionError("nothing has opened")
    return cookies.CookieContext(
        scheme=request.scheme,
        host=request.host,
        path=request.path.partition("?")[0],
        outer_host=authority_host(outer.text(":authority") or ""),
        binding=opened.inner.cookie_binding,
        browser=headers.from_browser(outer),
        now=now,
        sent=cookies.sealed_names(outer),
    )
