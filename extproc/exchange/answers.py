"""The answers that the processor makes by itself, each with the outside that section 10 gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from extproc.errors import PROBLEM_MEDIA_TYPE, STATUS, Code, problem_body
from extproc.exchange.gateway import Gateway
from extproc.link.envelope import MEDIA_KEYS, MEDIA_STREAM, MEDIA_WHOLE
from extproc.message import Headers, Response
from extproc.policy import cors, headers

_HOUR: Final = 3600
_STATUS_ALONE: Final = b'{"type":"about:blank"}'  # RFC 9457, 4.2.1


def problem(gateway: Gateway, outer: Headers, code: Code) -> Response:
    """An outer problem (section 9): its type, and no more."""
    fields = _outside(gateway, outer, PROBLEM_MEDIA_TYPE)
    if code is Code.METHOD:
        fields = fields.adding(("allow", _allowed(gateway, outer)))
    return Response(STATUS[code], fields, problem_body(code))


def unsealed(gateway: Gateway, outer: Headers, status: int) -> Response:
    """Envoy's own refusal of a request that never opened: its status, nothing of its text."""
    if status == STATUS[Code.TOO_LARGE]:
        return problem(gateway, outer, Code.TOO_LARGE)
    return Response(status, _outside(gateway, outer, PROBLEM_MEDIA_TYPE), _STATUS_ALONE)


def sealed(gateway: Gateway, outer: Headers, body: bytes, set_cookie: Sequence[bytes] = ()) -> Response:
    """A sealed response: outer status 200, whatever the upstream said."""
    return Response(200, _outside(gateway, outer, MEDIA_WHOLE, set_cookie), body)


def stream(gateway: Gateway, outer: Headers, set_cookie: Sequence[bytes]) -> Response:
    """The outside of a sealed stream; its body follows."""
    return Response(200, _outside(gateway, outer, MEDIA_STREAM, set_cookie))


def options(gateway: Gateway, outer: Headers) -> Response:
    """204 to a preflight or a probing OPTIONS."""
    if "origin" in outer and "access-control-request-method" in outer:
        return Response(204, cors.preflight(gateway.cors, outer))
    return Response(204, _empty(gateway, outer).adding(("allow", _allowed(gateway, outer))))


def health(gateway: Gateway, outer: Headers, now: int, *, can_tell: bool) -> Response:
    """204 when the link can serve: a key opens, and the replay store can tell. Else 503."""
    if can_tell and gateway.keyring.can_open(now):
        return Response(204, _empty(gateway, outer))
    return unsealed(gateway, outer, 503)


def directory(gateway: Gateway, outer: Headers, now: int) -> Response:
    """The key directory, cacheable for an hour and no longer than it lives."""
    max_age = max(0, min(_HOUR, gateway.directory_expires_at - now))
    fields = _outside(gateway, outer, MEDIA_KEYS)
    fields = fields.setting("cache-control", f"public, max-age={max_age}".encode())
    return Response(200, fields, gateway.directory)


def _empty(gateway: Gateway, outer: Headers) -> Headers:
    return _outside(gateway, outer, "").without("content-type")


def _outside(gateway: Gateway, outer: Headers, media_type: str, set_cookie: Sequence[bytes] = ()) -> Headers:
    granted = cors.answer_headers(gateway.cors, outer.text("origin"))
    return headers.outer_response(media_type, granted, set_cookie, outer.first.get("x-request-id"))


def _allowed(gateway: Gateway, outer: Headers) -> bytes:
    path = (outer.text(":path") or "").partition("?")[0]
    return b"OPTIONS, POST" if gateway.paths.form(path) else b"GET, HEAD, OPTIONS"
